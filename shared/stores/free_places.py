"""The look at places before one is taken in Postgres: mirror and the holds of others.

Owns place.lua and the reading of its reply. Must never be the last word: shared/stores/places.py judges what is committed.

Failure policy: Redis away or cold is Unavailable; a call then goes on without this look, slower and no less exact.
"""

from collections.abc import Sequence

from msgspec import Struct

from shared.domain.routing.candidates import pack
from shared.domain.routing.subjects import FlatCaps
from shared.stores import redis_keys
from shared.stores.fence import ClockOff, Stale, not_applied
from shared.stores.prelude import CALLERS, FENCE, PLACES, hot_script
from shared.stores.redis import Redis

PLACE = hot_script(__file__, "place", FENCE, PLACES, CALLERS)
MOST = 64


class Wanted(Struct, frozen=True, kw_only=True):
    """Candidates of one call, best first. Shape: version of the plan they are from; own_uuid of its reservation, "" = none."""

    shard: int
    company_id: int
    version: int
    now_ms: int
    own_uuid: str = ""
    candidates: Sequence[FlatCaps]


async def free_places(redis: Redis, wanted: Wanted) -> str | Stale | ClockOff:
    """A letter for each of the first 64 candidates: k free, c the buyer's caps are full, g the group's.

    The call's own hold, of whatever subjects, is not counted. Errors: Unavailable. Cost: one round trip.
    """
    shard = wanted.shard
    keys = (
        redis_keys.head(shard),
        redis_keys.fills(shard),
        redis_keys.due(shard),
        redis_keys.reservation(shard, wanted.own_uuid),
    )
    packed = b"".join(pack(caps) for caps in wanted.candidates[:MOST])
    args = (redis.run_id_of(shard), wanted.company_id, wanted.version, wanted.now_ms, packed)
    reply = await redis.script(PLACE, shard, keys=keys, args=args)
    return reply[1].decode() if reply[0] == b"ok" else not_applied(reply[0])
