"""The buyers of one ping that must be asked for their bids: who may be, what they said, who wins, and the post to the winner.

Owns the beats between a ping's evaluation and its reservation. Must never write or read what is said to a buyer, nor rank.
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.bids import Bid, Missed
from shared.domain.pings import VERDICTS, PingEvent, encode_event, encode_winner, no_target_reason
from shared.domain.plan import Buyer
from shared.domain.reasons import Reason
from shared.domain.routing.candidates import Candidates
from shared.domain.routing.seats import Seat
from shared.domain.tags import Tags
from shared.metrics import SHIELD_VERDICTS
from shared.pinging.buyer_wire import Bid as Said
from shared.pinging.buyer_wire import Facts, NoBid, Secrets, read_post, read_reply, write_ask, write_post
from shared.pinging.buyers import Asked, Buyers, Heard
from shared.pinging.handlers.desk import Scene
from shared.pinging.rules.nouns import Ping
from shared.pinging.store import Ask, PingStore
from shared.pinging.store.replies import Admitted, Asking, Free, Judged, Over, Taken
from shared.stores.store_counts import count_verdicts

_POSTS = 2
_NOT_ASKED = {**VERDICTS, "o": Reason.OUTBOUND_LIMIT}
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.01, 0.05


class Answer(Struct, frozen=True, kw_only=True):
    """What one buyer said. Shape: said is None unless it bid."""

    heard: Bid | Missed
    said: Said | None = None


Answers = Mapping[int, Answer]  # by buyer id


class Lot(Struct, frozen=True, kw_only=True):
    """One ping whose buyers are asked.

    Units: due_s of the loop's clock: the moment by which it must be answered. Shape: answers are those of an earlier attempt at
    the same ping, None = nobody was asked yet.
    """

    ping: Ping
    scene: Scene
    tags: Tags
    ask: Ask
    event: PingEvent
    due_s: float
    answers: Answers | None = None


class Sold(Struct, frozen=True, kw_only=True):
    """What the scripts decided, of which candidates, and what buyers had said by then (None: nobody was asked)."""

    ask: Ask
    judged: Judged
    answers: Answers | None = None


class Auction:
    """Asks, reserves and posts. Errors: Unavailable."""

    def __init__(self, store: PingStore, buyers: Buyers, *, secrets: Secrets) -> None:
        self._store = store
        self._buyers = buyers
        self._secrets = secrets

    async def hold(self, lot: Lot) -> Sold:
        """Sell one ping. Cost: two round trips to Redis, two more for each post, and the time of the slowest buyer."""
        if lot.scene.settings.test:  # no buyer is really asked
            return await self._reserved(lot, {}, flags="")
        if lot.answers is not None:
            return await self._reserved(lot, lot.answers, flags="AL")
        told = await self._admitted(lot)
        if isinstance(told, Over):
            return await self._nobody(lot, Reason(told.reason), flags="L")
        if isinstance(told, Asking):
            return await self._nobody(lot, Reason.DEADLINE, flags="L")
        if not isinstance(told, Free):
            return Sold(ask=lot.ask, judged=told)
        return await self._reserved(lot, await self._answers(lot, told), flags="AL")

    async def _admitted(self, lot: Lot) -> Judged | Admitted:
        """Who may be asked; an equal ping's outcome is waited for, as long as there is time."""
        evaluation, loop, pause_s, waited_for = (
            lot.scene.campaign.compiled,
            asyncio.get_running_loop(),
            0.0,
            "",
        )
        wanted = evaluation.to_ask(lot.ask.candidates, now_ms=lot.ask.now_ms)
        while True:
            left_ms = max(1, int((lot.due_s - loop.time()) * 1000))
            asked = replace(lot.ask, candidates=wanted, noted=waited_for, then=str(left_ms))
            told = await self._store.admit(asked)
            if not isinstance(told, Asking) or loop.time() >= lot.due_s:
                return told
            waited_for = told.uuid
            pause_s = min(_LONGEST_LOOK_S, pause_s + _FIRST_LOOK_S)
            await asyncio.sleep(min(pause_s, max(0.0, lot.due_s - loop.time())))

    async def _answers(self, lot: Lot, free: Free) -> Answers:
        """Ask those who may be, each buyer once, and hear who is in time."""
        count_verdicts(free.letters, free.shadow)
        if "o" in free.letters:
            SHIELD_VERDICTS.add("outbound_limit", "false")
        seats, facts = lot.scene.campaign.compiled.compiled.seats, _facts(lot)
        answers: dict[int, Answer] = {}
        asked: list[Asked] = []
        for place, letter in zip(lot.ask.candidates.asking, free.letters, strict=True):
            buyer = seats[place].buyer
            if letter != "k" or buyer.id in answers:
                continue
            assert buyer.asking is not None, "only those are candidates to be asked"
            message = write_ask(buyer.asking, facts, secrets=self._secrets)
            answers[buyer.id] = Answer(heard=Missed())
            if not isinstance(message, NoBid):
                own_ms = buyer.asking.ping.timeout_ms or int(lot.scene.settings.timeout * 1000)
                asked.append(Asked(buyer_id=buyer.id, message=message, timeout_ms=own_ms))
        traceparent = lot.ping.traceparent
        for heard in await self._buyers.ask(asked, deadline_s=lot.due_s, traceparent=traceparent):
            answers[heard.buyer_id] = _answer(lot.scene.campaign.plan.buyers[heard.buyer_id], heard)
        for place, letter in zip(lot.ask.candidates.asking, free.letters, strict=True):
            reason = _NOT_ASKED.get(letter)
            if reason is not None:
                answers.setdefault(seats[place].buyer.id, Answer(heard=Missed(reason=reason)))
        return answers

    async def _reserved(self, lot: Lot, answers: Answers, *, flags: str) -> Sold:
        """Reserve the best of those who bid, and post to it if it wants that; two posts at most."""
        answers = dict(answers)
        for _ in range(_POSTS):
            candidates = self._candidates(lot, answers)
            seats = lot.scene.campaign.compiled.compiled.seats
            posting = "P" if flags and any(_posts(seats[place]) for place in candidates.seats) else ""
            ask = replace(
                lot.ask,
                candidates=candidates,
                flags=lot.ask.flags + flags + posting,
                then=no_target_reason("", candidates.dropped, verdicts=""),
            )
            judged = await self._store.reserve(ask)
            if not posting or not isinstance(judged, Taken):
                return Sold(ask=ask, judged=judged, answers=answers)
            seat = seats[candidates.seats[judged.place]]
            refused = await self._posted(lot, ask, judged=judged, seat=seat, answers=answers)
            if refused is None:
                return Sold(ask=ask, judged=judged, answers=answers)
            answers[seat.buyer.id] = Answer(heard=refused)
        return await self._nobody(lot, Reason.NO_BIDS, flags=flags)

    def _candidates(self, lot: Lot, answers: Answers) -> Candidates:
        """The ping's candidates, given what its buyers said."""
        evaluation = lot.scene.campaign.compiled
        heard = {
            seat.place: answers.get(seat.buyer.id, _SILENT).heard
            for seat in evaluation.compiled.seats
            if seat.buyer.asking is not None
        }
        return evaluation.with_bids(lot.tags, lot.ask.uuid, now_ms=lot.ask.now_ms, heard=heard)

    async def _posted(
        self, lot: Lot, ask: Ask, *, judged: Taken, seat: Seat, answers: Answers
    ) -> Missed | None:
        """Post to the winner: None = it takes the call, and its reservation is logged; else that is given back."""
        place = ask.candidates.seats[judged.place]
        winner, said = ask.candidates.winners[place], answers.get(seat.buyer.id, _SILENT).said
        if _posts(seat) and said is not None:
            assert seat.buyer.asking is not None
            heard = await self._post(lot, seat, said=said)
            if isinstance(heard, Missed):
                await self._store.settle(replace(ask, noted=""))
                return heard
            winner = replace(winner, number=heard.number, tags=heard.tags)
        rendered = replace(ask.candidates, packed=encode_winner(winner))
        await self._store.settle(replace(ask, noted=judged.unlogged, candidates=rendered))
        return None

    async def _post(self, lot: Lot, seat: Seat, *, said: Said) -> Said | Missed:
        asking = seat.buyer.asking
        assert asking is not None, "only of those who were asked"
        assert asking.post is not None, "only of those who want a post"
        message = write_post(asking, _facts(lot), secrets=self._secrets, bid=said)
        if isinstance(message, NoBid):
            return Missed(reason=message.why.reason)
        own_ms = asking.post.timeout_ms or int(lot.scene.settings.timeout * 1000)
        asked = Asked(buyer_id=seat.buyer.id, message=message, timeout_ms=own_ms)
        heard = await self._buyers.post(asked, deadline_s=lot.due_s, traceparent=lot.ping.traceparent)
        told = read_post(asking, heard.came, bid=said)
        return Missed(reason=told.why.reason, ping_ms=heard.ms) if isinstance(told, NoBid) else told

    async def _nobody(self, lot: Lot, reason: Reason, *, flags: str) -> Sold:
        """End without a candidate, and log why."""
        candidates = replace(
            lot.ask.candidates, packed=b"", seats=[], trace="\n", more=False, decided=reason.value
        )
        event = encode_event(replace(lot.event, reason=reason.value))
        ask = replace(
            lot.ask, candidates=candidates, event=event, flags=lot.ask.flags + flags, then=reason.value
        )
        return Sold(ask=ask, judged=await self._store.reserve(ask))


_SILENT = Answer(heard=Missed())


def _answer(buyer: Buyer, heard: Heard) -> Answer:
    assert buyer.asking is not None, "it was asked"
    said = read_reply(buyer.asking, heard.came)
    if isinstance(said, NoBid):
        return Answer(heard=Missed(reason=said.why.reason, ping_ms=heard.ms))
    bid = Bid(
        revenue=said.revenue, number=said.number, seconds=said.seconds, tags=said.tags, ping_ms=heard.ms
    )
    return Answer(heard=bid, said=said)


def _posts(seat: Seat) -> bool:
    return seat.buyer.asking is not None and seat.buyer.asking.post is not None


def _facts(lot: Lot) -> Facts:
    plan = lot.scene.campaign.plan
    return Facts(
        company_id=plan.company.id,
        call_uuid=lot.ask.uuid,
        caller=lot.ping.caller,
        campaign_id=plan.cid,
        publisher_id=lot.scene.publisher.afid,
        tags=lot.tags,
    )
