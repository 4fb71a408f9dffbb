"""A reservation and its call, in Redis: which one a caller belongs to, and that it was claimed.

Owns held_for.lua and claim.lua. Must never decide a claim: the ping log in Postgres does, and Redis is told after the commit.

Failure policy: Redis away or cold is Unavailable. A claim that Redis was not told of leaves a hold until the reservation's end,
and a mirror that the worker mends.
"""

from collections.abc import Mapping

from shared.domain.reservations import Reservation
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.prelude import CALLERS, FENCE, FILLS, FINISHES, PLACES, hot_script
from shared.stores.redis import Redis

HELD_FOR = hot_script(__file__, "held_for", FENCE, CALLERS)
CLAIM = hot_script(__file__, "claim", FENCE, PLACES, CALLERS, FILLS, FINISHES)
SCRIPTS = (HELD_FOR, CLAIM)


async def find_held(
    redis: Redis, shard: int, *, company_id: int, campaign_id: int, caller: str, number: str
) -> str | None:
    """The uuid of the live reservation for a caller of a number, "" being an anonymous one; None when there is none.

    Shape: campaign_id is the number's. It may be claimed already. Errors: Unavailable. Cost: one round trip.
    """
    keys = (
        redis_keys.head(shard),
        redis_keys.caller(shard, company_id, e164=caller),
        redis_keys.leases(shard, campaign_id),
    )
    reply = await redis.script(HELD_FOR, shard, keys=keys, args=(redis.run_id_of(shard), number))
    if reply[0] == b"cold":
        raise Unavailable("redis")
    return reply[1].decode() if reply[0] == b"found" else None


async def claim(redis: Redis, shard: int, *, held: Reservation, mirror: Mapping[str, str]) -> bool:
    """Tell Redis of a committed claim, and of the places that it changed; False when it knew, or knows the reservation no more.

    Errors: Unavailable. Cost: one round trip.
    """
    keys = (
        redis_keys.head(shard),
        redis_keys.caller(shard, held.company_id, e164=held.caller),
        redis_keys.test_caller(shard, held.key_id, e164=held.caller),
        redis_keys.reservation(shard, held.uuid),
        redis_keys.fills(shard),
        redis_keys.due(shard),
        redis_keys.finishes(shard, held.key_id),
    )
    args = (redis.run_id_of(shard), *(part for pair in mirror.items() for part in pair))
    reply = await redis.script(CLAIM, shard, keys=keys, args=args)
    if reply[0] == b"cold":
        raise Unavailable("redis")
    return bool(reply[0] == b"claimed")
