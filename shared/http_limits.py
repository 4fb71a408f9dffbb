"""How long a connection may take for what.

Owns deadlines in seconds and their form in ticks of the listener's sweep. Must never start a timer.
"""

from msgspec import Struct

_UPLOAD_S = 300.0
_STALL_S = 30.0
_LINGER_S = 2.0
_LONGEST_TICK_S = 0.5


class Deadlines(Struct, frozen=True, kw_only=True):
    """What a port grants its clients. Units: seconds."""

    header_s: float = 5.0
    body_s: float = 5.0
    idle_s: float = 620.0

    @property
    def tick_s(self) -> float:
        """A tenth of the shortest deadline, so that none is kept worse than to a tenth."""
        return min(_LONGEST_TICK_S, self.header_s / 10, self.body_s / 10, self.idle_s / 10)


class Limits(Struct, frozen=True, kw_only=True):
    """The same for a connection. Units: ticks, but query_bytes."""

    query_bytes: int
    header_ticks: int
    body_ticks: int
    upload_ticks: int
    idle_ticks: int
    stall_ticks: int
    linger_ticks: int


def limits_of(deadlines: Deadlines, *, query_bytes: int) -> Limits:
    """The deadlines in ticks."""

    def ticks(seconds: float) -> int:
        return max(1, round(seconds / deadlines.tick_s))

    return Limits(
        query_bytes=query_bytes,
        header_ticks=ticks(deadlines.header_s),
        body_ticks=ticks(deadlines.body_s),
        upload_ticks=ticks(_UPLOAD_S),
        idle_ticks=ticks(deadlines.idle_s),
        stall_ticks=ticks(_STALL_S),
        linger_ticks=ticks(_LINGER_S),
    )
