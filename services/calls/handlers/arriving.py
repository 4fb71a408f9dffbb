"""A call comes in: which campaign, which reservation, and its first leg.

Owns the beats of an arrival. Must never leave a phone caller in silence: what cannot be decided falls back.
"""

from collections.abc import Callable

from msgspec.structs import replace

from services.calls.handlers.desk import ATTEMPTS, Desk, Scene
from services.calls.handlers.greeting import Greeting
from services.calls.handlers.routing import Routing
from services.calls.rules.arrivals import Promise, new_call, promise_of, tags_of, texts
from shared.domain.ping_log import PingRow
from shared.domain.plan import Plan
from shared.domain.reservations import Reservation
from shared.domain.routing.evaluation import Evaluation
from shared.domain.switching.nouns import FallBack, Inbound, Reject, Step
from shared.errors import Unavailable
from shared.metrics import CALLS_ARRIVED
from shared.stores.call_opening import Came, open_call
from shared.stores.calls import find_opened
from shared.stores.config_cache import Bounded
from shared.stores.hot_calls import HotCalls, load_only_reserved
from shared.stores.pings import find_claimable, find_recent_publisher

_FALLBACKS_KEPT = 100_000
_UNKNOWN = Reject(reason="number_unknown")


class Arriving:
    """Takes calls. hmac_of: from the seed of a call's key to what the key is looked up by."""

    def __init__(
        self,
        desk: Desk,
        hot: HotCalls,
        *,
        routing: Routing,
        greeting: Greeting,
        hmac_of: Callable[[str], bytes],
        fallback: FallBack,
    ) -> None:
        self._desk = desk
        self._hot = hot
        self._routing = routing
        self._greeting = greeting
        self._hmac_of = hmac_of
        self._platform = fallback
        self._fallbacks: Bounded[str, FallBack] = Bounded(_FALLBACKS_KEPT)

    async def arrive(self, inbound: Inbound) -> Step:
        """What the switch does with a call that has just come, or that it tells of again."""
        try:
            scene = await self._scene(inbound)
            CALLS_ARRIVED.add("unknown_number" if scene is None else "taken")
            return _UNKNOWN if scene is None else await self._routing.next_step(scene)
        except Unavailable:
            CALLS_ARRIVED.add("fallback")
            return self.fallback(inbound.number)

    def fallback(self, number: str) -> FallBack:
        """What a number's callers get while nothing can be decided: its campaign's own, once one of its calls was seen."""
        return self._fallbacks.get(number) or self._platform

    async def _scene(self, inbound: Inbound) -> Scene | None:
        """The call, opened now or before; None when the number is nobody's."""
        for _ in range(ATTEMPTS):
            known = await find_opened(
                self._desk.pools.postgres,
                inbound.company_id,
                provider=inbound.provider,
                provider_call_id=inbound.provider_call_id,
            )
            if known:
                return await self._desk.scene(inbound.company_id, known)
            evaluation = await self._evaluation(inbound)
            if evaluation is None:
                return None
            scene = await self._opened(inbound, evaluation)
            if scene is not None:
                return scene
        raise Unavailable("call")

    async def _evaluation(self, inbound: Inbound) -> Evaluation | None:
        """The campaign of the dialled number, or of the reservation that a SIP user names."""
        company = await self._desk.current_company(inbound.company_id)
        if company is None:
            return None
        campaign_id = company.campaigns_by_number.get(inbound.number, 0)
        if inbound.reservation:
            ping = await self._desk.find_ping(inbound.reservation)
            campaign_id = ping.campaign_id if ping and ping.company_id == company.id else campaign_id
        plan = await self._desk.config.plan(company.id, campaign_id) if campaign_id else None
        return plan.compiled if plan else None

    async def _opened(self, inbound: Inbound, evaluation: Evaluation) -> Scene | None:
        """Open the call; None when another request has."""
        plan, pools = evaluation.plan, self._desk.pools
        self._remember(plan, inbound.number)
        promise = await self._promise(plan, inbound)
        publisher_id = await self._publisher(plan, inbound, promise=promise)
        call = new_call(
            plan,
            inbound,
            uuid=self._desk.new_id(plan.company.shard),
            promise=promise,
            publisher_id=publisher_id,
        )
        ping = await self._desk.find_ping(promise.uuid) if promise else None
        came = Came(
            call=call,
            number_tags=tags_of(plan.numbers.get(inbound.number)),
            ping_tags={**texts(ping.tags if ping else {}), **(promise.winner.tags if promise else {})},
        )
        books = self._desk.books(evaluation)
        opened = await open_call(pools.postgres, came, hmac_of=self._hmac_of, books=books)
        if opened is None:
            return None
        await self._hot.tell_tags(plan, inbound.caller, used=opened.used)
        scene = Scene(state=opened.change.state, evaluation=evaluation)
        return await self._greeting.greet(scene, opened.change.firings)

    async def _promise(self, plan: Plan, inbound: Inbound) -> Promise | None:
        """The live reservation of the call: Redis knows the newest, the log knows it without Redis."""
        postgres = self._desk.pools.postgres
        held: Reservation | PingRow | None
        try:
            held = await self._hot.held(plan, inbound.caller, number=inbound.number, uuid=inbound.reservation)
        except Unavailable:
            held = await find_claimable(
                postgres,
                plan.company.id,
                caller=inbound.caller,
                number=inbound.number,
                uuid=inbound.reservation,
                now_ms=self._desk.clock.now_ms(),
            )
        if held is None or held.campaign_id != plan.campaign_id:
            return None
        only = await load_only_reserved(postgres, held.key_id)
        return replace(promise_of(held), only_reserved=only)

    async def _publisher(self, plan: Plan, inbound: Inbound, *, promise: Promise | None) -> int:
        """Whose call it is: the reservation's, the number's own, or the newest reservation's of the last hour."""
        if promise is not None:
            return promise.publisher_id
        number = plan.numbers.get(inbound.number)
        if number is not None and number.publisher_id:
            return number.publisher_id
        recent = await find_recent_publisher(
            self._desk.pools.postgres,
            plan.company.id,
            caller=inbound.caller,
            number=inbound.number,
            now_ms=self._desk.clock.now_ms(),
        )
        return recent or 0

    def _remember(self, plan: Plan, number: str) -> None:
        own = FallBack(
            number=plan.fallback_number or self._platform.number,
            message=plan.no_target_message or self._platform.message,
        )
        self._fallbacks.put(number, own)
