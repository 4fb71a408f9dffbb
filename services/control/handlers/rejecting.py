"""A buyer hands its live call back.

Owns the beats of a rejection. Must never route the call on: its switch is told to drop the buyer, and asks the calls service
what is next.
"""

from services.control.rules.nouns import Refused, Reject, Rejected
from services.control.store import GroupCall, GroupCalls
from shared.domain.calls import Leg
from shared.domain.hand_backs import Rejection, handed_back, held_leg
from shared.domain.key_settings import CallRejectionSettings, Kind
from shared.domain.keys import Key
from shared.domain.reasons import Reason
from shared.domain.switching.nouns import DropLeg
from shared.errors import Unavailable
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.keyring import Again
from shared.telling import Telling

_TRIES = 12


class Rejecting:
    """Takes rejections. Errors: Unavailable when Postgres is away: then nothing was done."""

    def __init__(self, desk: KeyDesk, calls: GroupCalls, *, telling: Telling) -> None:
        self._desk = desk
        self._calls = calls
        self._telling = telling

    async def reject(self, asked: Reject, client: str) -> Rejected | Refused:
        """What becomes of a rejection; of two at once one is the first."""
        for _ in range(_TRIES):
            holder = await self._desk.holder(asked.token, Kind.CALL_REJECTION, client=client)
            if isinstance(holder, Again):
                continue
            if not isinstance(holder, Holder):
                return Refused(reason=holder.reason, key_id=holder.key_id, caller=asked.caller)
            outcome = await self._judged(holder, asked)
            if isinstance(outcome, Again):
                continue
            self._desk.used(holder.key.id)
            if isinstance(outcome, Reason):
                return Refused(reason=outcome, key_id=holder.key.id, caller=asked.caller)
            return outcome
        raise Unavailable("call")

    async def _judged(self, holder: Holder, asked: Reject) -> Rejected | Reason | Again:
        found = await self._calls.find(holder, asked)
        if not isinstance(found, GroupCall):
            return found
        leg = held_leg(found.state, found.members, now_ms=self._desk.clock.now_ms())
        return leg if isinstance(leg, Reason) else await self._handed_back(holder.key, found, leg=leg)

    async def _handed_back(self, key: Key, found: GroupCall, *, leg: Leg) -> Rejected | Again:
        """Write it with the places that are given back, and tell the switch."""
        settings = key.settings
        assert isinstance(settings, CallRejectionSettings)
        rejection = Rejection(
            at_ms=self._desk.clock.now_ms(),
            leg=leg.uuid,
            buyer_id=leg.buyer_id,
            group_id=key.entity_id,
            members=found.members,
            fallback=settings.fallback,
            key_id=key.id,
        )
        kept = await self._calls.keep(found.state, handed_back(found.state, rejection))
        if isinstance(kept, Again):
            return kept
        call = kept.call
        await self._telling.tell(call, DropLeg(call_uuid=call.uuid, leg_uuid=leg.uuid))
        return Rejected(key_id=key.id, call_uuid=call.uuid, caller=call.caller)
