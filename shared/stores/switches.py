"""Switch credentials in Postgres: made, listed and deleted; and opened in memory, where a call's signature is checked.

Owns the table switch_credentials. Must never let a secret leave but in a Credential, nor keep one in the clear outside memory.
A sealed secret is bound to its row by the row's company, kind and account, which never change.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from asyncpg import Record, UniqueViolationError
from msgspec import Struct

from shared.domain.switching.credentials import Credential, SwitchKind
from shared.domain.tokens import Hidden
from shared.errors import OperatorError, Unavailable
from shared.logs import get_logger
from shared.stores import audit
from shared.stores.config_cache import SingleFlight
from shared.stores.postgres import Connection, Postgres
from shared.stores.sealing import Sealer

_LOG = get_logger()
_EVERY_S = 5.0
_MISSES_APART_S = 0.2


class NewCredential(Struct, frozen=True, kw_only=True):
    """A credential to be made. Shape: account_id is Twilio's AccountSid, a generic switch's name."""

    company_id: int
    kind: SwitchKind
    account_id: str
    secret: Hidden
    command_url: str = ""


class CredentialRow(Struct, frozen=True, kw_only=True):
    """A credential as operators see it."""

    id: int
    company_id: int
    company: str
    kind: SwitchKind
    account_id: str
    command_url: str
    created_at: datetime


LOCK_ACCOUNT = "SELECT pg_advisory_xact_lock(hashtextextended('switch account ' || $1, 0))"
IS_TAKEN = "SELECT EXISTS (SELECT FROM switch_credentials WHERE provider = 'twilio' AND account_id = $1)"
INSERT_CREDENTIAL = """
INSERT INTO switch_credentials (company_id, provider, account_id, secret_sealed, command_url)
VALUES ($1, $2, $3, $4, $5)
RETURNING id
"""


async def create_credential(connection: Connection, sealer: Sealer, *, new: NewCredential, actor: str) -> int:
    """Make a credential and write it down; its id.

    Errors: OperatorError when a Twilio account has one, or a generic switch of the company is called so: a request names its
    account, and must lead to one company.
    """
    if new.kind == "twilio":
        await connection.execute(LOCK_ACCOUNT, new.account_id)
        if await connection.fetchval(IS_TAKEN, new.account_id):
            raise OperatorError("this Twilio account has a credential already")
    sealed = sealer.seal(new.secret, _bond(new.company_id, new.kind, account_id=new.account_id))
    row = (new.company_id, new.kind, new.account_id, sealed, new.command_url)
    try:
        credential_id: int = await connection.fetchval(INSERT_CREDENTIAL, *row)
    except UniqueViolationError:
        raise OperatorError("the company has a generic switch of that name already") from None
    after = {"kind": new.kind, "account_id": new.account_id}
    deed = audit.Deed(action="create", entity="switch_credential", entity_id=credential_id, after=after)
    await audit.append(connection, new.company_id, actor=actor, deeds=[deed])
    return credential_id


SELECT_ROWS = """
SELECT s.id, s.company_id, c.name AS company, s.provider AS kind, s.account_id, s.command_url, s.created_at
FROM switch_credentials s JOIN companies c ON c.id = s.company_id
WHERE ($1::text IS NULL OR c.name = $1)
ORDER BY s.company_id, s.id
"""


async def load_rows(connection: Connection, *, company: str | None = None) -> list[CredentialRow]:
    """Credentials of one company or all, without their secrets."""
    return [CredentialRow(**dict(row)) for row in await connection.fetch(SELECT_ROWS, company)]


DELETE_CREDENTIAL = "DELETE FROM switch_credentials WHERE id = $1 RETURNING id"


async def delete_credential(connection: Connection, row: CredentialRow, *, actor: str) -> bool:
    """Delete a credential for good and write it down; False when it is gone already."""
    if await connection.fetchval(DELETE_CREDENTIAL, row.id) is None:
        return False
    before = {"kind": row.kind, "account_id": row.account_id}
    deed = audit.Deed(action="delete", entity="switch_credential", entity_id=row.id, before=before)
    await audit.append(connection, row.company_id, actor=actor, deeds=[deed])
    return True


FIND_OF_NUMBER = """
SELECT s.id, s.company_id, s.provider, s.account_id, s.secret_sealed, s.command_url
FROM numbers n JOIN switch_credentials s ON s.company_id = n.company_id
WHERE n.number = $1 AND s.provider = 'generic'
ORDER BY s.id LIMIT 1
"""


async def find_generic_of(postgres: Postgres, sealer: Sealer, *, number: str) -> Credential | None:
    """The oldest generic credential of the company that a number belongs to; None without either.

    Errors: OperatorError when its secret was sealed with another key.
    """
    row = await postgres.fetchrow(FIND_OF_NUMBER, number)
    return None if row is None else _opened(row, sealer)


SELECT_ALL = "SELECT id, company_id, provider, account_id, secret_sealed, command_url FROM switch_credentials ORDER BY id"


class SwitchDirectory:
    """Every credential, opened. A new one is known at once, a deleted one forgotten within five seconds.

    Errors: Unavailable when one that is not in memory is asked for while Postgres is away.
    """

    def __init__(self, postgres: Postgres, sealer: Sealer) -> None:
        self._postgres = postgres
        self._sealer = sealer
        self._by_provider: Mapping[str, Credential] = {}
        self._by_account: Mapping[str, Credential] = {}
        self._unreadable: frozenset[int] = frozenset()
        self._flights: SingleFlight[str, None] = SingleFlight(postgres.patience)
        self._missed_s = -_MISSES_APART_S
        self._is_current = False

    async def run(self) -> None:
        """Look again until cancelled; while Postgres is away, what is known goes on."""
        while True:
            with suppress(Unavailable):
                await self.refresh()
            await asyncio.sleep(_EVERY_S)

    async def refresh(self) -> None:
        """Look now; who comes meanwhile shares the look. Errors: Unavailable. Cost: one query."""
        await self._flights.run("all", self._load)

    async def close(self) -> None:
        """End a look that is under way."""
        await self._flights.close()

    def known(self, provider: str) -> Credential | None:
        """The credential that a call names, as far as memory knows."""
        return self._by_provider.get(provider)

    async def find(self, provider: str) -> Credential | None:
        """The credential that a call names: it was there when the call came. Cost: none when it is known."""
        if provider not in self._by_provider:
            await self.refresh()
        return self._by_provider.get(provider)

    async def find_generic(self, credential_id: int) -> Credential | None:
        """The generic switch of that id. Cost: none when it is known."""
        provider = f"generic/{credential_id}"
        if provider not in self._by_provider and credential_id:
            await self._missed()
        return self._by_provider.get(provider)

    async def find_twilio(self, account_sid: str) -> Credential | None:
        """The Twilio account of that AccountSid. Cost: none when it is known."""
        if account_sid not in self._by_account and account_sid:
            await self._missed()
        return self._by_account.get(account_sid)

    async def _missed(self) -> None:
        """Look once more, unless one did so a moment ago: a flood of unknown names costs five queries a second."""
        now_s = asyncio.get_running_loop().time()
        if len(self._flights) or not self._is_current or now_s - self._missed_s >= _MISSES_APART_S:
            self._missed_s = now_s
            await self.refresh()

    async def _load(self) -> None:
        self._is_current = False
        opened: list[Credential] = []
        unreadable: set[int] = set()
        for row in await self._postgres.fetch(SELECT_ALL):
            try:
                opened.append(_opened(row, self._sealer))
            except OperatorError:
                unreadable.add(row["id"])
        self._by_provider = {each.provider: each for each in opened}
        self._by_account = {each.account_id: each for each in opened if each.kind == "twilio"}
        self._is_current = True
        if unreadable - self._unreadable:
            _LOG.error("switches_unreadable", credential_ids=sorted(unreadable))
        self._unreadable = frozenset(unreadable)


def _opened(row: Record, sealer: Sealer) -> Credential:
    company_id, kind, account_id = row["company_id"], row["provider"], row["account_id"]
    return Credential(
        id=row["id"],
        company_id=company_id,
        kind=kind,
        account_id=account_id,
        secret=sealer.open(row["secret_sealed"], _bond(company_id, kind, account_id=account_id)),
        command_url=row["command_url"],
    )


def _bond(company_id: int, kind: str, *, account_id: str) -> bytes:
    return hashlib.sha256(f"switch of company {company_id}: {kind} {account_id}".encode()).digest()
