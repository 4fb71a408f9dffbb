"""Local time: when a buyer is open, and when its hour, day and month began.

Owns time zones, business hours and cap windows. Must never read a clock: now_ms is always handed in.

A window starts where the zone's own clock enters it. Where a clock change cuts an hour, each part is a
window. A day or month starts at its first instant, and is not left again when the clock goes back over
midnight. So, as time goes forward, no window id ever goes back.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from shared.domain.rails_zones import RAILS_ZONES

_HOUR_S = 3600
_DAY_S = 86_400
_ONE_DAY = timedelta(days=1)
_zone_name = re.compile(r"(?!posix/|right/)[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*").fullmatch


class Block(Struct, frozen=True, kw_only=True):
    """One span of business hours.

    Units: day_of_week 0 = Sunday; times HHMM, the end not in it and up to 2400; inverted = open outside it.
    """

    day_of_week: int
    work_day: bool = True
    time_open: int = 0
    time_close: int = 2400
    inverted: bool = False

    def __post_init__(self) -> None:
        """Refuse what no clock shows. Errors: ValueError, one sentence."""
        if not 0 <= self.day_of_week <= 6:
            raise ValueError("day_of_week runs from 0, Sunday, to 6")
        for hhmm in (self.time_open, self.time_close):
            if not 0 <= hhmm <= 2400 or hhmm % 100 > 59:
                raise ValueError(f"{hhmm} is no time of day as HHMM")
        if self.time_open > self.time_close:
            raise ValueError("time_close must not be before time_open; inverted means open outside them")


class Windows(Struct, frozen=True, kw_only=True, gc=False):
    """Where the current cap windows began. Units: epoch seconds."""

    hour_at: int
    day_at: int
    month_at: int


def is_open(blocks: Sequence[Block], now_ms: int, *, zone: str) -> bool:
    """Whether business hours hold now.

    Shape: no blocks = always; else a day without a block, or with one that is no work day, is closed.
    """
    if not blocks:
        return True
    local = datetime.fromtimestamp(now_ms // 1000, ZoneInfo(zone))
    today = [block for block in blocks if block.day_of_week == local.isoweekday() % 7]
    if not all(block.work_day for block in today):
        return False
    hhmm = local.hour * 100 + local.minute
    return any((block.time_open <= hhmm < block.time_close) != block.inverted for block in today)


_known_windows: dict[str, tuple[int, int, Windows]] = {}


def windows(now_ms: int, zone: str) -> Windows:
    """The cap windows that now falls into, by the zone's calendar.

    Cost: a look-up, but for the first call in each local hour.
    """
    now_s = now_ms // 1000
    known = _known_windows.get(zone)
    if known is not None and known[0] <= now_s < known[1]:
        return known[2]
    found, until = _find_windows(now_s, ZoneInfo(zone))
    _known_windows[zone] = (found.hour_at, until, found)
    return found


def _find_windows(now_s: int, zone: ZoneInfo) -> tuple[Windows, int]:
    """The windows, and until when they hold: the next local hour or clock change."""
    local = datetime.fromtimestamp(now_s, zone)
    hour_at = now_s - local.minute * 60 - local.second
    until = hour_at + _HOUR_S
    if _offset(zone, hour_at) != _offset(zone, now_s):
        hour_at = _clock_change(zone, hour_at, after=now_s)
    if _offset(zone, until) != _offset(zone, now_s):
        until = _clock_change(zone, now_s, after=until)
    day = local.date()
    if _first_instant(zone, day + _ONE_DAY) <= now_s:
        day += _ONE_DAY  # it had begun before the clock went back behind midnight
    found = Windows(
        hour_at=hour_at,
        day_at=_first_instant(zone, day),
        month_at=_first_instant(zone, day.replace(day=1)),
    )
    return found, until


def _first_instant(zone: ZoneInfo, day: date) -> int:
    """Where a day begins: the first of two midnights; the end of the gap when clocks jump over midnight."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    instant = int(midnight.timestamp())
    if datetime.fromtimestamp(instant, zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    return _clock_change(zone, instant - _DAY_S, after=instant)


def _offset(zone: ZoneInfo, instant: int) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()


def _clock_change(zone: ZoneInfo, before: int, *, after: int) -> int:
    """The first second with the offset of `after`, given that `before` has another."""
    new = _offset(zone, after)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == new:
            after = middle
        else:
            before = middle
    return after


def read_zone(text: str) -> str:
    """Read a time zone by its IANA name, which is kept as given, or by its Rails name.

    Errors: ValueError when there is no such zone.
    """
    name = text.strip()
    if _is_zone(name):
        return name
    if name in RAILS_ZONES:
        return RAILS_ZONES[name]
    raise ValueError(f"`{name[:64]}` is no time zone: write it as in America/New_York")


def _is_zone(name: str) -> bool:
    if len(name) > 64 or _zone_name(name) is None:
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, not a zone, or a directory
        return False
    return True
