"""Whether one more caller fits under the caps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.caps import Caps, Fill, HeldPlaces, may_take, mirror_text, read_mirror
from shared.domain.schedule import Windows

HOUR, DAY, MONTH = 7200, 3600, 1800
NOW = Windows(hour_at=HOUR, day_at=DAY, month_at=MONTH)

counts = st.integers(0, 1_000_000)
moments = st.integers(0, 4_000_000_000)
fills = st.builds(
    Fill,
    hour_at=moments,
    hour_n=counts,
    day_at=moments,
    day_n=counts,
    month_at=moments,
    month_n=counts,
    hard_n=counts,
    live_n=counts,
    rev=counts,
)
limits = st.one_of(st.none(), st.integers(0, 20))
all_caps = st.builds(Caps, concurrency=limits, hard=limits, hourly=limits, daily=limits, monthly=limits)
near = st.builds(
    Fill,
    hour_at=st.integers(HOUR - 1, HOUR + 1),
    hour_n=st.integers(0, 20),
    day_at=st.integers(DAY - 1, DAY + 1),
    day_n=st.integers(0, 20),
    month_at=st.integers(MONTH - 1, MONTH + 1),
    month_n=st.integers(0, 20),
    hard_n=st.integers(0, 20),
    live_n=st.integers(0, 20),
)


def test_without_caps_everything_fits() -> None:
    assert may_take(Caps(), Fill(live_n=10**9, hard_n=10**9), holds=10**9, windows=NOW)


@pytest.mark.parametrize(
    ("caps", "fill"),
    [
        (Caps(concurrency=3), Fill(live_n=2)),
        (Caps(hard=3), Fill(hard_n=2)),
        (Caps(hourly=3), Fill(hour_at=HOUR, hour_n=2)),
        (Caps(daily=3), Fill(day_at=DAY, day_n=2)),
        (Caps(monthly=3), Fill(month_at=MONTH, month_n=2)),
    ],
)
def test_the_last_place_may_be_taken_once_by_a_call_or_by_a_hold(caps: Caps, fill: Fill) -> None:
    assert may_take(caps, fill, holds=0, windows=NOW)
    assert not may_take(caps, fill, holds=1, windows=NOW)
    assert not may_take(caps, fill, holds=2, windows=NOW)


@pytest.mark.parametrize("cap", ["concurrency", "hard", "hourly", "daily", "monthly"])
def test_a_cap_of_none_at_all_takes_nobody(cap: str) -> None:
    assert not may_take(Caps(**{cap: 0}), Fill(), holds=0, windows=NOW)
    assert may_take(Caps(**{cap: 1}), Fill(), holds=0, windows=NOW)


@pytest.mark.parametrize(
    ("caps", "older", "same", "later"),
    [
        (
            Caps(hourly=1),
            Fill(hour_at=HOUR - 3600, hour_n=9),
            Fill(hour_at=HOUR, hour_n=9),
            Fill(hour_at=HOUR + 3600, hour_n=9),
        ),
        (
            Caps(daily=1),
            Fill(day_at=DAY - 1, day_n=9),
            Fill(day_at=DAY, day_n=9),
            Fill(day_at=DAY + 1, day_n=9),
        ),
        (
            Caps(monthly=1),
            Fill(month_at=MONTH - 1, month_n=9),
            Fill(month_at=MONTH, month_n=9),
            Fill(month_at=MONTH + 1, month_n=9),
        ),
    ],
)
def test_an_older_windows_count_is_over_and_a_later_one_stands(
    caps: Caps, older: Fill, same: Fill, later: Fill
) -> None:
    assert may_take(caps, older, holds=0, windows=NOW)
    assert not may_take(caps, older, holds=1, windows=NOW)
    assert not may_take(caps, same, holds=0, windows=NOW)
    assert not may_take(caps, later, holds=0, windows=NOW)


def test_a_new_row_is_empty() -> None:
    assert may_take(Caps(concurrency=1, hard=1, hourly=1, daily=1, monthly=1), Fill(), holds=0, windows=NOW)


@given(all_caps, near, st.integers(0, 20))
def test_every_cap_must_have_room(caps: Caps, fill: Fill, holds: int) -> None:
    one_by_one = [
        Caps(concurrency=caps.concurrency),
        Caps(hard=caps.hard),
        Caps(hourly=caps.hourly),
        Caps(daily=caps.daily),
        Caps(monthly=caps.monthly),
    ]
    assert may_take(caps, fill, holds=holds, windows=NOW) is all(
        may_take(cap, fill, holds=holds, windows=NOW) for cap in one_by_one
    )


@given(all_caps, near, st.integers(0, 20), st.integers(1, 5))
def test_more_holds_never_make_room(caps: Caps, fill: Fill, holds: int, more: int) -> None:
    assert may_take(caps, fill, holds=holds, windows=NOW) or not may_take(
        caps, fill, holds=holds + more, windows=NOW
    )


def test_the_mirrors_text_holds_the_fields_in_their_order() -> None:
    fill = Fill(hour_at=1, hour_n=2, day_at=3, day_n=4, month_at=5, month_n=6, hard_n=7, live_n=8, rev=9)
    assert mirror_text(fill) == "1 2 3 4 5 6 7 8 9"


@given(fills)
def test_a_mirror_reads_as_the_fill_it_was_written_from(fill: Fill) -> None:
    assert read_mirror(mirror_text(fill)) == fill
    assert read_mirror(mirror_text(fill).encode()) == fill


@pytest.mark.parametrize("text", ["", "1 2 3", "1 2 3 4 5 6 7 8 nine", "1 2 3 4 5 6 7 8 9 10"])
def test_a_broken_mirror_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_mirror(text)


@pytest.mark.parametrize("order", ["b12,g3", "g3,b12"])
def test_a_legs_places_are_read_with_their_own_windows(order: str) -> None:
    of_buyer, of_group = NOW, Windows(hour_at=1, day_at=2, month_at=3)
    held = HeldPlaces(subjects=order, windows=(HOUR, DAY, MONTH, 1, 2, 3))
    assert dict(held.each()) == {"b12": of_buyer, "g3": of_group}
    assert list(HeldPlaces(subjects="b12", windows=(HOUR, DAY, MONTH, 0, 0, 0)).each()) == [("b12", of_buyer)]
    assert list(HeldPlaces().each()) == []
