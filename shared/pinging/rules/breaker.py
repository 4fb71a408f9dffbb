"""When a buyer who fails is left alone, and when it is tried again.

Owns the circuit breaker, as a value and its transitions. Must never look at a clock: the time is handed in.

The laws:
- closed: everybody may ask. It opens after so many failures in a row, or when too large a share of a window failed;
- open: nobody may ask until the pause is over;
- half open: the pause is over and exactly one asks, the probe. Its answer closes the breaker, its failure opens it again; who
  leaves without either lets another one try;
- only what was asked in this turn counts: a straggler from before the breaker opened neither closes nor opens it.
"""

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace


class BreakerRule(Struct, frozen=True, kw_only=True):
    """How much failing is too much. Shape: of a window's requests, share_of at least must be known before a share is one."""

    in_a_row: int = 10
    share_pct: int = 50
    share_of: int = 20
    window_ms: int = 10_000
    pause_ms: int = 5_000


class Position(Enum):
    """Where a breaker stands."""

    CLOSED = 1
    OPEN = 2
    HALF_OPEN = 3


class Breaker(Struct, frozen=True, kw_only=True, gc=False):
    """One buyer's. Shape: turn grows with each change of position and each probe. Units: ms of the clock that is handed in."""

    turn: int = 0
    position: Position = Position.CLOSED
    in_a_row: int = 0
    since_ms: int = 0  # when the window began
    ended: int = 0  # requests of the window that came to an end
    failed: int = 0
    until_ms: int = 0  # the end of the pause


CLOSED = Breaker()


def admit(breaker: Breaker, now_ms: int) -> Breaker | None:
    """The breaker once somebody asks, whose turn is its turn; None when nobody may."""
    if breaker.position is Position.CLOSED:
        return breaker
    if breaker.position is Position.OPEN and now_ms >= breaker.until_ms:
        return Breaker(turn=breaker.turn + 1, position=Position.HALF_OPEN, until_ms=breaker.until_ms)
    return None


def after_success(breaker: Breaker, turn: int, *, now_ms: int, rule: BreakerRule) -> Breaker:
    """What it is once one who asked in that turn was answered."""
    if turn != breaker.turn:
        return breaker
    if breaker.position is Position.HALF_OPEN:
        return Breaker(turn=turn + 1, since_ms=now_ms)
    since_ms, ended, failed = _window(breaker, now_ms, length_ms=rule.window_ms)
    return Breaker(turn=turn, since_ms=since_ms, ended=ended + 1, failed=failed)


def after_failure(breaker: Breaker, turn: int, *, now_ms: int, rule: BreakerRule) -> Breaker:
    """What it is once one who asked in that turn was failed."""
    if turn != breaker.turn:
        return breaker
    since_ms, ended, failed = _window(breaker, now_ms, length_ms=rule.window_ms)
    ended, failed, in_a_row = ended + 1, failed + 1, breaker.in_a_row + 1
    too_many = in_a_row >= rule.in_a_row
    too_large = ended >= rule.share_of and failed * 100 >= ended * rule.share_pct
    if breaker.position is Position.HALF_OPEN or too_many or too_large:
        return Breaker(turn=turn + 1, position=Position.OPEN, until_ms=now_ms + rule.pause_ms)
    return Breaker(turn=turn, in_a_row=in_a_row, since_ms=since_ms, ended=ended, failed=failed)


def after_nothing(breaker: Breaker, turn: int) -> Breaker:
    """What it is once one who asked in that turn left without an answer and without a failure."""
    if turn != breaker.turn or breaker.position is not Position.HALF_OPEN:
        return breaker
    return replace(breaker, turn=turn + 1, position=Position.OPEN)


def _window(breaker: Breaker, now_ms: int, *, length_ms: int) -> tuple[int, int, int]:
    if now_ms - breaker.since_ms >= length_ms:
        return now_ms, 0, 0
    return breaker.since_ms, breaker.ended, breaker.failed
