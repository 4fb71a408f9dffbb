"""Caller lists as their owners page through them.

Owns what is read for show and index. Must never be what a ping or a call asks.
"""

from asyncpg import Record

from shared.domain.lists import CallerList, Listed, Place
from shared.domain.paging import A_PAGE
from shared.stores.moments import unix_ms
from shared.stores.postgres import PoolOrConnection, Postgres

LOAD_NAMES = """
SELECT name FROM caller_lists WHERE company_id = $1 AND level = $2 AND entity_id = $3 ORDER BY name LIMIT $4 OFFSET $5
"""


async def load_names(postgres: Postgres, place: Place, *, page: int) -> list[str]:
    """A page of an entity's lists, by name. Shape: one more than a page when there are more."""
    rows = await postgres.fetch(
        LOAD_NAMES, place.company_id, place.level, place.entity_id, A_PAGE + 1, (page - 1) * A_PAGE
    )
    return [row["name"] for row in rows]


LOAD_LISTED = """
SELECT number, created_at, expires_at FROM caller_list_numbers
WHERE generation_id = $1 AND (expires_at IS NULL OR expires_at > now()) ORDER BY number LIMIT $2 OFFSET $3
"""


async def load_listed(postgres: Postgres, of: CallerList, *, page: int) -> list[Listed]:
    """A page of a list's numbers, in their order. Shape: as load_names. Cost: by the pages before it."""
    rows = await postgres.fetch(LOAD_LISTED, of.generation_id, A_PAGE + 1, (page - 1) * A_PAGE)
    return [_listed(row) for row in rows]


FIND_LISTED = """
SELECT number, created_at, expires_at FROM caller_list_numbers
WHERE generation_id = $1 AND number = $2 AND (expires_at IS NULL OR expires_at > now())
"""


async def find_listed(
    connection: PoolOrConnection, of: CallerList, *, number: str, is_new: bool = False
) -> Listed | None:
    """One number of a list; None when it is not on it."""
    row = await connection.fetchrow(FIND_LISTED, of.generation_id, number)
    if row is None:
        return None
    return _listed(row, is_new=is_new)


def _listed(row: Record, *, is_new: bool = False) -> Listed:
    return Listed(
        number=row["number"],
        created_ms=unix_ms(row["created_at"]),
        expires_ms=unix_ms(row["expires_at"]),
        is_new=is_new,
    )
