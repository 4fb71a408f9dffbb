"""Candidates that had to be asked for their bids, once they have been.

Owns their money, their records and marks. Must never rank them, nor know how they were asked.
"""

from collections.abc import Iterator

from shared.domain.bids import Bid, Heard, Missed
from shared.domain.pings import Winner, encode_winner, write_candidate
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.routing.candidates import pack, winner_of
from shared.domain.routing.expected import Expected, expected_of, loses
from shared.domain.routing.seats import Seats
from shared.domain.routing.subjects import FlatCaps

_UNASKED = Missed()


class Asked:
    """What asking has brought. Shape: all by seat's place; out says why somebody is no candidate any more."""

    def __init__(self, plan: Plan, compiled: Seats, *, heard: Heard) -> None:
        self._plan = plan
        self._compiled = compiled
        self._heard = heard
        self.money: dict[int, Expected] = {}
        self.winners: dict[int, Winner] = {}
        self.out: dict[int, Reason] = {}

    def judge(self, eligible: int, *, matching: int) -> None:
        """Look at each of these seats that had to be asked. Shape: matching as expected_of takes it."""
        for place in _places(eligible & self._compiled.asking_mask):
            seat, bid = self._compiled.seats[place], self._heard.get(place, _UNASKED)
            if isinstance(bid, Missed):
                self.out[place] = bid.reason
                continue
            money = expected_of(self._plan, seat, matching=matching, bid=bid)
            if loses(money) and not self._plan.allow_loss:
                self.out[place] = Reason.MARGIN
            else:
                self.money[place] = money
                self.winners[place] = winner_of(seat, money, bid=bid)

    def record(self, place: int, caps: FlatCaps) -> bytes:
        """The script's record of one that bid; empty for others."""
        winner = self.winners.get(place)
        if winner is None:
            return b""
        return pack((caps, self._compiled.seats[place].lists_text, encode_winner(winner).decode()))

    def mark(self, place: int) -> str:
        """The trace's mark of one that bid; empty for others."""
        winner = self.winners.get(place)
        return "" if winner is None else self._written(place, winner.revenue)

    def marks_of_out(self) -> Iterator[str]:
        """The marks of those that are no candidates any more."""
        for place, reason in self.out.items():
            bid = self._heard.get(place, _UNASKED)
            revenue = bid.revenue if isinstance(bid, Bid) else None
            yield self._written(place, "" if revenue is None else str(revenue), reason=reason)

    def _written(self, place: int, bid: str, *, reason: str = "") -> str:
        seat, ping_ms = self._compiled.seats[place], self._heard.get(place, _UNASKED).ping_ms
        group_id = seat.group.id if seat.group else 0
        return write_candidate(seat.buyer.id, group_id, bid=bid, reason=reason, ping_ms=ping_ms)


def _places(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
