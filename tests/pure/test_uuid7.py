"""Uuids that hold their time and their shard."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.uuid7 import is_uuid7, make, ms_of, shard_of

SAMPLE = "01935c0a-507b-7011-b132-333435363738"

times = st.integers(0, 2**48 - 1)
shards = st.integers(0, 4095)
dice = st.binary(min_size=8, max_size=16)


def test_lays_out_time_shard_and_chance() -> None:
    assert make(1_732_416_000_123, 17, rand=b"12345678") == SAMPLE
    assert make(0, 0, rand=bytes(8)) == "00000000-0000-7000-8000-000000000000"
    assert make(2**48 - 1, 4095, rand=b"\xff" * 8) == "ffffffff-ffff-7fff-bfff-ffffffffffff"


def test_looks_at_eight_bytes_of_chance() -> None:
    assert make(1, 2, rand=b"12345678") == make(1, 2, rand=b"12345678more")


@given(times, shards, dice)
def test_gives_back_what_it_was_made_from(unix_ms: int, shard: int, rand: bytes) -> None:
    text = make(unix_ms, shard, rand=rand)
    assert is_uuid7(text)
    assert ms_of(text) == unix_ms
    assert shard_of(text) == shard
    assert int(text.replace("-", ""), 16) & (2**62 - 1) == int.from_bytes(rand[:8], "big") & (2**62 - 1)


@given(times, shards, dice)
def test_is_what_the_standard_library_reads(unix_ms: int, shard: int, rand: bytes) -> None:
    text = make(unix_ms, shard, rand=rand)
    read = uuid.UUID(text)
    assert str(read) == text
    assert read.version == 7
    assert read.variant == uuid.RFC_4122


@given(times, times, shards, shards, dice)
def test_texts_sort_by_time(first: int, second: int, one: int, other: int, rand: bytes) -> None:
    if first < second:
        assert make(first, one, rand=rand) < make(second, other, rand=rand)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CALL_UUID",
        "[call_uuid]",
        SAMPLE.upper(),
        SAMPLE.replace("-", ""),
        "{" + SAMPLE + "}",
        SAMPLE + "\n",
        " " + SAMPLE,
        SAMPLE[:-1],
        SAMPLE + "0",
        "01935c0a-507b-4011-b132-333435363738",
        "01935c0a-507b-7011-c132-333435363738",
        "01935c0a-507b-7011-7132-333435363738",
        "01935c0g-507b-7011-b132-333435363738",
        "01935c0a_507b-7011-b132-333435363738",
        "\u06601935c0a-507b-7011-b132-333435363738",
    ],
)
def test_takes_the_canonical_form_only(text: str) -> None:
    assert not is_uuid7(text)


@given(st.text(max_size=40))
def test_what_is_taken_can_be_taken_apart(text: str) -> None:
    if is_uuid7(text):
        assert 0 <= shard_of(text) < 4096
        assert 0 <= ms_of(text) < 2**48
