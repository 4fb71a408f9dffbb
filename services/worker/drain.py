"""The drain job: pings from the event streams into the log, within two seconds.

Owns the rhythm and which shards come first. Must never store anything itself: shared/stores/drain.py does.
"""

from shared.clock import Clock
from shared.metrics import STREAM_LAG_SECONDS, STREAM_LENGTH
from shared.stores.drain import Drain
from shared.stores.events import Streams

_TOGETHER = 16  # shards a transaction: the others stay free for another worker


class DrainJob:
    """Looks at all streams five times a second and drains those that hold something, the longest first."""

    name = "drain"
    interval_s = 0.2

    def __init__(self, drain: Drain, streams: Streams, *, clock: Clock, batch: int) -> None:
        self._drain = drain
        self._streams = streams
        self._clock = clock
        self._batch = batch

    async def step(self) -> bool:
        """Drain each waiting stream once. Cost: one batch to Redis when nothing waits."""
        lengths = await self._streams.lengths()
        waiting = sorted(
            (shard for shard, n in enumerate(lengths) if n), key=lengths.__getitem__, reverse=True
        )
        STREAM_LENGTH.set(max(lengths))
        await self._tell_lag(waiting)
        more = False
        for start in range(0, len(waiting), _TOGETHER):
            drained = await self._drain.drain(waiting[start : start + _TOGETHER], self._batch)
            more = more or drained.more
        return more

    async def _tell_lag(self, waiting: list[int]) -> None:
        oldest_ms = await self._streams.oldest_ms(waiting) if waiting else 0
        STREAM_LAG_SECONDS.set(max(0, self._clock.now_ms() - oldest_ms) / 1000 if oldest_ms else 0)
