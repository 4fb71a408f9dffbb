"""More buckets for a company's caller lists: made beside the old ones, which are in force until the new ones are whole.

Owns the table list_widenings and companies.list_buckets. Must never hold the company's lock for longer than some callers take.

1. The new count is noted, its buckets are emptied. From here on whoever writes a caller writes it into both (list_buckets.py).
2. Those who stood there before are copied, 2,000 a transaction, in the order of their numbers.
3. Behind the last one the company's count is set to the new one, with a new config version: plans with the old count are stale.
4. When Redis knows that version, the old buckets are emptied.

Whoever dies between two steps leaves what the next one goes on from. A rebuild in between writes both counts, whole.

Failure policy: Postgres or Redis away, or the shard cold, is Unavailable: the step was not done, and is owed.
"""

import asyncio

from msgspec import Struct

from shared.domain.lists import buckets_for
from shared.stores import hot_sync, redis_keys
from shared.stores.config import Change, bump
from shared.stores.hot_company import take_turn
from shared.stores.list_buckets import last_of, load_some
from shared.stores.postgres import Connection, PoolOrConnection, Postgres
from shared.stores.redis import Redis

_SAMPLE = 64  # buckets; their mean tells the total to some three per cent


class Home(Struct, frozen=True, kw_only=True):
    """Where a company's lists stand in Redis."""

    company_id: int
    shard: int
    list_buckets: int


class Widening(Struct, frozen=True, kw_only=True):
    """How far one is. Shape: copied_to is the last caller in the new buckets; flipped: plans read the new ones."""

    buckets_from: int
    buckets_to: int
    copied_to: str
    flipped: bool


FIND_HOMES = """
SELECT c.id AS company_id, c.shard, c.list_buckets FROM companies c
WHERE c.id > $1 AND EXISTS (SELECT FROM caller_lists l WHERE l.company_id = c.id) ORDER BY c.id LIMIT $2
"""


async def find_homes(postgres: Postgres, *, after: int, limit: int) -> list[Home]:
    """Companies with lists, in the order of their ids."""
    return [Home(**row) for row in await postgres.fetch(FIND_HOMES, after, limit)]


async def count_callers(redis: Redis, home: Home) -> int:
    """About how many callers stand in a company's buckets, by what is in some of them. Errors: Unavailable. Cost: a batch."""
    step = -(-home.list_buckets // _SAMPLE)
    places = range(0, home.list_buckets, step)
    shard, company_id = home.shard, home.company_id
    keys = [redis_keys.bucket(shard, company_id, buckets=home.list_buckets, number=place) for place in places]
    counts: list[int] = await asyncio.gather(*(redis.command(shard, "HLEN", key) for key in keys))
    return sum(counts) * home.list_buckets // len(places)


async def is_full(redis: Redis, home: Home) -> bool:
    """Whether a company's buckets have more callers than they should. Errors: Unavailable."""
    return buckets_for(await count_callers(redis, home), home.list_buckets) > 0


FIND_WIDENING = (
    "SELECT buckets_from, buckets_to, copied_to, flipped FROM list_widenings WHERE company_id = $1"
)


async def find_widening(connection: PoolOrConnection, company_id: int) -> Widening | None:
    """The one that a company is in, None when it is in none."""
    row = await connection.fetchrow(FIND_WIDENING, company_id)
    return None if row is None else Widening(**row)


FIND_UNFINISHED = "SELECT company_id FROM list_widenings ORDER BY began_at LIMIT $1"


async def find_unfinished(postgres: Postgres, *, limit: int) -> list[int]:
    """Companies in the middle of a widening, those first that have been in it longest."""
    return [row["company_id"] for row in await postgres.fetch(FIND_UNFINISHED, limit)]


INSERT_WIDENING = "INSERT INTO list_widenings (company_id, buckets_from, buckets_to) VALUES ($1, $2, $3)"


async def make_room(
    postgres: Postgres, redis: Redis, *, company_id: int, more: int = 0, at_least: int = 0
) -> bool:
    """Begin with more buckets when there are too few for the callers of now and some more; whether that was begun.

    Shape: at_least = so many are expected in all. Errors: Unavailable.
    """
    async with postgres.transaction() as connection:
        hot = await take_turn(connection, redis, company_id=company_id)
        if hot is None or await find_widening(connection, company_id) is not None:
            return False
        home = Home(company_id=company_id, shard=hot.shard, list_buckets=hot.list_buckets)
        expected = max(await count_callers(redis, home) + more, at_least)
        buckets = buckets_for(expected, hot.list_buckets)
        if not buckets:
            return False
        await hot.clear_buckets(buckets)
        await connection.execute(INSERT_WIDENING, company_id, hot.list_buckets, buckets)
    return True


async def widen_some(postgres: Postgres, redis: Redis, *, company_id: int) -> bool:
    """Go on with a company's widening by one step; whether there was one to take. Errors: Unavailable."""
    widening = await find_widening(postgres, company_id)
    if widening is None:
        return False
    if widening.flipped:
        await hot_sync.apply(postgres, redis, company_id=company_id)  # plans with the old count are stale now
        await _clear(postgres, redis, company_id=company_id)
    else:
        await _copy(postgres, redis, company_id=company_id)
    return True


SET_COPIED = "UPDATE list_widenings SET copied_to = $2 WHERE company_id = $1"


async def _copy(postgres: Postgres, redis: Redis, *, company_id: int) -> None:
    async with postgres.transaction() as connection:
        hot = await take_turn(connection, redis, company_id=company_id)
        widening = await find_widening(connection, company_id)
        if hot is None or widening is None or widening.flipped:
            return
        some = await load_some(connection, company_id, after=widening.copied_to)
        if not some:
            await _flip(connection, company_id, buckets=widening.buckets_to)
            return
        await hot.set_callers(some, buckets=widening.buckets_to)
        await connection.execute(SET_COPIED, company_id, last_of(some))


SET_FLIPPED = "UPDATE list_widenings SET flipped = true WHERE company_id = $1"
SET_BUCKETS = "UPDATE companies SET list_buckets = $2 WHERE id = $1"


async def _flip(connection: Connection, company_id: int, *, buckets: int) -> None:
    """Plans that are loaded from now on read the new buckets."""
    await connection.execute(SET_BUCKETS, company_id, buckets)
    await connection.execute(SET_FLIPPED, company_id)
    await bump(connection, company_id, changes=[Change(scope="company", entity_id=company_id)])


DELETE_WIDENING = "DELETE FROM list_widenings WHERE company_id = $1"


async def _clear(postgres: Postgres, redis: Redis, *, company_id: int) -> None:
    async with postgres.transaction() as connection:
        hot = await take_turn(connection, redis, company_id=company_id)
        widening = await find_widening(connection, company_id)
        if hot is None or widening is None or not widening.flipped:
            return
        await hot.clear_buckets(widening.buckets_from)
        await connection.execute(DELETE_WIDENING, company_id)
