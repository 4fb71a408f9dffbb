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


class Cold(Unavailable):
    """The shard is not this Redis's own, or another writer overtook: nothing was written.

    Shape: nothing is served from a cold shard, and its rebuild locks the companies before it reads them; so
    what was committed before this was raised is in force for whoever is served later. The notes stay all the
    same.
    """


class HotCompany(Struct, frozen=True, kw_only=True):
    """A writer's turn.

    Shape: version and list_buckets as locked; rebuild is the token of a rebuild, "" when the shard serves.
    """

    redis: Redis
    company_id: int
    shard: int
    version: int
    list_buckets: int
    turn: int
    run_id: str
    rebuild: str = ""

    async def set_version(self) -> None:
        """Make older plans stale."""
        await self._run(SET_VERSION, (), args=(self.version,))

    async def set_generations(self, live: Mapping[int, int]) -> None:
        """Which list each generation is the live one of. Shape: list id 0 = not live."""
        for some in parts(live.items(), _PAIRS):
            flat = [part for generation, list_id in some for part in (generation, list_id or "")]
            await self._run(SET_GENERATIONS, (), args=flat)

    async def set_callers(self, bucket: int, fields: Mapping[str, str], *, buckets: int = 0) -> None:
        """In which generations callers of one bucket stand. Shape: buckets 0 = the company's own count."""
        key = redis_keys.bucket(
            self.shard, self.company_id, buckets=buckets or self.list_buckets, number=bucket
        )
        for some in parts(fields.items(), _PAIRS):
            await self._run(SET_CALLERS, (key,), args=[part for pair in some for part in pair])

    async def clear_buckets(self, buckets: int) -> None:
        """Empty all buckets of a bucket count."""
        keys = (
            redis_keys.bucket(self.shard, self.company_id, buckets=buckets, number=number)
            for number in range(buckets)
        )
        await some_at_once(self._run(CLEAR_BUCKETS, some, args=()) for some in parts(keys, _KEYS))

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
# Of its own, after the lock: beside it, it would be drawn before the wait for the lock.
NEXT_TURN = "SELECT nextval(pg_get_serial_sequence('hot_sync', 'id'))"


async def take_turn(connection: Connection, redis: Redis, *, company_id: int) -> HotCompany | None:
    """Lock the company's row until the transaction ends; None when there is none such.

    Shape: turns grow in the order of the locks. The lock excludes other writers, not who merely refers to the
    company.
    """
    row = await connection.fetchrow(LOCK_COMPANY, company_id)
    if row is None:
        return None
    return HotCompany(
        redis=redis,
        company_id=row["id"],
        shard=row["shard"],
        version=row["config_version"],
        list_buckets=row["list_buckets"],
        turn=await connection.fetchval(NEXT_TURN),
        run_id=redis.run_id_of(row["shard"]),
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
