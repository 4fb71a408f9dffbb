"""Business hours, cap windows and time zones, across every kind of clock change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.schedule import Block, Windows, is_open, read_zone, windows

NEW_YORK = "America/New_York"
SUN, MON, TUE, SAT = 0, 1, 2, 6


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    """Epoch seconds of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def opened(blocks: list[Block], text: str, zone: str = NEW_YORK, fold: int = 0) -> bool:
    return is_open(blocks, at(text, zone, fold) * 1000, zone=zone)


# 2024-06-16 is a Sunday.
def test_without_blocks_it_is_always_open() -> None:
    assert is_open([], 0, zone=NEW_YORK)
    assert is_open((), 1_718_548_200_000, zone="Asia/Kolkata")


@pytest.mark.parametrize(
    ("text", "open_now"),
    [
        ("2024-06-17 08:59:59", False),
        ("2024-06-17 09:00:00", True),
        ("2024-06-17 16:59:59", True),
        ("2024-06-17 17:00:00", False),
        ("2024-06-16 12:00:00", False),
        ("2024-06-18 12:00:00", False),
    ],
)
def test_is_open_within_the_days_block_and_closed_on_days_without_one(text: str, open_now: bool) -> None:
    assert opened([Block(day_of_week=MON, time_open=900, time_close=1700)], text) is open_now


def test_a_block_is_a_whole_day_unless_it_says_otherwise() -> None:
    day = [Block(day_of_week=SUN)]
    assert opened(day, "2024-06-16 00:00:00")
    assert opened(day, "2024-06-16 23:59:59")
    assert not opened(day, "2024-06-15 23:59:59")
    assert not opened(day, "2024-06-17 00:00:00")


def test_a_day_may_have_several_blocks() -> None:
    day = [
        Block(day_of_week=MON, time_open=900, time_close=1200),
        Block(day_of_week=MON, time_open=1330, time_close=1800),
    ]
    assert opened(day, "2024-06-17 11:59")
    assert not opened(day, "2024-06-17 12:00")
    assert not opened(day, "2024-06-17 13:29")
    assert opened(day, "2024-06-17 13:30")


def test_a_day_that_is_no_work_day_is_closed_whatever_else_it_has() -> None:
    closed = Block(day_of_week=MON, work_day=False)
    assert not opened([closed], "2024-06-17 12:00")
    assert not opened([Block(day_of_week=MON), closed], "2024-06-17 12:00")
    assert not opened(
        [Block(day_of_week=MON, work_day=False, inverted=True, time_open=900)], "2024-06-17 08:00"
    )
    assert opened([closed, Block(day_of_week=TUE)], "2024-06-18 12:00")


def test_inverted_is_open_outside_the_span_of_that_day() -> None:
    lunch = [Block(day_of_week=MON, time_open=1200, time_close=1300, inverted=True)]
    assert opened(lunch, "2024-06-17 11:59")
    assert not opened(lunch, "2024-06-17 12:00")
    assert opened(lunch, "2024-06-17 13:00")
    assert not opened(lunch, "2024-06-18 11:59")


def test_the_day_is_the_zones_own() -> None:
    sunday = [Block(day_of_week=SUN)]
    noon_utc = at("2024-06-16 12:00") * 1000
    assert is_open(sunday, noon_utc, zone="Europe/London")
    assert not is_open(sunday, noon_utc, zone="Pacific/Auckland")
    assert is_open([Block(day_of_week=SAT)], at("2024-06-16 02:00") * 1000, zone="America/Los_Angeles")


def test_hours_follow_the_wall_clock_through_a_change() -> None:
    nine = [Block(day_of_week=SUN, time_open=900)]
    assert not opened(nine, "2024-03-10 08:59")
    assert opened(nine, "2024-03-10 09:00")
    one_to_two = [Block(day_of_week=SUN, time_open=100, time_close=200)]
    assert opened(one_to_two, "2024-11-03 01:30", fold=0)
    assert opened(one_to_two, "2024-11-03 01:30", fold=1)
    assert not opened(one_to_two, "2024-11-03 02:00")


