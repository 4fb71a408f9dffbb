"""Which candidates a ping has, best first, and why the others are out.

Owns the evaluation of one campaign's plan: filters, hours, money, ranking; lists and caps are only written down for
reserve.lua, which judges them. Compiled once per plan; what depends on the minute is kept for that minute.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
from msgspec import Struct

from shared.domain.draws import Draws
from shared.domain.pings import Winner, encode_winner, write_candidate
from shared.domain.plan import Plan, Publisher
from shared.domain.reasons import Reason
from shared.domain.routing.expected import Expected, expected_of, loses
from shared.domain.routing.numbers import Pool
from shared.domain.routing.profile import own_tags
from shared.domain.routing.ranking import Tie, order, places_of, ties_of
from shared.domain.routing.seats import Passing, Seat, Seats, compile_seats
from shared.domain.routing.subjects import FlatCaps, caps_of
from shared.domain.schedule import is_open
from shared.domain.tags import Tags

BEST = 32
DRAWS = 1_024  # orders a minute: each ping's uuid picks one, so each ping's order is as random as if drawn for it alone
_MEMO_ROWS = 131_072
_MINUTE_MS = 60_000
pack = msgspec.msgpack.Encoder().encode


class Candidates(Struct, frozen=True, kw_only=True, gc=False):
    """A ping's candidates as reserve.lua takes them.

    Shape: packed is MessagePack, one {caps, lists, winner} after the other, of the best 32 or of the others; seats are their
    places, best first; trace is the trace text. more: others follow. decided: the whole
    ping's reason, "" when candidates decide.
    """

    packed: bytes
    seats: list[int]
    trace: str
    more: bool
    decided: str
    dropped: Mapping[Reason, int]
    priced: "Priced"


class Ordered(Struct, frozen=True, kw_only=True):
    """A call's candidates, all of them, best first. Shape: decided is the whole call's reason, "" when candidates decide."""

    seats: tuple[Seat, ...] = ()
    decided: str = ""
    dropped: Mapping[Reason, int] = {}


class Priced:
    """A plan's candidates at one minute and for one set of matching criteria groups: records, ready to be joined."""

    __slots__ = ("losing", "marks", "orders", "records", "revenues", "winners")

    def __init__(self, evaluation: "Evaluation", all_caps: tuple[FlatCaps, ...], *, matching: int) -> None:
        plan, seats = evaluation.plan, evaluation.compiled.seats
        expected = [expected_of(plan, seat, matching=matching) for seat in seats]
        self.winners = tuple(_winner(seat, money) for seat, money in zip(seats, expected, strict=True))
        self.losing = 0 if plan.allow_loss else _mask(i for i, money in enumerate(expected) if loses(money))
        self.revenues: Mapping[int, Decimal | None] = {i: money.revenue for i, money in enumerate(expected)}
        self.marks = tuple(write_candidate(w.buyer_id, w.group_id, bid=w.revenue) for w in self.winners)
        self.records = tuple(
            pack((caps, seat.lists_text, encode_winner(winner).decode()))
            for seat, caps, winner in zip(seats, all_caps, self.winners, strict=True)
        )
        self.orders: dict[int, tuple[tuple[Tie, ...], str, Mapping[Reason, int]]] = {}


class Minute:
    """What is true of a plan until the clock's next minute: who is open, and in which cap windows."""

    __slots__ = ("caps", "closed_mask", "drawn", "number", "priced")

    def __init__(self, evaluation: "Evaluation", number: int) -> None:
        now_ms = number * _MINUTE_MS
        seats = evaluation.compiled.seats
        self.number = number
        self.closed_mask = _mask(
            seat.place for seat in seats if not is_open(seat.buyer.hours, now_ms, zone=seat.buyer.time_zone)
        )
        self.caps = tuple(
            caps_of(
                evaluation.plan, seat.buyer.id, group_id=seat.group.id if seat.group else 0, now_ms=now_ms
            )
            for seat in seats
        )
        self.priced: dict[int, Priced] = {}
        self.drawn: dict[int, Candidates] = {}


