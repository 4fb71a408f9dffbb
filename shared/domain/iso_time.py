"""Instants as ISO-8601 text in UTC.

Owns the one form in which wires and logs show a time, and the forms in which one is read. Must never read a clock.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache


def write_ms(unix_ms: int) -> str:
    """An instant with milliseconds and `Z`: `2026-05-04T03:02:01.007Z`. Cost: formatted once a minute."""
    minute, rest = divmod(unix_ms, 60_000)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


_read = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)([Zz]|[+ -]\d\d:?\d\d)", re.ASCII
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def read_ms(text: str) -> int | None:
    """An instant that says its offset: `2026-05-04T03:02:01Z`, `2026-05-04T05:02+02:00`; None when it is none.

    Shape: a plus that a query has made a space is one again. Units: unix milliseconds.
    """
    found = _read(text)
    if found is None:
        return None
    day, time, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{offset.upper().replace(' ', '+')}")
        return (moment - _EPOCH) // _MS
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=64)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")
