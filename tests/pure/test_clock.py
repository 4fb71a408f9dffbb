"""The one clock on made-up hosts: whatever their own clocks say, Redis TIME counts."""

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.clock import Clock

_START_S = 1_790_000_000.0
_ROUNDING_S = 0.0011  # now_ms cuts to whole milliseconds
_SLACK_S = 0.005

delays = st.floats(0, 0.5)
trips = st.lists(st.tuples(delays, delays, st.floats(0, 30)), min_size=1, max_size=20)


class World:
    """A host and a Redis whose clocks tick alike and show different times."""

    def __init__(self, host_is_off_s: float = 0.0) -> None:
        self.elapsed_s = 0.0
        self.redis_off_s = 0.0
        self.clock = Clock(lambda: 77.0 + self.elapsed_s, lambda: _START_S + host_is_off_s + self.elapsed_s)

    def redis_s(self) -> float:
        return _START_S + self.redis_off_s + self.elapsed_s

    def look(self, there_s: float, back_s: float) -> None:
        sent_s = self.clock.monotonic()
        self.elapsed_s += there_s
        time_us = round(self.redis_s() * 1_000_000)
        self.elapsed_s += back_s
        self.clock.observe(time_us, sent_s, received_s=self.clock.monotonic())

    def error_s(self) -> float:
        return abs(self.clock.now_ms() / 1000 - self.redis_s())


def test_before_any_sample_the_host_has_to_do() -> None:
    world = World(host_is_off_s=300)
    assert world.clock.error_s is None
    assert world.clock.now_ms() == int((_START_S + 300) * 1000)


@given(st.floats(-300, 300), trips)
def test_a_wrong_host_changes_nothing(host_is_off_s: float, looks: list[tuple[float, float, float]]) -> None:
    world, right = World(host_is_off_s), World()
    for there_s, back_s, pause_s in looks:
        for each in (world, right):
            each.look(there_s, back_s)
            each.elapsed_s += pause_s
    assert abs(world.clock.now_ms() - right.clock.now_ms()) <= 1


@given(trips)
def test_the_error_is_at_most_half_the_best_recent_trip(looks: list[tuple[float, float, float]]) -> None:
    world = World()
    for there_s, back_s, pause_s in looks:
        world.look(there_s, back_s)
        world.elapsed_s += pause_s
    best_s = min(there_s + back_s for there_s, back_s, _ in looks[-8:])
    assert world.error_s() <= best_s / 2 + _ROUNDING_S
    assert world.clock.error_s is not None
    assert abs(world.clock.error_s - best_s / 2) < 1e-5


@given(trips, st.floats(-3600, 3600), delays, delays)
def test_a_step_of_the_redis_clock_is_followed_at_once(
    looks: list[tuple[float, float, float]], step_s: float, there_s: float, back_s: float
) -> None:
    world = World()
    for there, back, pause_s in looks:
        world.look(there, back)
        world.elapsed_s += pause_s
    before_s = world.clock.error_s
    assert before_s is not None
    world.redis_off_s += step_s
    world.look(there_s, back_s)
    new_s = (there_s + back_s) / 2
    assert world.error_s() <= 2 * before_s + 2 * new_s + _SLACK_S + _ROUNDING_S
    assume(abs(step_s) > 2 * before_s + 2 * new_s + 2 * _SLACK_S)
    assert world.error_s() <= new_s + _ROUNDING_S


@given(st.integers(0, 60_000))
def test_time_goes_on_between_samples(pause_ms: int) -> None:
    world = World()
    world.look(0.001, 0.001)
    before_ms = world.clock.now_ms()
    world.elapsed_s += pause_ms / 1000
    assert abs(world.clock.now_ms() - before_ms - pause_ms) <= 1


def test_an_old_good_sample_is_forgotten_after_eight_more() -> None:
    world = World()
    world.look(0.0, 0.0)
    for _ in range(7):
        world.look(0.1, 0.0)
    assert world.error_s() <= _ROUNDING_S
    world.look(0.1, 0.0)
    assert 0.045 < world.error_s() <= 0.05 + _ROUNDING_S
