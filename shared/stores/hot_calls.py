"""The hot side of calls: what Redis knows of places and reservations, and what it is told after a commit.

Owns the calls that may fail without a caller noticing. Must never hold a truth: whatever Redis is not told, the worker mends.

Failure policy: away, cold or late means not known and not told; Postgres then judges alone.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from shared.clock import Clock
from shared.domain import uuid7
from shared.domain.calls import Call
from shared.domain.plan import Plan
from shared.domain.reservations import Reservation
from shared.domain.routing.seats import Seat
from shared.domain.routing.subjects import caps_of
from shared.errors import Unavailable
from shared.stores import claims, free_places, mirror
from shared.stores.hot_tags import TAGS
from shared.stores.owed_tags import OwedTags
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.reservations import RESERVATION, find_reservation
from shared.stores.stored_tags import Used

SCRIPTS = (*claims.SCRIPTS, free_places.PLACE, mirror.MIRROR, RESERVATION, TAGS)


class HotCalls:
    """Reservations and places in Redis."""

    def __init__(self, redis: Redis, clock: Clock, *, owed_tags: OwedTags) -> None:
        self._redis = redis
        self._clock = clock
        self._owed_tags = owed_tags

    async def held(self, plan: Plan, caller: str, *, number: str, uuid: str) -> Reservation | None:
        """The reservation that a call belongs to: the one of its SIP user, else the caller's of that number.

        Errors: Unavailable. Cost: one or two round trips.
        """
        shard = plan.company.shard
        if not uuid:
            found = await claims.find_held(
                self._redis,
                shard,
                company_id=plan.company.id,
                campaign_id=plan.campaign_id,
                caller=caller,
                number=number,
            )
            if found is None:
                return None
            uuid = found
        return await self.reservation(uuid, shard=shard)

    async def reservation(self, uuid: str, *, shard: int) -> Reservation | None:
        """A reservation that has not run out; None when there is none. Errors: Unavailable."""
        if not uuid7.is_uuid7(uuid) or uuid7.shard_of(uuid) != shard:
            return None
        held = await find_reservation(self._redis, uuid, shard=shard)
        return held if held is not None and held.expires_ms > self._clock.now_ms() else None

    async def full(self, plan: Plan, call: Call, *, seats: Sequence[Seat]) -> frozenset[int]:
        """The places of seats that have no room beside the holds of others; none when Redis does not say."""
        now_ms = self._clock.now_ms()
        flat = [
            caps_of(plan, seat.buyer.id, group_id=seat.group.id if seat.group else 0, now_ms=now_ms)
            for seat in seats
        ]
        wanted = free_places.Wanted(
            shard=plan.company.shard,
            company_id=plan.company.id,
            version=plan.company.version,
            now_ms=now_ms,
            own_uuid=call.reservation_uuid,
            candidates=flat,
        )
        with suppress(Unavailable):
            verdicts = await free_places.free_places(self._redis, wanted)
            if isinstance(verdicts, str):
                pairs = zip(seats, verdicts, strict=False)
                return frozenset(seat.place for seat, verdict in pairs if verdict != "k")
        return frozenset()

    async def tell(self, plan: Plan, call: Call, *, mirror_texts: Mapping[str, str]) -> None:
        """Places have changed; a reservation that its call has claimed gives its hold back now that a leg has its place."""
        shard = plan.company.shard
        with suppress(Unavailable):
            held = None
            if call.reservation_uuid:
                held = await find_reservation(self._redis, call.reservation_uuid, shard=shard)
            if held is not None and held.status != "claimed":
                await claims.claim(self._redis, shard, held=held, mirror=mirror_texts)
            elif mirror_texts:
                await mirror.assign(self._redis, shard, mirror=mirror_texts)

    async def tell_tags(self, plan: Plan, caller: str, *, used: Used) -> None:
        """Stored tags were used up."""
        company = plan.company
        await self._owed_tags.tell(company.shard, used, company_id=company.id, caller=caller)


LOAD_ONLY_RESERVED = """
SELECT coalesce((settings->>'route_only_to_reserved_target')::boolean, false) FROM postback_keys WHERE id = $1
"""


async def load_only_reserved(postgres: Postgres, key_id: int) -> bool:
    """Whether an rtb key's calls go to nobody but the reserved buyer."""
    return bool(await postgres.fetchval(LOAD_ONLY_RESERVED, key_id))
