"""Who may do what to the caller lists of which entity: a key, its secret, and the entity that a path names.

Owns that one look. Must never be asked on a hot path: only the control service does.
"""

from msgspec import Struct

from shared.domain.keys import Key, Kind, Level
from shared.domain.list_rights import Bearer, fault_of_access, secret_fits
from shared.domain.lists import Place
from shared.errors import Unavailable
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.keyring import AGAIN, Again, Denied
from shared.stores.postgres import Postgres

_TRIES = 12


class ListAccess:
    """Admits keys to the lists of an entity. Errors: Unavailable."""

    def __init__(self, desk: KeyDesk, postgres: Postgres, *, pepper: bytes) -> None:
        self._desk = desk
        self._postgres = postgres
        self._pepper = pepper

    async def admit(self, by: Bearer, permission: str, *, client: str) -> Place | Denied:
        """Where the lists stand to which a key may do this. Cost: one query, and none before it when the key is hot."""
        for _ in range(_TRIES):
            holder = await self._desk.holder(by.token, Kind.CALLER_LIST_MANAGEMENT, client=client)
            if isinstance(holder, Denied):
                return holder
            if isinstance(holder, Again):
                continue
            place = await self._judged(holder, by, permission=permission)
            if not isinstance(place, Again):
                return place
        raise Unavailable("config")

    async def _judged(self, holder: Holder, by: Bearer, *, permission: str) -> Place | Denied | Again:
        key = holder.key
        seen = await find_access(self._postgres, key, level=by.level, named=by.entity)
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        fits = secret_fits(key, by.secret, stored=seen.secret_hmac, pepper=self._pepper)
        fault = fault_of_access(
            key, level=by.level, entity_id=seen.entity_id, permission=permission, secret_fits=fits
        )
        self._desk.used(key.id)
        if fault is not None:
            return Denied(reason=fault, key_id=key.id)
        return Place(
            company_id=key.company_id,
            shard=key.shard,
            level=by.level,
            entity_id=seen.entity_id,
            key_id=key.id,
        )


class Access(Struct, frozen=True, kw_only=True):
    """What one look found.

    Shape: version is the company's config version at that moment; entity_id 0 = the company has none such; secret_hmac None =
    the key has no secret.
    """

    version: int
    secret_hmac: bytes | None
    entity_id: int


FIND_ACCESS = """
SELECT c.config_version, k.secret_hmac, CASE $3
    WHEN 'company' THEN (SELECT c.id WHERE c.id = $4)
    WHEN 'campaign' THEN (
        SELECT e.id FROM campaigns e WHERE e.company_id = c.id AND (e.id = $4 OR e.cid = $5)
        ORDER BY (e.id = $6) DESC, (e.id = $4) DESC LIMIT 1)
    WHEN 'buyer' THEN (
        SELECT e.id FROM buyers e WHERE e.company_id = c.id AND (e.id = $4 OR e.tid = $5)
        ORDER BY (e.id = $6) DESC, (e.id = $4) DESC LIMIT 1)
    END AS entity_id
FROM companies c JOIN postback_keys k ON k.id = $2 WHERE c.id = $1
"""


async def find_access(postgres: Postgres, key: Key, *, level: Level, named: str) -> Access:
    """Which entity of the key's company is named, by its id or the customer's. Cost: one query.

    Shape: when a customer's id is another entity's id, the key's own entity is meant, then the one with that id.
    """
    entity_id = int(named) if named.isascii() and named.isdecimal() and len(named) < 19 else 0
    own = key.entity_id if key.level is level else 0
    row = await postgres.fetchrow(FIND_ACCESS, key.company_id, key.id, level, entity_id, named, own)
    if row is None:
        return Access(version=0, secret_hmac=None, entity_id=0)
    return Access(
        version=row["config_version"], secret_hmac=row["secret_hmac"], entity_id=row["entity_id"] or 0
    )
