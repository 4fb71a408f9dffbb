from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from shared.tallies import BUCKETS_S, OPEN, Level, RequestMeter, Tally, Timing, fold_all, render

_numbers = count()


def _fresh(kind: str) -> str:
    return f"ringpost_test_{kind}_{next(_numbers)}"


def _samples(name: str) -> dict[tuple[str, ...], float]:
    """What /metrics says of one metric: name and label values -> value."""
    families = text_string_to_metric_families(render().decode())
    return {
        (sample.name.removeprefix(name), *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(name)
    }


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 9), st.booleans())))
def test_what_is_added_is_what_is_shown_however_often_it_is_folded(
    additions: list[tuple[str, int, bool]],
) -> None:
    name = _fresh("adds")
    tally = Tally(name, "x", labels={"letter": ("a", "b")})
    for letter, n, fold in additions:
        tally.add(letter, n=n)
        if fold:
            fold_all()
    fold_all()
    shown = _samples(f"{name}_total")
    for letter, told in (("a", "a"), ("b", "b"), ("c", "other")):
        assert shown.get(("", told), 0) == sum(n for each, n, _ in additions if each == letter)


@given(st.lists(st.floats(0, 20), max_size=30))
def test_durations_stand_in_their_buckets(durations: list[float]) -> None:
    name = _fresh("seconds")
    timing = Timing(name, "x")
    for seconds in durations:
        timing.observe(seconds)
    timing.fold()
    shown = _samples(name)
    for bound in BUCKETS_S:
        assert shown["_bucket", str(bound)] == sum(seconds <= bound for seconds in durations)
    assert shown["_bucket", "+Inf"] == shown["_count",] == len(durations)
    assert abs(shown["_sum",] - sum(durations)) < 1e-6


def test_a_cell_stays_the_same_over_folds() -> None:
    name = _fresh("cells")
    timing = Timing(name, "x", labels={"route": OPEN})
    cell = timing.cell("/a")
    for _ in range(3):
        cell.observe(0.001)
        timing.fold()
    assert timing.cell("/a") is cell
    assert _samples(name)["_count", "/a"] == 3


def test_known_series_start_at_zero_and_open_ones_do_not_exist() -> None:
    closed, opened = _fresh("closed"), _fresh("opened")
    Tally(closed, "x", labels={"one": ("a", "b"), "two": ("c",)})
    Tally(opened, "x", labels={"one": OPEN})
    assert _samples(f"{closed}_total") == {("", "a", "c"): 0, ("", "b", "c"): 0}
    assert _samples(f"{opened}_total") == {}


def test_a_level_is_what_it_was_set_to_last() -> None:
    name = _fresh("level")
    level = Level(name, "x", labels={"state": ("idle", "used")}, folding="livesum")
    for value in (3, 5, 2.5):
        level.set(value, "idle")
    assert _samples(name) == {("", "idle"): 2.5}


def test_requests_are_counted_by_status() -> None:
    requests, seconds = _fresh("requests"), _fresh("request_seconds")
    tally = Tally(requests, "x", labels={"route": OPEN, "method": ("GET",), "status": OPEN})
    meter = RequestMeter(
        tally, Timing(seconds, "x", labels={"route": OPEN, "method": ("GET",)}), route="/a", method="GET"
    )
    for status in (200, 200, 404):
        meter.count(status, 0.002)
    meter.fold()
    fold_all()
    shown = _samples(f"{requests}_total")
    assert {(labels[-1]): value for labels, value in shown.items()} == {"200": 2, "404": 1}
    assert _samples(f"{seconds}_count") == {("", "GET", "/a"): 3}