@pytest.mark.parametrize(
    "row",
    [
        {"day_of_week": 7},
        {"day_of_week": -1},
        {"day_of_week": 1, "time_open": 960},
        {"day_of_week": 1, "time_close": 2401},
        {"day_of_week": 1, "time_open": -1},
        {"day_of_week": 1, "time_open": 1700, "time_close": 900},
    ],
)
def test_a_block_that_no_clock_shows_is_refused(row: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(row, Block)


def test_a_block_reads_from_the_files_own_names() -> None:
    row = {"day_of_week": 1, "work_day": True, "time_open": 930, "time_close": 1700, "inverted": False}
    assert msgspec.convert(row, Block) == Block(day_of_week=1, time_open=930, time_close=1700)


@pytest.mark.parametrize(
    ("now", "zone", "hour_at", "day_at", "month_at"),
    [
        (at("2024-06-16 14:30:15"), "UTC", at("2024-06-16 14:00"), at("2024-06-16"), at("2024-06-01")),
        (
            at("2024-06-16 14:30:15", NEW_YORK),
            NEW_YORK,
            at("2024-06-16 14:00", NEW_YORK),
            at("2024-06-16", NEW_YORK),
            at("2024-06-01", NEW_YORK),
        ),
        (
            at("2024-06-16 20:15", "Asia/Kolkata"),
            "Asia/Kolkata",
            at("2024-06-16 14:30"),
            at("2024-06-15 18:30"),
            at("2024-05-31 18:30"),
        ),
        (
            at("2024-03-10 12:00", NEW_YORK),
            NEW_YORK,
            at("2024-03-10 16:00"),
            at("2024-03-10 05:00"),
            at("2024-03-01 05:00"),
        ),
        (
            at("2024-11-03 01:30", NEW_YORK, fold=0),
            NEW_YORK,
            at("2024-11-03 05:00"),
            at("2024-11-03 04:00"),
            at("2024-11-01 04:00"),
        ),
        (
            at("2024-11-03 01:30", NEW_YORK, fold=1),
            NEW_YORK,
            at("2024-11-03 06:00"),
            at("2024-11-03 04:00"),
            at("2024-11-01 04:00"),
        ),
        # Havana skips midnight in March and has two in November
        (
            at("2024-03-10 01:30", "America/Havana"),
            "America/Havana",
            at("2024-03-10 05:00"),
            at("2024-03-10 05:00"),
            at("2024-03-01 05:00"),
        ),
        (
            at("2024-11-03 00:30", "America/Havana", fold=1),
            "America/Havana",
            at("2024-11-03 05:00"),
            at("2024-11-03 04:00"),
            at("2024-11-01 04:00"),
        ),
        # Lord Howe moves by half an hour: 2:00 becomes 1:30 in April, and 2:30 in October
        (
            at("2024-04-07 01:45", "Australia/Lord_Howe", fold=0),
            "Australia/Lord_Howe",
            at("2024-04-06 14:00"),
            at("2024-04-06 13:00"),
            at("2024-03-31 13:00"),
        ),
        (
            at("2024-04-07 01:45", "Australia/Lord_Howe", fold=1),
            "Australia/Lord_Howe",
            at("2024-04-06 15:00"),
            at("2024-04-06 13:00"),
            at("2024-03-31 13:00"),
        ),
        (
            at("2024-10-06 02:45", "Australia/Lord_Howe"),
            "Australia/Lord_Howe",
            at("2024-10-05 15:30"),
            at("2024-10-05 13:30"),
            at("2024-09-30 13:30"),
        ),
        # Samoa had no 30 December 2011
        (
            at("2011-12-31 00:10", "Pacific/Apia"),
            "Pacific/Apia",
            at("2011-12-30 10:00"),
            at("2011-12-30 10:00"),
            at("2011-12-01 10:00"),
        ),
    ],
)
def test_windows_start_with_the_zones_own_calendar(
    now: int, zone: str, hour_at: int, day_at: int, month_at: int
) -> None:
    assert windows(now * 1000 + 999, zone) == Windows(hour_at=hour_at, day_at=day_at, month_at=month_at)


CHANGES = [
    (NEW_YORK, "2024-03-10 07:00"),
    (NEW_YORK, "2024-11-03 06:00"),
    ("America/Havana", "2024-03-10 05:00"),
    ("America/Havana", "2024-11-03 05:00"),
    ("Australia/Lord_Howe", "2024-04-06 15:00"),
    ("Australia/Lord_Howe", "2024-10-05 15:30"),
    ("Asia/Kolkata", "2024-03-31 18:30"),
    ("America/Santiago", "2024-04-07 03:00"),  # back over midnight
    ("America/Santiago", "2024-09-08 04:00"),  # no midnight
    ("Asia/Beirut", "2024-03-30 22:00"),  # no midnight
    ("Asia/Beirut", "2024-10-26 21:00"),  # back over midnight
    ("America/St_Johns", "2009-03-08 03:31"),
    ("America/St_Johns", "2009-11-01 02:31"),  # a minute after midnight, on the first of a month
    ("Atlantic/Azores", "2024-10-27 01:00"),
    ("America/Asuncion", "2023-10-01 04:00"),  # no midnight, on the first of a month
    ("Africa/Casablanca", "2024-04-14 02:00"),
    ("Pacific/Apia", "2011-12-30 10:00"),  # no 30 December
    ("America/Nuuk", "2024-10-27 01:00"),
    ("Antarctica/Troll", "2024-03-31 01:00"),  # by two hours
    ("Asia/Kathmandu", "2024-02-29 18:15"),
]


def walked(zone: str, start: int, minutes: int) -> Iterator[tuple[int, int | None, int | None, int | None]]:
    """Each minute with its windows, found by nothing but a look at the clock; None before the first one."""
    hour_at = day_at = month_at = None
    seen = datetime.fromtimestamp(start - 60, ZoneInfo(zone))
    newest = seen.date()
    for now in range(start, start + minutes * 60, 60):
        local = datetime.fromtimestamp(now, ZoneInfo(zone))
        if (local.hour, local.utcoffset()) != (seen.hour, seen.utcoffset()):
            hour_at = now
        if local.date() > newest:
            day_at = now
            month_at = now if local.month != newest.month else month_at
            newest = local.date()
        seen = local
        yield now, hour_at, day_at, month_at


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_windows_around_a_change_are_what_the_clock_shows(zone: str, change: str) -> None:
    start = at(change) - 36 * 3600
    for now, hour_at, day_at, month_at in walked(zone, start, minutes=72 * 60):
        found = windows(now * 1000, zone)
        assert hour_at in {None, found.hour_at}, now
        assert day_at in {None, found.day_at}, now
        assert month_at in {None, found.month_at}, now


zones = st.sampled_from(sorted({zone for zone, _ in CHANGES}))
seconds = st.one_of(
    st.integers(at("2000-01-01"), at("2037-01-01")),
    st.builds(
        lambda change, seconds: at(change[1]) + seconds,
        st.sampled_from(CHANGES),
        st.integers(-90_000, 90_000),
    ),
)


@settings(deadline=None)
@given(zones, st.lists(seconds, min_size=2, max_size=8))
def test_windows_never_go_back_as_time_goes_forward(zone: str, times: list[int]) -> None:
    found = [windows(now * 1000, zone) for now in sorted(times)]
    for name in ("hour_at", "day_at", "month_at"):
        ids = [getattr(each, name) for each in found]
        assert ids == sorted(ids), name


@settings(deadline=None)
@given(zones, seconds)
def test_a_window_has_begun_and_is_its_own_window(zone: str, now: int) -> None:
    found = windows(now * 1000, zone)
    assert found.month_at <= found.day_at <= found.hour_at <= now
    assert now - found.hour_at < 3600
    assert now - found.day_at < 50 * 3600
    assert now - found.month_at < 32 * 86_400
    assert windows(found.hour_at * 1000, zone) == found
    assert windows(found.day_at * 1000, zone).day_at == found.day_at
    assert windows(found.month_at * 1000, zone).month_at == found.month_at


@settings(deadline=None)
@given(zones, seconds, st.integers(-7200, 7200))
def test_what_was_asked_before_changes_no_answer(zone: str, now: int, before: int) -> None:
    first = windows(now * 1000, zone)
    windows((now + before) * 1000, zone)
    assert windows(now * 1000, zone) == first


def test_windows_are_found_once_an_hour() -> None:
    first = windows(at("2024-06-16 14:00") * 1000, "Asia/Tokyo")
    assert windows(at("2024-06-16 14:59:59") * 1000 + 999, "Asia/Tokyo") is first
    assert windows(at("2024-06-16 15:00") * 1000, "Asia/Tokyo") is not first


@settings(deadline=None)
@given(st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1)))
def test_without_clock_changes_windows_are_plain_truncation(moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    found = windows(int(now.timestamp() * 1000), "UTC")
    hour = now.replace(minute=0, second=0, microsecond=0)
    assert found.hour_at == int(hour.timestamp())
    assert found.day_at == int(hour.replace(hour=0).timestamp())
    assert found.month_at == int(hour.replace(hour=0, day=1).timestamp())
    assert datetime.fromtimestamp(found.hour_at, UTC) - now <= timedelta(0)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("America/New_York", "America/New_York"),
        (" America/New_York ", "America/New_York"),
        ("UTC", "UTC"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Eastern Time (US & Canada)", "America/New_York"),
        ("Central Time (US & Canada)", "America/Chicago"),
        ("Mountain Time (US & Canada)", "America/Denver"),
        ("Pacific Time (US & Canada)", "America/Los_Angeles"),
        ("Arizona", "America/Phoenix"),
        ("Hawaii", "Pacific/Honolulu"),
        ("Nuku'alofa", "Pacific/Tongatapu"),
        ("St. Petersburg", "Europe/Moscow"),
        ("Cape Verde Is.", "Atlantic/Cape_Verde"),
    ],
)
def test_reads_zones_by_either_name(text: str, zone: str) -> None:
    assert read_zone(text) == zone


@pytest.mark.parametrize(
    "text",
    [
        "",
        "America",
        "America/",
        "America/Nowhere",
        "../../etc/passwd",
        "/etc/passwd",
        "America/../UTC",
        "Mars",
        "america/new_york",
        "EST5EDT\0",
        "zone.tab",
        "tzdata.zi",
        "right/UTC",
        "posix/UTC",
        "localtime",
        "A" * 500,
    ],
)
def test_refuses_what_is_no_zone(text: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        read_zone(text)


@given(st.text(max_size=40))
def test_reading_any_text_gives_a_zone_or_a_value_error(text: str) -> None:
    try:
        zone = read_zone(text)
    except ValueError:
        return
    assert ZoneInfo(zone).key == zone


def test_every_iana_zone_reads_as_itself() -> None:
    for zone in available_timezones() - {"localtime"}:
        assert read_zone(zone) == zone
