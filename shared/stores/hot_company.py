"""One company's hot copy in Redis, as whoever holds the company's row lock may write it.

Owns the scripts that set it. Must never be used without that lock: then two writers could leave an older
truth behind.

Failure policy: away or late is Unavailable('redis'), cold or overtaken its kind Cold; what was to be written
is still owed.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from shared.domain.lists import bucket_of
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.postgres import Connection
from shared.stores.prelude import FILLS, hot_script
from shared.stores.redis import Redis
from shared.stores.scripts import Script

T = TypeVar("T")

_TURN = "hot_turn"
SET_VERSION = hot_script(__file__, "set_version", _TURN)
SET_GENERATIONS = hot_script(__file__, "set_generations", _TURN)
SET_CALLERS = hot_script(__file__, "set_callers", _TURN)
CLEAR_BUCKETS = hot_script(__file__, "clear_buckets", _TURN)
SET_FILLS = hot_script(__file__, "set_fills", _TURN, FILLS)
SCRIPTS = (SET_VERSION, SET_GENERATIONS, SET_CALLERS, CLEAR_BUCKETS, SET_FILLS)

_AT_ONCE = 100
_PAIRS = 500
_KEYS = 100
_CALLERS = 100  # a script: longer ones would hold up pings


class Cold(Unavailable):
    """The shard is not this Redis's own, or another writer overtook: nothing was written.

    Shape: nothing is served from a cold shard, and its rebuild locks the companies before it reads them; so
    what was committed before this was raised is in force for whoever is served later. The notes stay all the
    same.
    """


class HotCompany(Struct, frozen=True, kw_only=True):
    """A writer's turn.

    Shape: version and list_buckets as locked; next_buckets are those that the lists are being moved into, 0 when they are
    not; rebuild is the token of a rebuild, "" when the shard serves.
    """

    redis: Redis
    company_id: int
    shard: int
    version: int
    list_buckets: int
    turn: int
    run_id: str
    next_buckets: int = 0
    rebuild: str = ""

    async def set_version(self) -> None:
        """Make older plans stale."""
        await self._run(SET_VERSION, (), args=(self.version,))

    async def set_generations(self, live: Mapping[int, int]) -> None:
        """Which list each generation is the live one of. Shape: list id 0 = not live."""
        for some in parts(live.items(), _PAIRS):
            flat = [part for generation, list_id in some for part in (generation, list_id or "")]
            await self._run(SET_GENERATIONS, (), args=flat)

    async def set_callers(self, generations: Mapping[str, str], *, buckets: int) -> None:
        """In which generations these callers stand, in the buckets of one count. Shape: `g,g` by number, "" = in none."""
        await some_at_once(
            self._set_some(some, buckets=buckets) for some in parts(generations.items(), _CALLERS)
        )

    async def _set_some(self, generations: Iterable[tuple[str, str]], *, buckets: int) -> None:
        places: dict[int, int] = {}
        args: list[str | int] = []
        for number, text in generations:
            bucket, field = bucket_of(number, buckets)
            args += (places.setdefault(bucket, len(places) + 2), field, text)
        await self._run(SET_CALLERS, self._buckets(places, buckets), args=args)

    async def clear_buckets(self, buckets: int) -> None:
        """Empty all buckets of a bucket count."""
        keys = self._buckets(range(buckets), buckets)
        await some_at_once(self._run(CLEAR_BUCKETS, some, args=()) for some in parts(keys, _KEYS))

    def _buckets(self, numbers: Iterable[int], buckets: int) -> list[str]:
        shard, company_id = self.shard, self.company_id
        return [redis_keys.bucket(shard, company_id, buckets=buckets, number=number) for number in numbers]

    async def set_fills(self, mirror: Mapping[str, str]) -> None:
        """The mirror of cap places by subject, where it is newer."""
        for some in parts(mirror.items(), _PAIRS):
            flat = [part for pair in some for part in pair]
            await self._run(SET_FILLS, (redis_keys.fills(self.shard),), args=flat)

    async def _run(self, script: Script, keys: Sequence[str], *, args: Sequence[str | int]) -> None:
        head = redis_keys.head(self.shard)
        whole = (self.run_id, self.rebuild, self.company_id, self.turn, *args)
        reply = await self.redis.script(script, self.shard, keys=(head, *keys), args=whole)
        if reply[0] != b"ok":
            raise Cold("redis")


LOCK_COMPANY = """
SELECT id, shard, config_version, list_buckets FROM companies WHERE id = $1 FOR NO KEY UPDATE
"""
# Of its own, after the lock: beside it, it would be drawn, and the widening looked for, before the wait for the lock.
NEXT_TURN = """
SELECT nextval(pg_get_serial_sequence('hot_sync', 'id')) AS turn,
       coalesce((SELECT buckets_to FROM list_widenings WHERE company_id = $1 AND NOT flipped), 0) AS next_buckets
"""


async def take_turn(connection: Connection, redis: Redis, *, company_id: int) -> HotCompany | None:
    """Lock the company's row until the transaction ends; None when there is none such.

    Shape: turns grow in the order of the locks. The lock excludes other writers, not who merely refers to the
    company.
    """
    row = await connection.fetchrow(LOCK_COMPANY, company_id)
    if row is None:
        return None
    drawn = await connection.fetchrow(NEXT_TURN, company_id)
    assert drawn is not None
    return HotCompany(
        redis=redis,
        company_id=row["id"],
        shard=row["shard"],
        version=row["config_version"],
        list_buckets=row["list_buckets"],
        turn=drawn["turn"],
        run_id=redis.run_id_of(row["shard"]),
        next_buckets=drawn["next_buckets"],
    )


def parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, at most so many at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


async def some_at_once(writes: Iterable[Awaitable[object]]) -> None:
    """All of them, as many at once as a link takes. Errors: the first, once its batch has ended."""
    for some in parts(writes, _AT_ONCE):
        for outcome in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
