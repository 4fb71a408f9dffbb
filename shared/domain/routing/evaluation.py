"""Which candidates a ping has, best first, and why the others are out.

Owns the evaluation of one campaign's plan: filters, hours, money, ranking; lists and caps are only written down for
reserve.lua, which judges them. Compiled once per plan; what depends on the minute is kept for that minute.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from shared.domain.bids import Heard
from shared.domain.draws import Draws
from shared.domain.pings import Winner
from shared.domain.plan import Plan, Publisher
from shared.domain.reasons import Reason
from shared.domain.routing.asking import Asked
from shared.domain.routing.candidates import (
    MINUTE_MS,
    Candidates,
    Minute,
    Ordered,
    Priced,
    Ranked,
    mask_of,
    nobody,
    pack,
)
from shared.domain.routing.numbers import Pool
from shared.domain.routing.profile import own_tags
from shared.domain.routing.ranking import Tie, order, places_of, ties_of
from shared.domain.routing.seats import Passing, Seats, compile_seats
from shared.domain.routing.subjects import FlatCaps, caps_of
from shared.domain.tags import Tags

BEST = 32
DRAWS = 1_024  # orders a minute: each ping's uuid picks one, so each ping's order is as random as if drawn for it alone
_MEMO_ROWS = 131_072


class Evaluation:
    """One campaign's plan, compiled; answers pings in any order of time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.compiled: Seats = compile_seats(plan)
        self.pool = Pool(plan)
        self._own: dict[int, Mapping[str, str]] = {}
        self._memo_bound = max(16, _MEMO_ROWS // max(32, len(self.compiled.seats)))
        self._minute = Minute(plan, self.compiled.seats, number=0)

    @property
    def remembered(self) -> int:
        """How many sets of passing rules and draws of this minute are kept."""
        minute = self._minute
        return max([len(minute.drawn), *(len(priced.orders) for priced in minute.priced.values())])

    def own_tags(self, publisher: Publisher) -> Mapping[str, str]:
        """The ids on every ping of a publisher into the campaign."""
        own = self._own.get(publisher.id)
        if own is None:
            own = self._own[publisher.id] = own_tags(self.plan, publisher)
        return own

    def candidates(self, tags: Tags, uuid: str, *, now_ms: int, publisher: Publisher) -> Candidates:
        """A ping's candidates: the best 32, best first. Cost: one look-up, when a ping like it drew the same this minute."""
        minute, mask, draw = self._at(now_ms), self.compiled.rules.passing(tags), draw_of(uuid)
        drawn = minute.drawn.get(mask * DRAWS + draw)
        if drawn is not None and not publisher.paused:
            return drawn
        passing = self.compiled.parted(mask)
        priced = self._priced(minute, passing.criteria)
        refused = self._refusal(passing, publisher)
        if refused is not None:
            return nobody(refused, priced)
        best = self._packed(priced, passing.seats, draw=draw, part=slice(0, BEST))
        if len(minute.drawn) >= self._memo_bound:
            minute.drawn.clear()
        minute.drawn[mask * DRAWS + draw] = best
        return best

    def in_order(self, tags: Tags, uuid: str, *, now_ms: int, publisher: Publisher | None) -> Ordered:
        """A call's candidates: the order that a ping with its uuid would have had now."""
        passing = self.compiled.parted(self.compiled.rules.passing(tags))
        priced = self._priced(self._at(now_ms), passing.criteria)
        refused = self._refusal(passing, publisher)
        if refused is not None:
            return Ordered(decided=refused)
        draws = draws_of(draw_of(uuid), now_ms)
        ranked = self._ranked(priced, passing.seats)
        places = order(ranked.ties, draws, limit=len(priced.records))
        return Ordered(seats=tuple(self.compiled.seats[place] for place in places), dropped=ranked.dropped)

    def others(self, tags: Tags, uuid: str, *, now_ms: int) -> Candidates:
        """The candidates behind the best 32, for a ping that none of those may take."""
        passing = self.compiled.parted(self.compiled.rules.passing(tags))
        priced = self._priced(self._at(now_ms), passing.criteria)
        return self._packed(priced, passing.seats, draw=draw_of(uuid), part=slice(BEST, None))

    def to_ask(self, candidates: Candidates, *, now_ms: int) -> Candidates:
        """Of these candidates those that must be asked, for admit.lua to judge."""
        caps, seats = self._at(now_ms).caps, self.compiled.seats
        packed = b"".join([pack((caps[place], seats[place].lists_text, "")) for place in candidates.asking])
        return replace(candidates, packed=packed, seats=list(candidates.asking), more=False)

    def with_bids(self, tags: Tags, uuid: str, *, now_ms: int, heard: Heard) -> Candidates:
        """A ping's candidates once its buyers have been asked: who did not bid is out, who bid has its own money.

        Shape: heard by seat's place; who is not in it was not asked. At most the best 32.
        """
        minute, passing = self._at(now_ms), self.compiled.parted(self.compiled.rules.passing(tags))
        priced = self._priced(minute, passing.criteria)
        ranked = self._ranked(priced, passing.seats)
        asked = Asked(self.plan, self.compiled, heard=heard)
        asked.judge(ranked.eligible, matching=passing.criteria)
        revenues = {**priced.revenues, **{place: money.revenue for place, money in asked.money.items()}}
        ties = ties_of(
            self.compiled.choices,
            ranked.eligible & ~mask_of(asked.out),
            revenues=revenues if self.plan.by_bid else None,
        )
        places = order(ties, draws_of(draw_of(uuid), now_ms), limit=BEST)[:BEST]
        marks = " ".join(asked.mark(place) or priced.marks[place] for place in places)
        dropped = " ".join([*ranked.text[1:].split(), *asked.marks_of_out()])
        return Candidates(
            packed=b"".join(
                asked.record(place, minute.caps[place]) or priced.records[place] for place in places
            ),
            seats=places,
            trace=f"{marks}\n{dropped}",
            more=False,
            decided="",
            dropped=Counter(ranked.dropped) + Counter(asked.out.values()),
            winners={**priced.winners, **asked.winners},
        )

    def caps_now(self, winner: Winner, now_ms: int) -> FlatCaps | None:
        """A winner's caps as they are now; None when it is no candidate of the campaign any more."""
        for seat in self.compiled.seats:
            group_id = seat.group.id if seat.group else 0
            if seat.buyer.id == winner.buyer_id and group_id == winner.group_id:
                return caps_of(self.plan, winner.buyer_id, group_id=group_id, now_ms=now_ms)
        return None

    def _refusal(self, passing: Passing, publisher: Publisher | None) -> Reason | None:
        """Why nobody of the campaign is asked at all."""
        if publisher is not None and publisher.paused:
            return Reason.PUBLISHER_PAUSED
        if self.plan.paused:
            return Reason.CAMPAIGN_PAUSED
        return None if passing.campaign else Reason.BUYERS_FILTERED

    def _packed(self, priced: Priced, passing: int, *, draw: int, part: slice) -> Candidates:
        ranked = self._ranked(priced, passing)
        places = order(
            ranked.ties,
            draws_of(draw, self._minute.number * MINUTE_MS),
            limit=BEST + 1 if part.stop else len(priced.records),
        )
        sent, more = places[part], bool(part.stop) and len(places) > BEST
        records, marks = priced.records, priced.marks
        return Candidates(
            packed=b"".join([records[place] for place in sent]),
            seats=sent,
            trace=" ".join([marks[place] for place in (_with_rest(places, ranked.ties) if more else places)])
            + ranked.text,
            more=more,
            decided="",
            dropped=ranked.dropped,
            winners=priced.winners,
            asking=tuple(place for place in sent if self.compiled.asking_mask >> place & 1),
        )

    def _at(self, now_ms: int) -> Minute:
        """The minute that this moment is in; the last one is kept."""
        number = now_ms // MINUTE_MS
        if self._minute.number != number:
            self._minute = Minute(self.plan, self.compiled.seats, number=number)
        return self._minute

    def _priced(self, minute: Minute, matching: int) -> Priced:
        priced = minute.priced.get(matching)
        if priced is None:
            if len(minute.priced) >= self._memo_bound:
                minute.priced.clear()
            priced = minute.priced[matching] = Priced(
                self.plan, self.compiled.seats, all_caps=minute.caps, matching=matching
            )
        return priced

    def _ranked(self, priced: Priced, passing: int) -> Ranked:
        """The order of those whose rules pass, and why the rest is out; kept for each set of passing rules."""
        known = priced.orders.get(passing)
        if known is not None:
            return known
        out: dict[int, Reason] = {}
        compiled = self.compiled
        for seat in compiled.seats:
            bit = 1 << seat.place
            if compiled.paused_mask & bit:
                out[seat.place] = Reason.BUYERS_PAUSED
            elif self._minute.closed_mask & bit:
                out[seat.place] = Reason.BUYERS_CLOSED
            elif compiled.impossible_mask & bit or not passing & bit:
                out[seat.place] = Reason.BUYERS_FILTERED
            elif priced.losing & bit:
                out[seat.place] = Reason.MARGIN
        eligible = compiled.everyone & ~mask_of(out)
        ties = ties_of(compiled.choices, eligible, revenues=priced.revenues if self.plan.by_bid else None)
        text = "".join(f" {priced.marks[place]}!{reason}" for place, reason in out.items())
        if len(priced.orders) >= self._memo_bound:
            priced.orders.clear()
        ranked = priced.orders[passing] = Ranked(
            ties=ties, text="\n" + text[1:], dropped=dict(Counter(out.values())), eligible=eligible
        )
        return ranked


def draw_of(uuid: str) -> int:
    """Which of the minute's orders a ping draws."""
    return int(uuid[-3:], 16) % DRAWS


def draws_of(draw: int, now_ms: int) -> Draws:
    """The dice behind one of a minute's orders: fresh ones each minute, so that no order lasts."""
    return Draws(f"{now_ms // MINUTE_MS}:{draw}")


def _with_rest(places: list[int], ties: tuple[Tie, ...]) -> list[int]:
    """The places drawn so far, then all others that could have been drawn: a trace leaves nobody out."""
    drawn = set(places)
    return [*places, *(place for place in places_of(ties) if place not in drawn)]
