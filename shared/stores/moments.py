"""Instants as Postgres keeps them, and as unix milliseconds.

Owns the conversion, which is exact both ways. Must never read a clock.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def moment(unix_ms: int) -> datetime:
    """Milliseconds as Postgres takes them. Errors: OverflowError beyond the year 9999."""
    return _EPOCH + unix_ms * _MS


def moment_or_none(unix_ms: int) -> datetime | None:
    """The same, 0 being none."""
    return moment(unix_ms) if unix_ms else None


def unix_ms(at: datetime | None) -> int:
    """Milliseconds of what Postgres gave; 0 = none."""
    return (at - _EPOCH) // _MS if at else 0
