"""Reservations where they live: one Redis string each, until a minute after they ran out.

Owns their look-up by uuid. Must never change one: reserve.lua, confirm.lua and the claim do.
"""

from shared.domain.reservations import Reservation, read_reservation
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.scripts import load_script

RESERVATION = load_script(__file__, "reservation")


async def find_reservation(redis: Redis, uuid: str, *, shard: int) -> Reservation | None:
    """One reservation; None when it is not there (any more). Errors: Unavailable. Cost: one round trip."""
    keys = (redis_keys.head(shard), redis_keys.reservation(shard, uuid))
    reply = await redis.script(RESERVATION, shard, keys=keys, args=(redis.run_id_of(shard),))
    if reply[0] == b"cold":
        raise Unavailable("redis")
    return read_reservation(reply[1]) if reply[0] == b"found" else None
