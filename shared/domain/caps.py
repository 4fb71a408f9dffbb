"""Caps: how many callers a buyer or a group takes, and whether one more fits.

Owns the Python model of the check that the scripts and Postgres make; all three must agree. Must never count:
the numbers come from the fill's one row and from the live holds.
"""

from collections.abc import Iterator

from msgspec import Struct

from shared.domain.schedule import Windows


class Caps(Struct, frozen=True, kw_only=True):
    """The most that may be taken. Shape: None = no limit, 0 = none at all."""

    concurrency: int | None = None
    hard: int | None = None
    hourly: int | None = None
    daily: int | None = None
    monthly: int | None = None


class SubjectCaps(Struct, frozen=True, kw_only=True):
    """A buyer or a group that a place is wanted of: `b12` or `g3`, with its limits and the windows of now."""

    subject: str
    caps: Caps
    windows: Windows


class HeldPlaces(Struct, frozen=True, kw_only=True):
    """The places of one leg.

    Shape: subjects as in `b12,g3`, at most one buyer and one group. windows: the buyer's hour, day and month, then the
    group's, in which the leg was counted. Both as the leg's row keeps them.
    """

    subjects: str = ""
    windows: tuple[int, ...] = (0, 0, 0, 0, 0, 0)

    def each(self) -> Iterator[tuple[str, Windows]]:
        """Every subject, with the windows it was counted in."""
        for subject in filter(None, self.subjects.split(",")):
            hour_at, day_at, month_at = self.windows[3:] if subject.startswith("g") else self.windows[:3]
            yield subject, Windows(hour_at=hour_at, day_at=day_at, month_at=month_at)


class Fill(Struct, frozen=True, kw_only=True):
    """Committed places of one subject: a row of cap_fills.

    Units: *_at epoch seconds of a window's start, *_n calls; rev grows with each change.
    """

    hour_at: int = 0
    hour_n: int = 0
    day_at: int = 0
    day_n: int = 0
    month_at: int = 0
    month_n: int = 0
    hard_n: int = 0
    live_n: int = 0
    rev: int = 0


def mirror_text(fill: Fill) -> str:
    """The fill as the hot mirror keeps it: the fields in their order, a space between."""
    return (
        f"{fill.hour_at} {fill.hour_n} {fill.day_at} {fill.day_n} {fill.month_at} {fill.month_n}"
        f" {fill.hard_n} {fill.live_n} {fill.rev}"
    )


def read_mirror(text: str | bytes) -> Fill:
    """Read what mirror_text wrote.

    Errors: ValueError when it is anything else.
    """
    hour_at, hour_n, day_at, day_n, month_at, month_n, hard_n, live_n, rev = map(int, text.split())
    return Fill(
        hour_at=hour_at,
        hour_n=hour_n,
        day_at=day_at,
        day_n=day_n,
        month_at=month_at,
        month_n=month_n,
        hard_n=hard_n,
        live_n=live_n,
        rev=rev,
    )


def may_take(caps: Caps, fill: Fill, *, holds: int, windows: Windows) -> bool:
    """Whether one more place fits under every cap, with the live holds counted in each.

    Source: architecture.md, places and caps.
    """
    taken = (
        (caps.concurrency, fill.live_n),
        (caps.hard, fill.hard_n),
        (caps.hourly, _in_window(fill.hour_at, fill.hour_n, window_at=windows.hour_at)),
        (caps.daily, _in_window(fill.day_at, fill.day_n, window_at=windows.day_at)),
        (caps.monthly, _in_window(fill.month_at, fill.month_n, window_at=windows.month_at)),
    )
    return all(cap is None or committed + holds < cap for cap, committed in taken)


def _in_window(filled_at: int, filled_n: int, *, window_at: int) -> int:
    """An older window's count is over; a later one's stands, as somebody's clock may be ahead."""
    return filled_n if filled_at >= window_at else 0
