"""What is known of each buyer while it is asked: how much is under way, and how it has answered of late.

Owns the bulkhead and the breakers' places in memory. Must never say what becomes of a breaker: its rules do.
"""

from collections import OrderedDict

from shared.domain.outgoing import Failed, Failure
from shared.metrics import BUYER_BREAKERS_OPENED
from shared.pinging.rules.breaker import (
    CLOSED,
    BreakerRule,
    Position,
    admit,
    after_failure,
    after_nothing,
    after_success,
)

_BUYERS_KEPT = 20_000
_LOOKED_AT = 8  # so many to forget one; where all are under way the memory grows by what is under way
NO_TURN = -1  # of one who was asked although its breaker is not closed: what comes of it moves nothing
_BUSY = Failed(kind=Failure.BUSY)
_SHUT = Failed(kind=Failure.SHUT)


class Standing:
    """One buyer's."""

    __slots__ = ("breaker", "under_way")

    def __init__(self) -> None:
        self.breaker = CLOSED
        self.under_way = 0


class Standings:
    """A bounded memory of buyers. Units: now_ms of one clock that only goes forward."""

    def __init__(self, rule: BreakerRule, *, most_under_way: int, most_kept: int = _BUYERS_KEPT) -> None:
        self._rule = rule
        self._most_kept = most_kept
        self._most_under_way = most_under_way
        self._kept: OrderedDict[int, Standing] = OrderedDict()  # the one asked last at the end

    def of(self, buyer_id: int) -> Standing:
        """A buyer's. Shape: one of whom nothing is under way may be forgotten, with its failures."""
        found = self._kept.get(buyer_id)
        if found is not None:
            self._kept.move_to_end(buyer_id)
            return found
        if len(self._kept) >= self._most_kept:
            self._forget_one()
        made = self._kept[buyer_id] = Standing()
        return made

    def _forget_one(self) -> None:
        for _ in range(_LOOKED_AT):
            buyer_id, oldest = self._kept.popitem(last=False)
            if not oldest.under_way:
                return
            self._kept[buyer_id] = oldest

    def admit(self, standing: Standing, now_ms: int, *, minds_breaker: bool) -> int | Failed:
        """The turn in which a buyer is asked, from now until `ended`; Failed when it may not be asked."""
        if standing.under_way >= self._most_under_way:
            return _BUSY
        if minds_breaker:
            admitted = admit(standing.breaker, now_ms)
            if admitted is None:
                return _SHUT
            standing.breaker = admitted
        standing.under_way += 1
        breaker = standing.breaker
        return breaker.turn if minds_breaker or breaker.position is Position.CLOSED else NO_TURN

    def ended(self, standing: Standing, turn: int, *, now_ms: int, well: bool | None) -> None:
        """A request that was asked in that turn is over. Shape: well is None when it says nothing of the buyer."""
        standing.under_way -= 1
        before = standing.breaker
        if well is None:
            standing.breaker = after_nothing(before, turn)
        elif well:
            standing.breaker = after_success(before, turn, now_ms=now_ms, rule=self._rule)
        else:
            standing.breaker = after_failure(before, turn, now_ms=now_ms, rule=self._rule)
            if standing.breaker.position is Position.OPEN and standing.breaker is not before:
                BUYER_BREAKERS_OPENED.add()
