"""What a list's name does, and where a caller stands in the hot copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.lists import Effect, bucket_of, buckets_for, effect_of, is_name


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("suppressed", Effect.DENY),
        ("suppressed_dnc", Effect.DENY),
        ("suppressed-numbers-2", Effect.DENY),
        ("Suppressed_DNC", Effect.DENY),
        ("accepted", Effect.ADMIT),
        ("accepted_vip", Effect.ADMIT),
        ("ACCEPTED", Effect.ADMIT),
        ("suppress", Effect.NONE),
        ("not_suppressed", Effect.NONE),
        ("unaccepted", Effect.NONE),
        ("vip", Effect.NONE),
        ("", Effect.NONE),
    ],
)
def test_a_lists_name_says_what_it_does(name: str, effect: Effect) -> None:
    assert effect_of(name) is effect


@pytest.mark.parametrize("name", ["a", "suppressed_dnc", "A-1_b", "9", "x" * 64])
def test_takes_a_name_that_fits_a_url(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a.b", "a/b", "é", "a\n", "a\0", "[list]", "٣"])
def test_refuses_any_other_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    ("number", "buckets", "bucket", "field"),
    [
        ("+12125550199", 1, 0, "12125550199"),
        ("+12125550199", 1000, 199, "12125550"),
        ("+12125550199", 64, 12125550199 % 64, str(12125550199 // 64)),
    ],
)
def test_a_caller_has_one_bucket_and_one_field(number: str, buckets: int, bucket: int, field: str) -> None:
    assert bucket_of(number, buckets) == (bucket, field)


@given(st.integers(10_000_000, 10**15 - 1), st.integers(1, 10**7))
def test_bucket_and_field_give_the_number_back(digits: int, buckets: int) -> None:
    bucket, field = bucket_of(f"+{digits}", buckets)
    assert 0 <= bucket < buckets
    assert int(field) * buckets + bucket == digits


@pytest.mark.parametrize(
    ("numbers", "buckets", "wanted"),
    [(0, 64, 0), (3_840, 64, 0), (3_841, 64, 97), (1_000_000, 64, 25_013), (1_000_000, 25_013, 0)],
)
def test_buckets_are_widened_before_they_are_full(numbers: int, buckets: int, wanted: int) -> None:
    assert buckets_for(numbers, buckets) == wanted
