"""Stream entries read as rows of the ping log: never a fault, whatever stands in one."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ping_log import PingRow, read_entry
from shared.domain.pings import Confirmation
from tests.support.streams import (
    NOW_MS,
    WINNER,
    Fields,
    confirmation,
    duplicate,
    event,
    new_uuid,
    no_target,
    repeat,
    reserved,
)

ENTRY = f"{NOW_MS}-0"
EXPIRES = NOW_MS + 15_000
GOOD = (
    reserved(event(), expires_ms=EXPIRES),
    repeat(event(), new_uuid(), expires_ms=EXPIRES),
    duplicate(event(), new_uuid()),
    no_target(event()),
    confirmation(new_uuid(), NOW_MS),
)


def _bytes(fields: Fields) -> list[bytes]:
    return [field.encode() if isinstance(field, str) else field for field in fields]


def _row(fields: Fields) -> PingRow:
    row = read_entry(ENTRY, _bytes(fields))
    assert isinstance(row, PingRow)
    return row


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_nonsense_is_no_entry(fields: list[bytes]) -> None:
    assert read_entry(ENTRY, fields) is None


@given(st.sampled_from(GOOD), st.data())
def test_a_damaged_entry_is_read_or_passed_over(fields: Fields, data: st.DataObject) -> None:
    entry = _bytes(fields)
    place = data.draw(st.integers(0, len(entry) - 1))
    at = data.draw(st.integers(0, len(entry[place])))
    entry[place] = (
        entry[place][:at]
        + data.draw(st.binary(max_size=3))
        + entry[place][at + data.draw(st.integers(0, 3)) :]
    )
    assert read_entry(ENTRY, entry) is None or isinstance(read_entry(ENTRY, entry), PingRow | Confirmation)


@given(st.permutations(range(4)))
def test_the_order_of_the_fields_is_no_matter(order: list[int]) -> None:
    entry = _bytes(GOOD[0])
    shuffled = [part for place in order for part in entry[2 * place : 2 * place + 2]]
    assert read_entry(ENTRY, shuffled) == read_entry(ENTRY, entry)


def test_the_winner_stands_in_the_replay() -> None:
    row = _row(reserved(event(number_asked="+18005550199"), expires_ms=EXPIRES))
    assert (row.replay.winner, row.replay.number_asked, row.ended_ms) == (WINNER, "+18005550199", 0)


def test_each_verdict_stands_beside_its_candidate() -> None:
    row = _row(no_target(event(), "sc"))
    assert row.trace is not None
    assert [each.reason for each in row.trace] == ["caller_suppressed", "buyers_capped", "buyers_closed"]
    assert row.reason == "caller_suppressed"  # one each: the later of the published order


def test_without_a_trace_the_verdicts_still_say_why() -> None:
    row = _row(no_target(event(), "cc", trace=None))
    assert (row.trace, row.reason) == (None, "buyers_capped")


def test_who_was_known_already_was_not_judged_anew() -> None:
    assert _row(GOOD[1]).trace == _row(GOOD[2]).trace == ()
    assert (_row(GOOD[1]).status, _row(GOOD[2]).status, _row(GOOD[2]).reason) == (
        "reserved",
        "rejected",
        "duplicate_caller",
    )


def test_what_is_a_day_ahead_of_its_entry_does_not_belong_there() -> None:
    day = 86_400_000
    for entry in GOOD:
        assert read_entry(f"{NOW_MS - day}-0", _bytes(entry)) is None
        assert read_entry(f"{NOW_MS - day + 1_000}-0", _bytes(entry)) is not None
    old = reserved(event(1_000_000_000_000), expires_ms=1_000_000_015_000)
    assert read_entry(ENTRY, _bytes(old)) is None


def test_an_entry_may_be_ahead_as_the_clock_of_redis_was_once() -> None:
    """Its ids never go back, whatever becomes of the clock."""
    for entry in GOOD:
        assert read_entry(f"{NOW_MS + 10**12}-7", _bytes(entry)) is not None
    ended = read_entry(f"{NOW_MS + 10**12}-7", _bytes(no_target(event())))
    assert isinstance(ended, PingRow)
    assert ended.ended_ms == ended.created_ms == NOW_MS
