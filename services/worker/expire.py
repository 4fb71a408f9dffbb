"""The expire job: reservations that ran out end in the log, and their keys' claim rates learn of it.

Owns how long after its expiry a reservation is left alone. Must never give anything back: in Redis a reservation falls away
by itself.

Failure policy: counts that Redis was away for are lost; the shield judges a key by those it has.
"""

from collections import defaultdict

from shared.clock import Clock
from shared.metrics import PINGS_EXPIRED
from shared.stores.finishes import count_expired
from shared.stores.pings import expire
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis

_GRACE_MS = 3_000  # a confirmation of the last moment is drained first, and a claim's transaction ends
_BATCH = 1_000


class ExpireJob:
    """Ends what ran out, once a second."""

    name = "expire"
    interval_s = 1.0

    def __init__(self, postgres: Postgres, redis: Redis, *, clock: Clock) -> None:
        self._postgres = postgres
        self._redis = redis
        self._clock = clock

    async def step(self) -> bool:
        """End a batch. Cost: three statements, and one script a shard."""
        ended = await expire(self._postgres, self._clock.now_ms() - _GRACE_MS, limit=_BATCH)
        PINGS_EXPIRED.add(n=ended.rows)
        by_shard: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for (shard, key_id), count in ended.by_key.items():
            by_shard[shard][key_id] = count
        for shard, counts in by_shard.items():
            await count_expired(self._redis, shard, counts=counts)
        return ended.rows == _BATCH
