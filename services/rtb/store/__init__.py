"""What a confirm changes: a reservation's status, its holds and the event, in one script.

Owns confirm.lua and the reading of its replies. Must never decide who gets a caller.

Failure policy: Redis away, late or cold is Unavailable: a 503, and nothing has been promised.
"""

from typing import Any

from msgspec import Struct

from shared.domain.keys import RtbSettings
from shared.domain.reservations import Reservation, read_reservation
from shared.domain.routing.candidates import pack
from shared.domain.routing.subjects import FlatCaps
from shared.stores import redis_keys
from shared.stores.fence import ClockOff, Stale, not_applied
from shared.stores.prelude import CALLERS, FENCE, PLACES, hot_script
from shared.stores.redis import Redis
from shared.stores.reservations import RESERVATION

CONFIRM = hot_script(__file__, "confirm", FENCE, PLACES, CALLERS)
SCRIPTS = (CONFIRM, RESERVATION)


class Gone(Struct, frozen=True):
    """The place went to somebody else, or the reservation has run out."""


GONE = Gone()


class ConfirmStore:
    """Reservations that are confirmed, in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def confirm(
        self,
        held: Reservation,
        shard: int,
        *,
        version: int,
        now_ms: int,
        caps: FlatCaps | None,
        settings: RtbSettings,
    ) -> Reservation | Gone | Stale | ClockOff | None:
        """Confirm a reservation; None when it is not the key's.

        Shape: caps as places.lua reads them, None when the winner is gone. Errors: Unavailable. Cost: one round trip.
        """
        keys = (
            redis_keys.head(shard),
            redis_keys.holder(
                shard,
                held.company_id,
                test_key_id=held.key_id if settings.test else 0,
                campaign_id=held.campaign_id,
                e164=held.caller,
            ),
            redis_keys.reservation(shard, held.uuid),
            redis_keys.fills(shard),
            redis_keys.due(shard),
            redis_keys.events(shard),
        )
        args = (
            self._redis.run_id_of(shard),
            str(held.company_id),
            str(version),
            str(now_ms),
            held.uuid,
            str(held.key_id),
            pack(caps or ()),
            ("t" if settings.test else "") + ("g" if caps is None else ""),
        )
        return _confirmed(await self._redis.script(CONFIRM, shard, keys=keys, args=args))


def _confirmed(reply: list[Any]) -> Reservation | Gone | Stale | ClockOff | None:
    """What confirm.lua decided; None = not the key's. Errors: Unavailable when the shard is cold."""
    word = reply[0]
    if word in {b"confirmed", b"claimed"}:
        return read_reservation(reply[1])
    if word in {b"expired", b"full"}:
        return GONE
    return None if word == b"none" else not_applied(word)
