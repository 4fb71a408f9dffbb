"""The hot copy of stored tags: fields of the caller's hash, where the next ping finds them.

Owns tags.lua. Must never take a turn: a text is only ever assigned from a newer rev, so neither the order of writers nor a late
one can matter.

Failure policy: Redis away is Unavailable, a cold shard its kind Cold; the note in hot_sync stays.
"""

from collections.abc import Mapping

from shared.stores import redis_keys
from shared.stores.hot_company import Cold
from shared.stores.prelude import CALLERS, FENCE, hot_script
from shared.stores.redis import Redis
from shared.stores.stored_tags import HotTags

TAGS = hot_script(__file__, "tags", FENCE, CALLERS)


async def assign(
    redis: Redis, shard: int, *, company_id: int, caller: str, hot: Mapping[int, HotTags]
) -> int:
    """Write a caller's tags, by publisher, where they are newer; how many were.

    Errors: Unavailable, also on a cold shard. Cost: one round trip.
    """
    keys = (redis_keys.head(shard), redis_keys.caller(shard, company_id, e164=caller))
    flat = (part for publisher, tags in hot.items() for part in (publisher, tags.text, tags.until_ms))
    reply = await redis.script(TAGS, shard, keys=keys, args=(redis.run_id_of(shard), *flat))
    if reply[0] != b"ok":
        raise Cold("redis")
    return int(reply[1])
