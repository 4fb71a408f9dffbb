"""A ping's candidates, and what is kept of them for a minute.

Owns their shapes, and the records and marks that they are joined of. Must never choose among them.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec
from msgspec import Struct

from shared.domain.bids import Bid
from shared.domain.pings import Winner, encode_winner, write_candidate
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.routing.expected import Expected, expected_of, loses
from shared.domain.routing.ranking import Tie
from shared.domain.routing.seats import Seat
from shared.domain.routing.subjects import FlatCaps, caps_of
from shared.domain.schedule import is_open

MINUTE_MS = 60_000
pack = msgspec.msgpack.Encoder().encode


class Candidates(Struct, frozen=True, kw_only=True, gc=False):
    """A ping's candidates as reserve.lua takes them.

    Shape: packed is MessagePack, one {caps, lists, winner} after the other, of the best 32 or of the others; seats are their
    places, best first; winners are by place; trace is the trace text. more: others follow. decided: the whole ping's reason, ""
    when candidates decide. asking: the places of those that must be asked for their bids first.
    """

    packed: bytes
    seats: list[int]
    trace: str
    more: bool
    decided: str
    dropped: Mapping[Reason, int]
    winners: Mapping[int, Winner]
    asking: tuple[int, ...] = ()


class Ordered(Struct, frozen=True, kw_only=True):
    """A call's candidates, all of them, best first. Shape: decided is the whole call's reason, "" when candidates decide."""

    seats: tuple[Seat, ...] = ()
    decided: str = ""
    dropped: Mapping[Reason, int] = {}


class Ranked(Struct, frozen=True, kw_only=True):
    """Those whose rules pass, as ties; and the rest, as text and in numbers. Shape: eligible has a bit for each seat."""

    ties: tuple[Tie, ...]
    text: str
    dropped: Mapping[Reason, int]
    eligible: int


class Priced:
    """A plan's candidates at one minute and for one set of matching criteria groups: records, ready to be joined."""

    __slots__ = ("losing", "marks", "orders", "records", "revenues", "winners")

    def __init__(
        self, plan: Plan, seats: Sequence[Seat], *, all_caps: tuple[FlatCaps, ...], matching: int
    ) -> None:
        expected = [expected_of(plan, seat, matching=matching) for seat in seats]
        self.winners = {
            seat.place: winner_of(seat, money) for seat, money in zip(seats, expected, strict=True)
        }
        self.losing = 0 if plan.allow_loss else mask_of(i for i, money in enumerate(expected) if loses(money))
        self.revenues: Mapping[int, Decimal | None] = {i: money.revenue for i, money in enumerate(expected)}
        self.marks = tuple(
            write_candidate(w.buyer_id, w.group_id, bid=w.revenue) for w in self.winners.values()
        )
        self.records = tuple(
            pack((caps, seat.lists_text, encode_winner(winner).decode()))
            for seat, caps, winner in zip(seats, all_caps, self.winners.values(), strict=True)
        )
        self.orders: dict[int, Ranked] = {}


class Minute:
    """What is true of a plan until the clock's next minute: who is open, and in which cap windows."""

    __slots__ = ("caps", "closed_mask", "drawn", "number", "priced")

    def __init__(self, plan: Plan, seats: Sequence[Seat], *, number: int) -> None:
        now_ms = number * MINUTE_MS
        self.number = number
        self.closed_mask = mask_of(
            seat.place for seat in seats if not is_open(seat.buyer.hours, now_ms, zone=seat.buyer.time_zone)
        )
        self.caps = tuple(
            caps_of(plan, seat.buyer.id, group_id=seat.group.id if seat.group else 0, now_ms=now_ms)
            for seat in seats
        )
        self.priced: dict[int, Priced] = {}
        self.drawn: dict[int, Candidates] = {}


def winner_of(seat: Seat, money: Expected, *, bid: Bid | None = None) -> Winner:
    """Who is reserved, as its publisher is told, and as its call will be sent."""
    return Winner(
        buyer_id=seat.buyer.id,
        group_id=seat.group.id if seat.group else 0,
        revenue="" if money.revenue is None else str(money.revenue),
        payout="" if money.payout is None else str(money.payout),
        seconds=money.seconds,
        dba=seat.buyer.dba,
        number=bid.number if bid else "",
        tags=bid.tags if bid else {},
    )


def nobody(reason: Reason, priced: Priced) -> Candidates:
    """No candidates at all, for one reason."""
    return Candidates(
        packed=b"", seats=[], trace="\n", more=False, decided=reason.value, dropped={}, winners=priced.winners
    )


def mask_of(places: Iterable[int]) -> int:
    """A bit for each place."""
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask
