"""How keys' reservations have ended in the last hour, in Redis.

Owns finished.lua; finishes.lua is what other scripts say of the same hash. Must never judge a key.

Failure policy: Redis away or cold is Unavailable, and the counts are lost.
"""

from collections.abc import Mapping

from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.prelude import FENCE, FINISHES, hot_script
from shared.stores.redis import Redis

FINISHED = hot_script(__file__, "finished", FENCE, FINISHES)
_AT_ONCE = 32


async def count_expired(redis: Redis, shard: int, *, counts: Mapping[int, int]) -> None:
    """Reservations of a shard's keys have run out, so many of each key. Cost: one round trip for 32 keys."""
    keys = list(counts)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        names = (redis_keys.head(shard), *(redis_keys.finishes(shard, key_id) for key_id in some))
        args = (redis.run_id_of(shard), *(str(counts[key_id]) for key_id in some))
        reply = await redis.script(FINISHED, shard, keys=names, args=args)
        if reply[0] == b"cold":
            raise Unavailable("redis")