class Evaluation:
    """One campaign's plan, compiled; answers pings in any order of time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.compiled: Seats = compile_seats(plan)
        self.pool = Pool(plan)
        self._own: dict[int, Mapping[str, str]] = {}
        self._memo_bound = max(16, _MEMO_ROWS // max(32, len(self.compiled.seats)))
        self._minute = Minute(self, 0)

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
            return _nobody(refused, priced)
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
        ties, _, dropped = priced.orders.get(passing.seats) or self._ranked(priced, passing.seats)
        places = order(ties, draws, limit=len(priced.records))
        return Ordered(seats=tuple(self.compiled.seats[place] for place in places), dropped=dropped)

    def others(self, tags: Tags, uuid: str, *, now_ms: int) -> Candidates:
        """The candidates behind the best 32, for a ping that none of those may take."""
        passing = self.compiled.parted(self.compiled.rules.passing(tags))
        priced = self._priced(self._at(now_ms), passing.criteria)
        return self._packed(priced, passing.seats, draw=draw_of(uuid), part=slice(BEST, None))

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
        known = priced.orders.get(passing)
        ties, dropped_text, dropped = known if known is not None else self._ranked(priced, passing)
        places = order(
            ties,
            draws_of(draw, self._minute.number * _MINUTE_MS),
            limit=BEST + 1 if part.stop else len(priced.records),
        )
        sent, more = places[part], bool(part.stop) and len(places) > BEST
        records, marks = priced.records, priced.marks
        return Candidates(
            packed=b"".join([records[place] for place in sent]),
            seats=sent,
            trace=" ".join([marks[place] for place in (_with_rest(places, ties) if more else places)])
            + dropped_text,
            more=more,
            decided="",
            dropped=dropped,
            priced=priced,
        )

    def _at(self, now_ms: int) -> Minute:
        """The minute that this moment is in; the last one is kept."""
        number = now_ms // _MINUTE_MS
        if self._minute.number != number:
            self._minute = Minute(self, number)
        return self._minute

    def _priced(self, minute: Minute, matching: int) -> Priced:
        priced = minute.priced.get(matching)
        if priced is None:
            if len(minute.priced) >= self._memo_bound:
                minute.priced.clear()
            priced = minute.priced[matching] = Priced(self, minute.caps, matching=matching)
        return priced

    def _ranked(self, priced: Priced, passing: int) -> tuple[tuple[Tie, ...], str, Mapping[Reason, int]]:
        """The order of those whose rules pass, and why the rest is out; kept for each set of passing rules."""
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
        eligible = compiled.everyone & ~_mask(out)
        ties = ties_of(compiled.choices, eligible, revenues=priced.revenues if self.plan.by_bid else None)
        text = "".join(f" {priced.marks[place]}!{reason}" for place, reason in out.items())
        if len(priced.orders) >= self._memo_bound:
            priced.orders.clear()
        ranked = priced.orders[passing] = (ties, "\n" + text[1:], dict(Counter(out.values())))
        return ranked


def draw_of(uuid: str) -> int:
    """Which of the minute's orders a ping draws."""
    return int(uuid[-3:], 16) % DRAWS


def draws_of(draw: int, now_ms: int) -> Draws:
    """The dice behind one of a minute's orders: fresh ones each minute, so that no order lasts."""
    return Draws(f"{now_ms // _MINUTE_MS}:{draw}")


def _with_rest(places: list[int], ties: tuple[Tie, ...]) -> list[int]:
    """The places drawn so far, then all others that could have been drawn: a trace leaves nobody out."""
    drawn = set(places)
    return [*places, *(place for place in places_of(ties) if place not in drawn)]


def _winner(seat: Seat, money: Expected) -> Winner:
    return Winner(
        buyer_id=seat.buyer.id,
        group_id=seat.group.id if seat.group else 0,
        revenue="" if money.revenue is None else str(money.revenue),
        payout="" if money.payout is None else str(money.payout),
        seconds=money.seconds,
        dba=seat.buyer.dba,
    )


def _nobody(reason: Reason, priced: Priced) -> Candidates:
    return Candidates(
        packed=b"", seats=[], trace="\n", more=False, decided=reason.value, dropped={}, priced=priced
    )


def _mask(places: Iterable[int]) -> int:
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask
