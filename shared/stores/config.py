"""The config version of a company: raised by every change of what plans and keys are loaded from.

Owns companies.config_version and the table config_changes. Must never be raised outside the change's own
transaction, nor for list entries, fills or tags.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from shared.stores import hot_sync
from shared.stores.postgres import Connection

Scope = Literal["company", "campaign", "key"]


class Change(Struct, frozen=True, kw_only=True):
    """What must be loaded anew: a campaign's plan, a key, or everything of the company (its own id)."""

    scope: Scope
    entity_id: int


LOCK_COMPANY = "SELECT config_version FROM companies WHERE id = $1 FOR NO KEY UPDATE"


async def lock_company(connection: Connection, company_id: int) -> int | None:
    """Queue up with all who change this company; its config version, None when it is gone.

    Shape: first of all in a transaction that will bump, or two writers could wait for each other.
    """
    version: int | None = await connection.fetchval(LOCK_COMPANY, company_id)
    return version


LOCK_NAMED = "SELECT id FROM companies WHERE name = $1 FOR NO KEY UPDATE"


async def lock_company_named(connection: Connection, name: str) -> int | None:
    """The same by the company's name; its id."""
    company_id: int | None = await connection.fetchval(LOCK_NAMED, name)
    return company_id


BUMP = """
UPDATE companies SET config_version = config_version + 1, updated_at = now() WHERE id = $1
RETURNING config_version
"""
INSERT_CHANGES = """
INSERT INTO config_changes (company_id, version, scope, entity_id)
SELECT $1, $2, scope, entity_id FROM unnest($3::text[], $4::bigint[]) AS change (scope, entity_id)
"""


async def bump(connection: Connection, company_id: int, *, changes: Iterable[Change]) -> int:
    """Raise the version by one, say what must be loaded anew, and owe Redis the version."""
    each = sorted({(change.scope, change.entity_id) for change in changes})
    assert each, "a version without changes would have everything loaded anew"
    version: int = await connection.fetchval(BUMP, company_id)
    scopes, ids = zip(*each, strict=True)
    await connection.execute(INSERT_CHANGES, company_id, version, scopes, ids)
    await hot_sync.note(connection, company_id, kind=hot_sync.VERSION)
    return version


FIND_CAMPAIGNS = """
SELECT DISTINCT r.campaign_id
FROM campaign_routes r LEFT JOIN buyer_group_members m ON m.group_id = r.group_id
WHERE r.buyer_id = ANY($1::bigint[]) OR m.buyer_id = ANY($1::bigint[]) OR r.group_id = ANY($2::bigint[])
"""


async def routing_to(
    connection: Connection, buyer_ids: Sequence[int], *, group_ids: Sequence[int] = ()
) -> frozenset[Change]:
    """The campaigns that route to any of these buyers, even through a group, or to any of these groups."""
    rows = await connection.fetch(FIND_CAMPAIGNS, buyer_ids, group_ids)
    return frozenset(Change(scope="campaign", entity_id=row["campaign_id"]) for row in rows)
