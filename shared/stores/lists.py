"""Caller lists in Postgres: which there are, and who stands on them.

Owns the tables caller_lists, caller_list_generations and caller_list_numbers. Must never write to Redis itself: every
change here notes what is owed (hot_sync). A list's numbers belong to a generation; the list names the live one, so a whole
list is swapped by naming another.
"""

from collections.abc import Iterable, Sequence

from shared.domain.keys import Level
from shared.domain.lists import CallerList, Effect, effect_of
from shared.stores import hot_sync
from shared.stores.config import Change, routing_to
from shared.stores.moments import moment
from shared.stores.postgres import Connection, PoolOrConnection, Postgres

__all__ = [
    "CallerList",
    "add_numbers",
    "changes_of",
    "create_list",
    "delete_list",
    "drop_some",
    "expire_number",
    "expire_numbers",
    "find_list",
    "forget_list",
    "remove_numbers",
    "rename_list",
    "replace_numbers",
    "set_expiry",
]

_CHUNK = 2_000


FIND_LIST = """
SELECT id, company_id, level, entity_id, name, expires_after_seconds, generation_id
FROM caller_lists WHERE company_id = $1 AND level = $2 AND entity_id = $3 AND name = $4
"""


async def find_list(
    connection: PoolOrConnection, company_id: int, *, level: Level, entity_id: int, name: str
) -> CallerList | None:
    """One list by its name, None when there is none such."""
    row = await connection.fetchrow(FIND_LIST, company_id, level, entity_id, name)
    return None if row is None else CallerList(**{**row, "level": Level(row["level"])})


INSERT_LIST = """
INSERT INTO caller_lists (company_id, level, entity_id, name, expires_after_seconds) VALUES ($1, $2, $3, $4,
$5) RETURNING id
"""
INSERT_GENERATION = "INSERT INTO caller_list_generations (company_id, list_id) VALUES ($1, $2) RETURNING id"
SET_GENERATION = "UPDATE caller_lists SET generation_id = $2, updated_at = now() WHERE id = $1"


async def create_list(
    connection: Connection,
    company_id: int,
    *,
    level: Level,
    entity_id: int,
    name: str,
    expires_after_seconds: int | None = None,
) -> CallerList:
    """A new, empty list. Shape: what plans must load anew is for the caller to bump: see changes_of.

    Errors: asyncpg.UniqueViolationError when the entity has a list of that name.
    """
    list_id = await connection.fetchval(
        INSERT_LIST, company_id, level, entity_id, name, expires_after_seconds
    )
    generation_id = await connection.fetchval(INSERT_GENERATION, company_id, list_id)
    await connection.execute(SET_GENERATION, list_id, generation_id)
    await hot_sync.note(connection, company_id, str(generation_id), kind=hot_sync.LIST)
    return CallerList(
        id=list_id,
        company_id=company_id,
        level=level,
        entity_id=entity_id,
        name=name,
        expires_after_seconds=expires_after_seconds,
        generation_id=generation_id,
    )


SET_EXPIRY = "UPDATE caller_lists SET expires_after_seconds = $2, updated_at = now() WHERE id = $1"


async def set_expiry(connection: Connection, list_id: int, *, expires_after_seconds: int | None) -> None:
    """How long numbers that are added from now on stay."""
    await connection.execute(SET_EXPIRY, list_id, expires_after_seconds)


INSERT_NUMBERS = """
INSERT INTO caller_list_numbers (company_id, generation_id, number, expires_at, key_id)
SELECT $1, $2, number, now() + make_interval(secs => $4), $5 FROM unnest($3::text[]) AS number
ON CONFLICT (generation_id, number) DO UPDATE SET expires_at = excluded.expires_at, key_id = excluded.key_id
WHERE caller_list_numbers.expires_at <= now()
RETURNING number
"""


async def add_numbers(
    connection: Connection, to: CallerList, *, numbers: Sequence[str], key_id: int | None = None
) -> list[str]:
    """Put numbers on a list; those that were not on it. Shape: E.164, each once; one that had expired counts as new."""
    rows = await connection.fetch(
        INSERT_NUMBERS, to.company_id, to.generation_id, numbers, to.expires_after_seconds, key_id
    )
    added = [row["number"] for row in rows]
    await hot_sync.note_numbers(connection, to.company_id, numbers=added)
    return added


EXPIRE_NUMBER = "UPDATE caller_list_numbers SET expires_at = $3 WHERE generation_id = $1 AND number = $2"


async def expire_number(connection: Connection, of: CallerList, *, number: str, at_ms: int) -> None:
    """Let a number that is on a list stand there until then. Units: at_ms unix milliseconds."""
    await connection.execute(EXPIRE_NUMBER, of.generation_id, number, moment(at_ms))


DELETE_NUMBERS = """
DELETE FROM caller_list_numbers WHERE generation_id = $1 AND number = ANY($2::text[]) RETURNING number
"""


async def remove_numbers(connection: Connection, of: CallerList, *, numbers: Sequence[str]) -> list[str]:
    """Take numbers off a list; those that were on it."""
    rows = await connection.fetch(DELETE_NUMBERS, of.generation_id, numbers)
    removed = [row["number"] for row in rows]
    await hot_sync.note_numbers(connection, of.company_id, numbers=removed)
    return removed


