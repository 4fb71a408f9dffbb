"""The outbox as an operator sees it: what waits, what is dead, and who looked at a signing secret.

Owns the listing. Must never show a payload: it holds a caller's number and tags. Writes nothing but audit rows.
"""

from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from shared.errors import OperatorError
from shared.stores import audit
from shared.stores.outbox import Status
from shared.stores.postgres import Connection


class OutboxRow(Struct, frozen=True, kw_only=True):
    """One webhook that was, is or was to be delivered.

    Shape: webhook is its name, "" once it is deleted; answered is the last reply's status, None = there was none, and error
    says why; next_at only while it waits.
    """

    id: str
    company: str
    webhook: str
    trigger: str
    host: str
    status: Status
    attempts: int
    answered: int | None
    error: str | None
    created_at: datetime
    next_at: datetime | None
    call_uuid: str | None


SELECT_ROWS = """
SELECT o.id::text AS id, c.name AS company, coalesce(w.name, '') AS webhook, o.trigger, o.host, o.status, o.attempts,
       o.last_status, o.last_error, o.created_at, CASE WHEN o.status = 'waiting' THEN o.next_at END AS next_at,
       o.call_uuid::text AS call_uuid
FROM outbox o JOIN companies c ON c.id = o.company_id LEFT JOIN webhooks w ON w.id = o.webhook_id
WHERE ($1::text IS NULL OR c.name = $1) AND ($2::text IS NULL OR o.status = $2)
ORDER BY o.created_at DESC, o.id DESC LIMIT $3
"""


async def load_rows(
    connection: Connection, *, company: str | None = None, status: Status | None = None, limit: int
) -> list[OutboxRow]:
    """The newest rows of one company or all, in any state or one."""
    return [_row(row) for row in await connection.fetch(SELECT_ROWS, company, status, limit)]


def _row(row: Record) -> OutboxRow:
    return OutboxRow(
        id=row["id"],
        company=row["company"],
        webhook=row["webhook"],
        trigger=row["trigger"],
        host=row["host"],
        status=row["status"],
        attempts=row["attempts"],
        answered=row["last_status"],
        error=row["last_error"],
        created_at=row["created_at"],
        next_at=row["next_at"],
        call_uuid=row["call_uuid"],
    )


FIND_COMPANY = "SELECT id FROM companies WHERE name = $1"


async def note_reveal(connection: Connection, company: str, *, actor: str) -> int:
    """Leave an audit row for a company's webhook secret that is shown; the company's id.

    Errors: OperatorError when there is no such company.
    """
    company_id: int | None = await connection.fetchval(FIND_COMPANY, company)
    if company_id is None:
        raise OperatorError(f"there is no company {company}")
    deed = audit.Deed(action="reveal", entity="webhook_secret", entity_id=company_id)
    await audit.append(connection, company_id, actor=actor, deeds=[deed])
    return company_id
