"""Instants as ISO-8601 text in UTC.

Owns the one form in which wires and logs show a time. Must never read a clock.
"""

from datetime import UTC, datetime
from functools import lru_cache


def write_ms(unix_ms: int) -> str:
    """An instant with milliseconds and `Z`: `2026-05-04T03:02:01.007Z`. Cost: formatted once a minute."""
    minute, rest = divmod(unix_ms, 60_000)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=64)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")