async def replace_numbers(
    connection: Connection, of: CallerList, *, numbers: Iterable[str], key_id: int | None = None
) -> int:
    """Swap a list's numbers for others, in a new generation that goes live whole; its id.

    Shape: the old generation stays, dead, until drop_generation.
    """
    generation_id: int = await connection.fetchval(INSERT_GENERATION, of.company_id, of.id)
    unique = list(dict.fromkeys(numbers))
    expiry = of.expires_after_seconds
    for start in range(0, len(unique), _CHUNK):
        some = unique[start : start + _CHUNK]
        await connection.fetch(INSERT_NUMBERS, of.company_id, generation_id, some, expiry, key_id)
    await hot_sync.note_numbers(connection, of.company_id, numbers=unique)
    await connection.execute(SET_GENERATION, of.id, generation_id)
    subjects = (str(of.generation_id), str(generation_id))
    await hot_sync.note(connection, of.company_id, *subjects, kind=hot_sync.LIST)
    return generation_id


DROP_NUMBERS = """
DELETE FROM caller_list_numbers WHERE generation_id = $1 AND number IN
    (SELECT number FROM caller_list_numbers WHERE generation_id = $1 LIMIT $2)
RETURNING number
"""
DROP_GENERATION = """
DELETE FROM caller_list_generations g WHERE g.id = $1
    AND NOT EXISTS (SELECT FROM caller_lists l WHERE l.generation_id = g.id)
    AND NOT EXISTS (SELECT FROM caller_list_numbers n WHERE n.generation_id = g.id)
"""


async def drop_some(connection: Connection, company_id: int, *, generation_id: int) -> bool:
    """Forget 2,000 numbers of a dead generation, at last the generation; whether any were left."""
    rows = await connection.fetch(DROP_NUMBERS, generation_id, _CHUNK)
    await hot_sync.note_numbers(connection, company_id, numbers=(row["number"] for row in rows))
    if not rows:
        await connection.execute(DROP_GENERATION, generation_id)
    return bool(rows)


DELETE_LIST = "DELETE FROM caller_lists WHERE id = $1"


async def delete_list(connection: Connection, gone: CallerList) -> None:
    """Forget a list. Shape: its numbers go with it; take a big list's off by drop_some before."""
    subjects = await connection.fetch(LOAD_NUMBERS, gone.generation_id)
    await connection.execute(DELETE_LIST, gone.id)
    await hot_sync.note(connection, gone.company_id, str(gone.generation_id), kind=hot_sync.LIST)
    await hot_sync.note_numbers(connection, gone.company_id, numbers=(row["number"] for row in subjects))


LET_GO = "UPDATE caller_list_generations SET list_id = NULL, dead = true WHERE list_id = $1"


async def forget_list(connection: Connection, gone: CallerList) -> None:
    """Forget a list of any size at once. Shape: its generations stay, dead, for the worker to drop."""
    await connection.execute(LET_GO, gone.id)
    await connection.execute(DELETE_LIST, gone.id)
    await hot_sync.note(connection, gone.company_id, str(gone.generation_id), kind=hot_sync.LIST)


RENAME_LIST = "UPDATE caller_lists SET name = $2, updated_at = now() WHERE id = $1"


async def rename_list(connection: Connection, known: CallerList, *, to: str) -> None:
    """Another name for a list. Errors: asyncpg.UniqueViolationError when the entity has one of that name."""
    await connection.execute(RENAME_LIST, known.id, to)


LOAD_NUMBERS = "SELECT number FROM caller_list_numbers WHERE generation_id = $1"


async def changes_of(connection: Connection, changed: CallerList) -> frozenset[Change]:
    """What must be loaded anew when a list appears, goes or is renamed; nothing for one without effect."""
    if effect_of(changed.name) is Effect.NONE:
        return frozenset()
    if changed.level is Level.BUYER:
        return await routing_to(connection, [changed.entity_id])
    if changed.level is Level.CAMPAIGN:
        return frozenset({Change(scope="campaign", entity_id=changed.entity_id)})
    return frozenset({Change(scope="company", entity_id=changed.company_id)})


DELETE_EXPIRED = """
DELETE FROM caller_list_numbers WHERE ctid IN
    (SELECT ctid FROM caller_list_numbers WHERE expires_at <= now() ORDER BY expires_at LIMIT $1
     FOR UPDATE SKIP LOCKED)
RETURNING company_id, number
"""


async def expire_numbers(postgres: Postgres, limit: int = _CHUNK) -> set[int]:
    """Take off what has expired, and owe Redis that; the companies concerned."""
    by_company: dict[int, set[str]] = {}
    async with postgres.transaction() as connection:
        for row in await connection.fetch(DELETE_EXPIRED, limit):
            by_company.setdefault(row["company_id"], set()).add(row["number"])
        for company_id, numbers in by_company.items():
            await hot_sync.note_numbers(connection, company_id, numbers=numbers)
    return set(by_company)
