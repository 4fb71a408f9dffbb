"""The rebuild: a shard that Redis lost, or brought back older, is written anew from Postgres before anything is served.

Owns the order: streams drained, companies locked, what may be stale cleared, today's truth written, the epoch last.
Must never make a shard warm that is not whole, nor write to one that serves.

What comes back: config versions, the mirror of committed cap places, caller lists, stored tags, live reservations with
their holds, number leases of anonymous callers. What cannot: the reservations and confirmations of the last second that
the lost Redis had neither handed to the drain nor written to its file (their callers count as new; Postgres still
refuses a call over a cap), and the ping shield's windows (a second's rate, outbound grants).
Caller hashes of an older file stay where they are: every field carries its own expiry.

Failure policy: Redis or Postgres away, or the server replaced meanwhile, is Unavailable: the shard stays cold.
"""

import asyncio
import secrets
from collections.abc import Sequence

from shared.clock import Clock
from shared.metrics import SHARDS_REBUILT
from shared.stores import redis_keys
from shared.stores.drain import Drain
from shared.stores.events import Streams, read_from_start
from shared.stores.list_buckets import rewrite_company_lists
from shared.stores.postgres import Connection, Postgres
from shared.stores.rebuild_truth import Truth, load_truth
from shared.stores.rebuild_writes import ShardWriter
from shared.stores.redis import SHARDS, Redis

_TOGETHER = 16  # shards a transaction
_BATCH = 2_000


class Rebuild:
    """Rebuilds cold shards. Several processes at once are safe: a shard belongs to one of them at a time."""

    def __init__(self, postgres: Postgres, redis: Redis, *, clock: Clock) -> None:
        self._postgres = postgres
        self._redis = redis
        self._clock = clock
        self._drain = Drain(postgres, Streams(redis))

    async def cold(self) -> list[int]:
        """The shards that are not this Redis's own. Errors: Unavailable. Cost: one batch."""
        epochs = await asyncio.gather(
            *(self._redis.command(shard, "HGET", redis_keys.head(shard), "epoch") for shard in range(SHARDS))
        )
        return [
            shard
            for shard, epoch in enumerate(epochs)
            if epoch is None or epoch.decode() != self._redis.run_id_of(shard)
        ]

    async def chill(self, shards: Sequence[int]) -> None:
        """Make warm shards cold, for an operator who trusts them no more: nothing is served until the rebuild."""
        for shard in shards:
            await self._redis.command(shard, "HDEL", redis_keys.head(shard), "epoch")

    async def rebuild(self, shards: Sequence[int]) -> list[int]:
        """Make cold shards warm; those that were made so here, the others being warm or in somebody else's work.

        Errors: Unavailable. Cost: a few queries for each 16 shards, and a script or two a live reservation.
        """
        rebuilt: list[int] = []
        for start in range(0, len(shards), _TOGETHER):
            some = shards[start : start + _TOGETHER]
            await self._drain.drain_all(some, _BATCH)
            await read_from_start(self._postgres, some)  # a flushed stream's ids may begin lower
            async with self._postgres.transaction() as connection:
                truth = await load_truth(
                    connection, await take_leases(connection, some), now_ms=self._clock.now_ms()
                )
                rebuilt += [
                    shard
                    for shard, whole in truth.items()
                    if await self._rewrite(connection, shard, truth=whole)
                ]
        return rebuilt

    async def _rewrite(self, connection: Connection, shard: int, *, truth: Truth) -> bool:
        writer = ShardWriter(
            self._redis, shard, run_id=self._redis.run_id_of(shard), token=secrets.token_hex(8)
        )
        if not await writer.begin():
            return False
        await writer.write(truth, self._clock.now_ms())
        for company_id in truth.versions:
            await rewrite_company_lists(connection, self._redis, company_id=company_id)
        await writer.finish()
        SHARDS_REBUILT.add()
        return True


TAKE_LEASES = """
SELECT shard FROM unnest($1::int[]) AS shard WHERE pg_try_advisory_xact_lock($2::int, shard) ORDER BY shard
"""
_REBUILDING = 74_647_678


async def take_leases(connection: Connection, shards: Sequence[int]) -> list[int]:
    """Those of the shards that nobody else rebuilds, until the transaction ends."""
    return [row["shard"] for row in await connection.fetch(TAKE_LEASES, shards, _REBUILDING)]
