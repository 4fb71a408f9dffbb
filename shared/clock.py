"""The one clock: Redis TIME, carried between two looks at it by this host's monotonic clock.

Owns what time it is for every decision. Must never read the host's wall clock after the first sample, so a
host whose clock is wrong decides like any other.
"""

import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

_KEPT = 8
# How far honest samples drift apart while they are kept: NTP slews at most 500 ppm, for 8 s; rounded up.
_SLACK_S = 0.005


class Sample(Struct, frozen=True, kw_only=True, gc=False):
    """What one look at Redis TIME tells: the offset lies between low_s and high_s, and nothing says where."""

    low_s: float
    high_s: float

    @property
    def half_s(self) -> float:
        """The greatest error of taking the middle: half a round trip."""
        return (self.high_s - self.low_s) / 2

    @property
    def middle_s(self) -> float:
        """The best guess."""
        return (self.low_s + self.high_s) / 2

    def contradicts(self, other: "Sample") -> bool:
        """Whether both cannot be true of one steady clock."""
        return self.low_s > other.high_s + _SLACK_S or other.low_s > self.high_s + _SLACK_S


class Clock:
    """Milliseconds by Redis TIME.

    Of the last 8 samples the one with the shortest round trip counts, so the error is at most half that round
    trip, and drift of 4 ms. Time steps, forwards or back, when a better sample comes: by no more than the two
    errors together. A sample that contradicts the best one means that the Redis clock itself stepped, or that
    another server answers: it replaces all older ones. Before any sample the host's wall clock has to do.
    """

    __slots__ = ("_monotonic", "_offset_s", "_samples")

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._offset_s = wall() - monotonic()
        self._samples: deque[Sample] = deque(maxlen=_KEPT)

    def now_ms(self) -> int:
        """Milliseconds since 1970. Read once a request and passed down."""
        return int((self._monotonic() + self._offset_s) * 1000)

    def monotonic(self) -> float:
        """Seconds for measuring a round trip."""
        return self._monotonic()

    def observe(self, redis_time_us: int, sent_s: float, *, received_s: float) -> None:
        """Takes one look at Redis TIME. Units: the two moments in seconds of `monotonic`."""
        time_s = redis_time_us / 1_000_000
        sample = Sample(low_s=time_s - received_s, high_s=time_s - sent_s)
        samples = self._samples
        if samples and sample.contradicts(min(samples, key=_error)):
            samples.clear()
        samples.append(sample)
        self._offset_s = min(samples, key=_error).middle_s

    @property
    def error_s(self) -> float | None:
        """How wrong the clock can be, drift apart; None before any sample."""
        return min(map(_error, self._samples)) if self._samples else None


def _error(sample: Sample) -> float:
    return sample.half_s
