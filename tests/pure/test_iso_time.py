"""Instants as they are written and read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.iso_time import read_ms, write_ms
from shared.domain.lists import may_expire

NOON_MS = 1_777_896_000_000  # 2026-05-04T12:00:00Z
YEAR_MS = 365 * 24 * 3600 * 1000


@given(st.integers(0, 253_402_300_799_999))
def test_what_is_written_is_read(unix_ms: int) -> None:
    assert read_ms(write_ms(unix_ms)) == unix_ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-04T12:00:00Z",
        "2026-05-04T12:00Z",
        "2026-05-04t12:00:00.000000z",
        "2026-05-04T14:00:00+02:00",
        "2026-05-04T14:00:00 02:00",
        "2026-05-04T14:00:00+0200",
        "2026-05-03T22:30:00-13:30",
    ],
)
def test_one_moment_in_many_forms(text: str) -> None:
    assert read_ms(text) == NOON_MS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "1777896000",
        "2026-05-04",
        "2026-05-04T12:00:00",
        "2026-05-04 12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-05-04T24:01:00Z",
        "2026-05-04T12:00:00+25:00",
        "2026-05-04T12:00:00Z\n",
        "٢٠٢٦-05-04T12:00:00Z",
    ],
)
def test_what_says_no_moment_is_none(text: str) -> None:
    assert read_ms(text) is None


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)", fullmatch=True))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
def test_whatever_is_sent_is_read_or_none(text: str) -> None:
    assert read_ms(text) is None or isinstance(read_ms(text), int)


def test_an_entry_expires_in_the_next_ten_years() -> None:
    assert not may_expire(NOON_MS, now_ms=NOON_MS)
    assert may_expire(NOON_MS + 1, now_ms=NOON_MS)
    assert may_expire(NOON_MS + 10 * YEAR_MS, now_ms=NOON_MS)
    assert not may_expire(NOON_MS + 11 * YEAR_MS, now_ms=NOON_MS)
