"""Where callers stand in the hot copy of a company's lists: inverted, a bucket of callers a hash.

Owns the writing of today's truth about lists into Redis. Must never change a list: shared/stores/lists.py
does. A bucket's field holds every generation that a caller stands in, live or not; the head says which of
them are live.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from shared.stores import redis_keys
from shared.stores.hot_company import Cold, HotCompany, parts, take_turn
from shared.stores.postgres import Connection
from shared.stores.redis import Redis

_CHUNK = 2_000


async def sync_generations(connection: Connection, hot: HotCompany, *, generations: Sequence[int]) -> None:
    """Whether these generations are live. Cost: a query and a script."""
    live = dict.fromkeys(generations, 0)
    for row in await connection.fetch(LOAD_LIVE_OF, hot.company_id, generations):
        live[row["generation_id"]] = row["id"]
    await hot.set_generations(live)


LOAD_LIVE_OF = """
SELECT generation_id, id FROM caller_lists WHERE company_id = $1 AND generation_id = ANY($2::bigint[])
"""


async def sync_numbers(connection: Connection, hot: HotCompany, *, numbers: Iterable[str]) -> None:
    """In which generations these callers stand. Cost: a query and some scripts for each 2,000."""
    for some in parts(numbers, _CHUNK):
        rows = await connection.fetch(LOAD_GENERATIONS, hot.company_id, some)
        generations = {row["number"]: row["generations"] for row in rows}
        await _write(hot, generations)


# One look for each number, not `= ANY`: a plan kept from when the table was small would read all of the company's each time.
LOAD_GENERATIONS = """
SELECT asked.number, coalesce((
    SELECT string_agg(n.generation_id::text, ',' ORDER BY n.generation_id) FROM caller_list_numbers n
    WHERE n.company_id = $1 AND n.number = asked.number AND (n.expires_at IS NULL OR n.expires_at > now())
), '') AS generations
FROM unnest($2::text[]) AS asked (number)
"""


async def rewrite_company_lists(connection: Connection, redis: Redis, *, company_id: int) -> None:
    """All lists of a company, from nothing, in a shard that serves or is being rebuilt.

    Shape: the company's row stays locked until the transaction ends. Errors: Unavailable. Cost: by the lists'
    sizes.
    """
    hot = await take_turn(connection, redis, company_id=company_id)
    if hot is None:
        return
    await _write_whole(connection, await _in_rebuild(hot))


async def _write_whole(connection: Connection, hot: HotCompany) -> None:
    """Every caller of every list, into buckets emptied before, and which generations are live."""
    for buckets in _counts(hot):
        await hot.clear_buckets(buckets)
    after = ""
    while some := await load_some(connection, hot.company_id, after=after):
        await _write(hot, some)
        after = last_of(some)
    rows = await connection.fetch(LOAD_LIVE, hot.company_id)
    await hot.set_generations({row["generation_id"]: row["id"] for row in rows})


LOAD_LIVE = "SELECT generation_id, id FROM caller_lists WHERE company_id = $1 AND generation_id IS NOT NULL"
LOAD_ALL = """
SELECT number, string_agg(generation_id::text, ',' ORDER BY generation_id) AS generations
FROM caller_list_numbers
WHERE company_id = $1 AND number > $2 AND (expires_at IS NULL OR expires_at > now())
GROUP BY number ORDER BY number LIMIT $3
"""


async def load_some(connection: Connection, company_id: int, *, after: str) -> dict[str, str]:
    """The next 2,000 callers of a company, in the order of their numbers, and where they stand; empty at the end."""
    rows = await connection.fetch(LOAD_ALL, company_id, after, _CHUNK)
    return {row["number"]: row["generations"] for row in rows}


def last_of(some: dict[str, str]) -> str:
    """The last caller by the order that Postgres gives them, which need not be Python's."""
    return next(reversed(some))


async def _write(hot: HotCompany, generations: Mapping[str, str]) -> None:
    """Into the buckets that plans read, and into those that they will read."""
    for buckets in _counts(hot):
        await hot.set_callers(generations, buckets=buckets)


def _counts(hot: HotCompany) -> list[int]:
    return [hot.list_buckets, hot.next_buckets] if hot.next_buckets else [hot.list_buckets]


async def _in_rebuild(hot: HotCompany) -> HotCompany:
    """The writer, with the token of the rebuild that its shard is in, if it is in one."""
    epoch, token = await hot.redis.command(hot.shard, "HMGET", redis_keys.head(hot.shard), "epoch", "rebuild")
    if epoch is not None:
        return hot
    if token is None:
        raise Cold("redis")
    return replace(hot, rebuild=token.decode())
