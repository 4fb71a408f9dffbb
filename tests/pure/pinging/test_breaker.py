"""When a buyer who fails is left alone, in virtual time."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.pinging.rules.breaker import (
    CLOSED,
    Breaker,
    BreakerRule,
    Position,
    admit,
    after_failure,
    after_nothing,
    after_success,
)

RULE = BreakerRule(in_a_row=3, share_pct=50, share_of=10, window_ms=1_000, pause_ms=500)


def played(outcomes: str, breaker: Breaker = CLOSED, *, now_ms: int = 0, each_ms: int = 1) -> Breaker:
    """What is left after these outcomes, each in its own turn: `+` an answer, `-` a failure."""
    for outcome in outcomes:
        asked = admit(breaker, now_ms)
        assert asked is not None, "nobody may ask"
        ended = after_success if outcome == "+" else after_failure
        breaker = ended(asked, asked.turn, now_ms=now_ms, rule=RULE)
        now_ms += each_ms
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "each_ms", "position"),
    [
        ("", 1, Position.CLOSED),
        ("--", 1, Position.CLOSED),
        ("---", 1, Position.OPEN),
        ("--+--", 1, Position.CLOSED),  # not in a row, and too few for a share
        ("+-" * 4 + "+", 1, Position.CLOSED),  # nine are no share yet
        ("+-" * 5, 1, Position.OPEN),  # five of ten
        ("+" * 6 + "-+-+--", 1, Position.CLOSED),  # four of twelve
        ("+-" * 20, 200, Position.CLOSED),  # never ten in one window
        ("+++-" * 20, 1, Position.CLOSED),  # a quarter
    ],
)
def test_it_opens_after_failures_in_a_row_or_too_large_a_share(
    outcomes: str, each_ms: int, position: Position
) -> None:
    assert played(outcomes, each_ms=each_ms).position is position


def test_it_is_half_open_after_the_pause_and_one_asks() -> None:
    opened = played("---")  # the last one at 2 ms
    assert admit(opened, 501) is None
    probed = admit(opened, 502)
    assert probed is not None
    assert probed.position is Position.HALF_OPEN
    assert admit(probed, 502) is None
    assert admit(probed, 1_000_000) is None


def test_the_probes_answer_closes_it_with_nothing_remembered() -> None:
    closed = played("+", played("---"), now_ms=502)
    assert closed == Breaker(turn=3, since_ms=502)
    assert played("--", closed, now_ms=503).position is Position.CLOSED


def test_the_probes_failure_opens_it_for_another_pause() -> None:
    again = played("-", played("---"), now_ms=600)
    assert (again.position, again.until_ms) == (Position.OPEN, 1_100)


def test_a_probe_that_left_lets_another_one_try_at_once() -> None:
    probed = admit(played("---"), 502)
    assert probed is not None
    left = after_nothing(probed, probed.turn)
    another = admit(left, 502)
    assert another is not None
    assert (
        after_success(another, probed.turn, now_ms=503, rule=RULE) is another
    )  # the first one's counts no more
    assert after_nothing(CLOSED, 0) is CLOSED


@pytest.mark.parametrize("after", [after_success, after_failure])
def test_a_straggler_moves_nothing(after: object) -> None:
    opened = played("---")
    assert after(opened, 0, now_ms=400, rule=RULE) is opened  # type: ignore[operator] # parametrized
    probed = admit(opened, 600)
    assert probed is not None
    assert after(probed, 0, now_ms=600, rule=RULE) is probed  # type: ignore[operator] # parametrized


class Play(RuleBasedStateMachine):
    """Requests that begin and end in any order, beside what is known of them without a breaker."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.breaker = CLOSED
        self.turns: list[int] = []
        self.opened_ms = 0
        self.in_a_row = 0

    @rule(ms=st.integers(0, 700))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @rule()
    def ask(self) -> None:
        before = self.breaker
        asked = admit(before, self.now_ms)
        if asked is None:
            waits = before.position is Position.OPEN and self.now_ms < self.opened_ms + RULE.pause_ms
            assert waits or before.position is Position.HALF_OPEN
            return
        assert before.position is Position.CLOSED or self.now_ms >= self.opened_ms + RULE.pause_ms
        self.breaker = asked
        self.turns.append(asked.turn)

    @precondition(lambda self: self.turns)
    @rule(data=st.data(), outcome=st.sampled_from("+-0"))
    def end(self, data: st.DataObject, outcome: str) -> None:
        turn = self.turns.pop(data.draw(st.integers(0, len(self.turns) - 1)))
        before = self.breaker
        if outcome == "+":
            self.breaker = after_success(before, turn, now_ms=self.now_ms, rule=RULE)
        elif outcome == "-":
            self.breaker = after_failure(before, turn, now_ms=self.now_ms, rule=RULE)
        else:
            self.breaker = after_nothing(before, turn)
        self._judge(before, turn, outcome=outcome)

    def _judge(self, before: Breaker, turn: int, *, outcome: str) -> None:
        after = self.breaker
        if turn != before.turn:
            assert after is before
            return
        if after.turn != before.turn:
            self.in_a_row = 0
        elif outcome != "0":
            self.in_a_row = 0 if outcome == "+" else self.in_a_row + 1
        if after.position is Position.OPEN and outcome == "-":
            self.opened_ms = self.now_ms
            assert after.until_ms == self.now_ms + RULE.pause_ms
        if before.position is Position.HALF_OPEN:
            assert after.position is (Position.CLOSED if outcome == "+" else Position.OPEN)

    @invariant()
    def one_probe_at_most(self) -> None:
        probing = self.turns.count(self.breaker.turn)
        assert self.breaker.position is not Position.HALF_OPEN or probing == 1
        assert self.breaker.position is not Position.OPEN or probing == 0

    @invariant()
    def a_closed_one_has_not_failed_too_often(self) -> None:
        if self.breaker.position is Position.CLOSED:
            assert self.breaker.in_a_row == self.in_a_row < RULE.in_a_row
            assert self.breaker.failed <= self.breaker.ended


TestPlay = Play.TestCase
