"""The holds job: places promised to reservations that ran out become free, also where nobody pings.

Owns the sweep of all shards, and the knowledge of which are cold. Must never give a hold back twice: who removes it from
the due set takes it away, in one script.
"""

import asyncio

from shared.metrics import HOLDS_SWEPT, SHARDS_COLD
from shared.stores import redis_keys
from shared.stores.prelude import FENCE, PLACES, hot_script
from shared.stores.redis import SHARDS, Redis

SWEEP = hot_script(__file__, "sweep", FENCE, PLACES)
_LIMIT = 1_024


class HoldsJob:
    """Sweeps every shard four times a second."""

    name = "holds"
    interval_s = 0.25

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.cold: frozenset[int] = frozenset()
        self.looked = False

    async def step(self) -> bool:
        """Sweep all shards. Cost: one batch."""
        replies = await asyncio.gather(*(self._sweep(shard) for shard in range(SHARDS)))
        self.cold = frozenset(shard for shard, given in enumerate(replies) if given is None)
        self.looked = True
        SHARDS_COLD.set(len(self.cold))
        counts = [given for given in replies if given]
        HOLDS_SWEPT.add(n=sum(counts))
        return any(given >= _LIMIT for given in counts)

    async def _sweep(self, shard: int) -> int | None:
        """How many holds were given back; None when the shard is cold."""
        keys = (redis_keys.head(shard), redis_keys.due(shard), redis_keys.fills(shard))
        reply = await self._redis.script(SWEEP, shard, keys=keys, args=(self._redis.run_id_of(shard), _LIMIT))
        return int(reply[1]) if reply[0] == b"ok" else None
