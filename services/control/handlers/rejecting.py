"""A buyer hands its live call back.

Owns the beats of a rejection. Must never route the call on: its switch is told to drop the buyer, and asks the calls service
what is next.
"""

from contextlib import suppress

from services.control.rules.nouns import Refused, Reject, Rejected
from shared.domain.calls import Leg
from shared.domain.hand_backs import Rejection, handed_back, held_leg
from shared.domain.key_settings import CallRejectionSettings, Kind
from shared.domain.keys import Key
from shared.domain.reasons import Reason
from shared.domain.switching.nouns import DropLeg
from shared.errors import Unavailable
from shared.pools import Pools
from shared.stores import live_calls, mirror
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.keyring import AGAIN, Again
from shared.stores.placing import Moved, save_report
from shared.telling import Telling

_TRIES = 12


class Rejecting:
    """Takes rejections. Errors: Unavailable when Postgres is away: then nothing was done."""

    def __init__(self, desk: KeyDesk, pools: Pools, *, telling: Telling) -> None:
        self._desk = desk
        self._pools = pools
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
        key, postgres = holder.key, self._pools.postgres
        if not await live_calls.is_group(postgres, key, named=asked.group):
            return Reason.SCOPE if await self._desk.is_current(holder, 0) else AGAIN
        held = await live_calls.find_held(postgres, key, caller=asked.caller, call_uuid=asked.call_uuid)
        if not await self._desk.is_current(holder, held.version):
            return AGAIN
        if held.state is None:
            return Reason.CALL_NOT_FOUND
        leg = held_leg(held.state, held.members, now_ms=self._desk.clock.now_ms())
        if isinstance(leg, Reason):
            return leg
        return await self._handed_back(key, held, leg=leg)

    async def _handed_back(self, key: Key, held: live_calls.Held, *, leg: Leg) -> Rejected | Again:
        """Write it with the places that are given back, tell the mirror, and tell the switch."""
        state, settings = held.state, key.settings
        assert state is not None
        assert isinstance(settings, CallRejectionSettings)
        plan = await self._desk.plan(key.company_id, state.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        rejection = Rejection(
            at_ms=self._desk.clock.now_ms(),
            leg=leg.uuid,
            buyer_id=leg.buyer_id,
            group_id=key.entity_id,
            members=held.members,
            fallback=settings.fallback,
            key_id=key.id,
        )
        after, books = handed_back(state, rejection), self._desk.books(plan)
        written = await save_report(self._pools.postgres, state, after=after, plan=plan, books=books)
        if isinstance(written, Moved):
            return AGAIN
        if written.mirror:
            with suppress(Unavailable):  # the worker assigns it again
                await mirror.assign(self._pools.redis, plan.company.shard, mirror=written.mirror)
        call = written.state.call
        await self._telling.tell(call, DropLeg(call_uuid=call.uuid, leg_uuid=leg.uuid))
        return Rejected(key_id=key.id, call_uuid=call.uuid, caller=call.caller)
