"""Draws that can be drawn again."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.draws import Draws

PING = "01935c0a-507b-7011-b132-333435363738"
RECORDED = [57, 32, 13, 44, 19, 6, 81, 53, 5, 52, 79, 66, 75, 90, 86, 21, 50, 78, 95, 93]


def drawn(uuid: str, *bounds: int) -> list[int]:
    draws = Draws(uuid)
    return [draws.below(bound) for bound in bounds]


def test_the_stream_is_this_one_for_good() -> None:
    """Stored pings are replayed by it: these numbers must never change."""
    assert drawn(PING, *[100] * 20) == RECORDED


@given(st.uuids().map(str), st.lists(st.integers(1, 2**32), max_size=40))
def test_the_same_uuid_draws_the_same(uuid: str, bounds: list[int]) -> None:
    first = drawn(uuid, *bounds)
    assert first == drawn(uuid, *bounds)
    assert all(0 <= draw < bound for draw, bound in zip(first, bounds, strict=True))


@given(st.uuids().map(str), st.uuids().map(str))
def test_another_uuid_draws_otherwise(one: str, other: str) -> None:
    if one != other:
        assert drawn(one, *[2**32] * 4) != drawn(other, *[2**32] * 4)


@given(st.uuids().map(str))
def test_a_draw_of_one_is_zero_and_still_moves_on(uuid: str) -> None:
    assert drawn(uuid, 1, 1000)[1] == drawn(uuid, 1000, 1000)[1]


@pytest.mark.parametrize("bound", [2, 3, 7, 10])
def test_every_value_is_as_likely(bound: int) -> None:
    draws = Draws(PING)
    counts = Counter(draws.below(bound) for _ in range(20_000))
    assert set(counts) == set(range(bound))
    expected = 20_000 / bound
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 40


def test_first_draws_of_many_pings_are_spread_evenly() -> None:
    counts = Counter(Draws(f"{PING}{number}").below(4) for number in range(8_000))
    assert all(1_850 < count < 2_150 for count in counts.values())
