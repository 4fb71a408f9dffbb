"""One ping from its admission to its outcome.

Owns the beats gather, decide, apply of a ping, and their repetition when something was not current. Must never read the
wire or write it.
"""

import asyncio
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from shared.clock import Clock
from shared.dice import Dice
from shared.domain import uuid7
from shared.domain.pings import PingEvent, encode_event
from shared.domain.routing.candidates import Candidates
from shared.domain.routing.evaluation import Evaluation
from shared.domain.routing.profile import kept_tags, profile
from shared.domain.shield import is_drawn
from shared.domain.stored_tags import NO_STORED_TAGS, StoredTags
from shared.errors import Unavailable
from shared.pinging.handlers.auction import Answers, Auction, Lot, Sold
from shared.pinging.handlers.desk import ATTEMPTS, Desk, Scene
from shared.pinging.handlers.outcomes import outcome_of
from shared.pinging.rules.admission import own_number
from shared.pinging.rules.nouns import Outcome, Ping, Refused
from shared.pinging.store import Ask, PingStore
from shared.pinging.store.replies import Asking, More
from shared.stores.fence import ClockOff, Stale
from shared.stores.keyring import Again, Keyring

_TO_ANSWER_S = 0.05
_LOOK_AGAIN_S = 0.05
_UNDECIDED = (StoredTags, Stale, ClockOff, Asking)


class Pinging:
    """Evaluates pings. Errors: Unavailable when Redis, or Postgres with something not in memory, is away."""

    def __init__(
        self,
        desk: Desk,
        store: PingStore,
        *,
        auction: Auction,
        keyring: Keyring[Evaluation],
        clock: Clock,
        dice: Dice,
    ) -> None:
        self._desk = desk
        self._auction = auction
        self._keyring = keyring
        self._store = store
        self._clock = clock
        self._dice = dice

    async def evaluate(self, ping: Ping, client: str) -> tuple[int, Outcome | Refused]:
        """The key's id, 0 when unknown, and what becomes of the ping.

        Cost: one round trip when all is hot and nobody must be asked; else two, and the buyers' time.
        """
        tried = Attempt()
        for _ in range(ATTEMPTS):
            scene = self._desk.known(ping) or await self._desk.admit(ping, client)
            if isinstance(scene, Again):
                continue
            if isinstance(scene, Refused):
                return scene.key_id, scene
            outcome = await self._attempt(ping, scene, after=tried)
            if not isinstance(outcome, Attempt):
                return scene.key.id, outcome
            tried = outcome
            if tried.outdated is not None:
                await self._keyring.catch_up(scene.key, tried.outdated)
        raise Unavailable("config")

    async def _attempt(self, ping: Ping, scene: Scene, *, after: "Attempt") -> "Outcome | Refused | Attempt":
        """One evaluation at one moment, with one draw; an attempt again when what it stood on was out of date."""
        now_ms = self._clock.now_ms()
        company, evaluation, stored = scene.campaign.plan.company, scene.campaign.compiled, after.stored
        uuid = after.uuid or uuid7.make(now_ms, company.shard, rand=self._dice.eight())
        kept = kept_tags(ping.tags, scene.settings.tag_prefix)
        if stored.tags:
            kept = {**stored.tags, **kept}
        own = evaluation.own_tags(scene.publisher)
        tags = profile(company, ping.caller, kept=kept, own=own, now_ms=now_ms)
        candidates = evaluation.candidates(tags, uuid, now_ms=now_ms, publisher=scene.publisher)
        event = PingEvent(
            uuid=uuid,
            company_id=company.id,
            key_id=scene.key.id,
            publisher_id=scene.publisher.id,
            campaign_id=scene.campaign.plan.campaign_id,
            caller=ping.caller,
            now_ms=now_ms,
            version=scene.version,
            number_asked=ping.inbound_number,
            test=scene.settings.test,
            reason=candidates.decided,
            tags=kept,
        )
        ask = _ask(ping, scene, candidates=candidates, seen=stored.seen, event=event)
        if candidates.asking:
            due_s = after.due_s or asyncio.get_running_loop().time() + scene.settings.timeout - _TO_ANSWER_S
            lot = Lot(
                ping=ping, scene=scene, tags=tags, ask=ask, event=event, due_s=due_s, answers=after.answers
            )
            sold = await self._auction.hold(lot)
            return after.again(sold, due_s=due_s) or outcome_of(sold.ask, sold.judged, scene=scene)
        judged = await self._store.reserve(ask)
        if isinstance(judged, More):
            others = evaluation.others(tags, uuid, now_ms=now_ms)
            ask = replace(ask, candidates=others, noted=judged.verdicts, flags=ask.flags + "L")
            judged = await self._store.reserve(ask)
        if isinstance(judged, Asking):  # another key's ping of this caller is about to be decided
            await asyncio.sleep(_LOOK_AGAIN_S)
        return after.again(Sold(ask=ask, judged=judged)) or outcome_of(ask, judged, scene=scene)


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """What the next attempt at a ping must know of the one before.

    Shape: outdated says what must be brought up to date first; uuid and answers are kept once buyers have been told of them.
    Units: due_s of the loop's clock, 0 = nobody was asked.
    """

    stored: StoredTags = NO_STORED_TAGS
    outdated: Stale | ClockOff | None = None
    uuid: str = ""
    answers: Answers | None = None
    due_s: float = 0.0

    def again(self, sold: Sold, *, due_s: float = 0.0) -> Self | None:
        """The attempt that must follow this one; None when it was decided."""
        judged = sold.judged
        if not isinstance(judged, _UNDECIDED):
            return None
        told = replace(self, outdated=judged if isinstance(judged, Stale | ClockOff) else None)
        if isinstance(judged, StoredTags):
            told = replace(told, stored=judged)
        if sold.answers is None:
            return told
        return replace(told, uuid=sold.ask.uuid, answers=sold.answers, due_s=due_s)


def _ask(ping: Ping, scene: Scene, *, candidates: Candidates, seen: str, event: PingEvent) -> Ask:
    numbers = ping.inbound_number or own_number(scene.settings, scene.campaign.plan)
    return Ask(
        form=scene.form,
        caller=ping.caller,
        uuid=event.uuid,
        now_ms=event.now_ms,
        candidates=candidates,
        numbers=numbers or scene.campaign.compiled.pool.choice(ping.caller, scene.publisher.id),
        tags_seen=seen,
        event=encode_event(event),
        flags="" if scene.settings.blocked_inbound_percent is None else _draw_flag(scene, event),
    )


def _draw_flag(scene: Scene, event: PingEvent) -> str:
    """`b` for a caller that is kept away while the key claims too little."""
    caller, percent = event.caller or event.uuid, scene.settings.blocked_inbound_percent or 0
    return "b" if is_drawn(scene.key.id, caller, now_ms=event.now_ms, percent=percent) else ""
