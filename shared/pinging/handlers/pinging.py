"""One ping from its admission to its outcome.

Owns the beats gather, decide, apply of a ping, and their repetition when something was not current. Must never read the
wire or write it.
"""

from msgspec.structs import replace

from shared.clock import Clock
from shared.dice import Dice
from shared.domain import uuid7
from shared.domain.pings import PingEvent, encode_event, no_target_reason
from shared.domain.reasons import Reason
from shared.domain.reservations import Reservation
from shared.domain.routing.candidates import Candidates
from shared.domain.routing.evaluation import Evaluation
from shared.domain.routing.profile import kept_tags, profile
from shared.domain.shield import is_drawn
from shared.domain.stored_tags import NO_STORED_TAGS, StoredTags
from shared.errors import Unavailable
from shared.metrics import SHIELD_VERDICTS
from shared.pinging.handlers.desk import ATTEMPTS, Desk, Scene
from shared.pinging.rules.admission import own_number
from shared.pinging.rules.nouns import NoTarget, Outcome, Ping, Refused, Rejected, Reserved
from shared.pinging.store import Ask, PingStore
from shared.pinging.store.replies import Doubled, Judged, Limited, More, Nobody, Taken
from shared.stores.fence import ClockOff, Stale
from shared.stores.keyring import Again, Keyring
from shared.stores.store_counts import count_verdicts


class Pinging:
    """Evaluates pings. Errors: Unavailable when Redis, or Postgres with something not in memory, is away."""

    def __init__(
        self, desk: Desk, store: PingStore, *, keyring: Keyring[Evaluation], clock: Clock, dice: Dice
    ) -> None:
        self._desk = desk
        self._keyring = keyring
        self._store = store
        self._clock = clock
        self._dice = dice

    async def evaluate(self, ping: Ping, client: str) -> tuple[int, Outcome | Refused]:
        """The key's id, 0 when unknown, and what becomes of the ping. Cost: one round trip when all is hot."""
        stored = NO_STORED_TAGS
        for _ in range(ATTEMPTS):
            scene = self._desk.known(ping) or await self._desk.admit(ping, client)
            if isinstance(scene, Again):
                continue
            if isinstance(scene, Refused):
                return scene.key_id, scene
            outcome = await self._attempt(ping, scene, stored=stored)
            if isinstance(outcome, StoredTags):
                stored = outcome
            elif isinstance(outcome, Stale | ClockOff):
                await self._keyring.catch_up(scene.key, outcome)
            else:
                return scene.key.id, outcome
        raise Unavailable("config")

    async def _attempt(
        self, ping: Ping, scene: Scene, *, stored: StoredTags
    ) -> Outcome | Refused | StoredTags | Stale | ClockOff:
        """One evaluation at one moment, with one draw."""
        now_ms = self._clock.now_ms()
        company, evaluation = scene.campaign.plan.company, scene.campaign.compiled
        uuid = uuid7.make(now_ms, company.shard, rand=self._dice.eight())
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
        judged = await self._store.reserve(ask)
        if isinstance(judged, More):
            others = evaluation.others(tags, uuid, now_ms=now_ms)
            ask = replace(ask, candidates=others, noted=judged.verdicts, flags=ask.flags + "L")
            judged = await self._store.reserve(ask)
        return _outcome(ask, judged, scene=scene)


def _outcome(ask: Ask, judged: Judged, *, scene: Scene) -> Outcome | Refused | StoredTags | Stale | ClockOff:
    if isinstance(judged, Taken):
        count_verdicts(judged.verdicts, judged.shadow)
        return Reserved(
            uuid=ask.uuid,
            winner=ask.candidates.winners[ask.candidates.seats[judged.place]],
            number=judged.number,
            expires_ms=judged.expires_ms,
            return_dba=scene.settings.return_dba,
        )
    if isinstance(judged, Reservation):
        SHIELD_VERDICTS.add("duplicate", "false")
        return told_again(judged, return_dba=scene.settings.return_dba, repeat=True)
    if isinstance(judged, Doubled):
        SHIELD_VERDICTS.add("duplicate", "false")
        return Rejected(uuid=ask.uuid, reason=Reason.DUPLICATE_CALLER)
    if isinstance(judged, Limited):
        SHIELD_VERDICTS.add("rate_limited", "false")
        return Refused(
            reason=Reason.RATE_LIMITED, key_id=scene.key.id, retry_after_s=-(-judged.wait_ms // 1000)
        )
    if isinstance(judged, StoredTags | Stale | ClockOff):
        return judged
    assert isinstance(judged, Nobody), "the last candidates were sent, and no buyer is asked here"
    count_verdicts(judged.verdicts, judged.shadow)
    candidates = ask.candidates
    reason = no_target_reason(candidates.decided, candidates.dropped, verdicts=judged.verdicts)
    if reason is Reason.CLAIM_RATE:
        SHIELD_VERDICTS.add("claim_rate", "false")
        return Rejected(uuid=ask.uuid, reason=reason)
    return NoTarget(uuid=ask.uuid, reason=reason)


def told_again(held: Reservation, *, return_dba: bool, repeat: bool) -> Reserved:
    """A reservation told again from its stored fields."""
    told = Reserved(uuid=held.uuid, winner=held.winner, number=held.number, expires_ms=held.expires_ms)
    return replace(told, status=held.status, repeat=repeat, return_dba=return_dba)


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
