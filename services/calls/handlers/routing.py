"""A call's next legs: who is dialled now, or why nobody is.

Owns the beats of routing: lists and hot caps are gathered, the order is decided, a place and its leg are written together,
Redis is told. Must never dial anyone whose place is not committed.

Failure policy: without Redis the caps of Postgres judge alone; holds are not honoured then. Without Postgres: Unavailable.
"""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from services.calls.handlers.desk import ATTEMPTS, Desk, Scene
from shared.domain.call_events import CallOver, after
from shared.domain.call_profile import call_profile
from shared.domain.calls import CallState, Leg
from shared.domain.hand_ons import HandOn, handed_on, returning
from shared.domain.routing.waterfall import Attempt, Waterfall, waterfall
from shared.domain.switching.nouns import Step
from shared.domain.switching.steps import no_target, step_of
from shared.errors import Unavailable
from shared.metrics import CALLS_ROUTED
from shared.stores.hot_calls import HotCalls
from shared.stores.list_members import load_lists_of
from shared.stores.placing import Full, Moved, NewLeg, place_leg, save_report

KeyOf = Callable[[str], str]


class Routing:
    """Routes calls. key_of: from the seed of a call's key to the key, which its SIP legs carry."""

    def __init__(self, desk: Desk, hot: HotCalls, *, key_of: KeyOf) -> None:
        self._desk = desk
        self._hot = hot
        self._key_of = key_of

    async def next_step(self, scene: Scene | None) -> Step:
        """What the switch does now; somebody is dialled where that is it. Errors: Unavailable."""
        for _ in range(ATTEMPTS):
            assert scene is not None, "a call is never deleted while it lives"
            step = self._step(scene) or await self._routed(scene)
            if step is not None:
                return step
            scene = await self._desk.scene(scene.state.call.company_id, scene.state.call.uuid)
        raise Unavailable("call")

    def _step(self, scene: Scene) -> Step | None:
        message = scene.evaluation.plan.no_target_message
        return step_of(scene.state, message=message, key=self._key_of(scene.state.call.key_seed))

    async def _routed(self, scene: Scene) -> Step | None:
        """Dial the first attempt that finds a place; None when the call has changed meanwhile: look again."""
        state, evaluation = scene.state, scene.evaluation
        call, now_ms = state.call, self._desk.clock.now_ms()
        first = returning(state)
        if first is not None:
            return await self._returned(scene, first)
        tags = call_profile(evaluation.plan, state, now_ms=now_ms)
        members: frozenset[int] = frozenset()
        if evaluation.compiled.has_lists:
            members = await load_lists_of(self._desk.pools.postgres, call.company_id, caller=call.caller)
        fall = waterfall(evaluation, state, tags=tags, members=members, now_ms=now_ms)
        seats = [seat for attempt in fall.attempts for seat in attempt.seats]
        full = await self._hot.full(evaluation.plan, call, seats=seats) if seats else frozenset()
        capped = 0
        for attempt in fall.attempts:
            dialled = await self._dial(scene, attempt, full=full)
            if isinstance(dialled, Moved):
                return None
            if isinstance(dialled, CallState):
                CALLS_ROUTED.add("dialled")
                return self._step(replace(scene, state=dialled))
            capped += len(attempt.seats)
        return await self._nobody(scene, fall, capped=capped)

    async def _returned(self, scene: Scene, first: Leg) -> Step | None:
        """A transfer has failed after its buyer was gone: the buyer is dialled again, in the place that it had."""
        plan, now_ms = scene.evaluation.plan, self._desk.clock.now_ms()
        uuid = self._desk.new_id(plan.company.shard)
        back = HandOn(leg_uuid=uuid, number=first.number, name="the buyer", key_id=0, at_ms=now_ms)
        after, books = handed_on(scene.state, first, to=back), self._desk.books(scene.evaluation)
        written = await save_report(
            self._desk.pools.postgres, scene.state, after=after, plan=plan, books=books
        )
        return None if isinstance(written, Moved) else self._step(replace(scene, state=written.state))

    async def _dial(
        self, scene: Scene, attempt: Attempt, *, full: frozenset[int]
    ) -> CallState | Full | Moved:
        """Place every seat of an attempt that has room, each in its own transaction."""
        plan, state, mirror = scene.evaluation.plan, scene.state, dict[str, str]()
        books = self._desk.books(scene.evaluation)
        for seat, bid in zip(attempt.seats, attempt.bids, strict=True):
            if seat.place in full:
                continue
            uuid, now_ms = self._desk.new_id(plan.company.shard), self._desk.clock.now_ms()
            new = NewLeg(uuid=uuid, seat=seat, bid=bid, at_ms=now_ms)
            placed = await place_leg(self._desk.pools.postgres, state, plan=plan, books=books, new=new)
            if isinstance(placed, Moved):
                return placed
            if not isinstance(placed, Full):
                state = placed.state
                mirror.update(placed.mirror)
        if state is scene.state:
            return Full()
        await self._hot.tell(plan, state.call, mirror_texts=mirror)
        return state

    async def _nobody(self, scene: Scene, fall: Waterfall, *, capped: int) -> Step | None:
        """Nobody is left: the call is over, whatever its switch still tells of it."""
        state, plan, now_ms = scene.state, scene.evaluation.plan, self._desk.clock.now_ms()
        decision = msgspec.to_builtins(no_target(fall, capped=capped, at_ms=now_ms))
        decided = replace(state, call=replace(state.call, flow=(*state.call.flow, decision)))
        written = await save_report(
            self._desk.pools.postgres,
            state,
            after=after(decided, CallOver(at_ms=now_ms)),
            plan=plan,
            books=self._desk.books(scene.evaluation),
        )
        if isinstance(written, Moved):
            return None
        CALLS_ROUTED.add("no_target")
        await self._hot.tell(plan, state.call, mirror_texts=written.mirror)
        return self._step(replace(scene, state=written.state))
