"""Looking at Redis TIME for the one clock.

Owns when to look. Must never decide what a sample means: shared/clock.py does.
"""

import asyncio
from contextlib import suppress

from shared.clock import Clock
from shared.errors import Unavailable
from shared.stores.redis import Redis

_PAUSE_S = 1.0


class ClockSampler:
    """Keeps a clock true: a look each second, and one at once when a script answers that a time is off."""

    def __init__(self, clock: Clock, redis: Redis, *, shard: int = 0) -> None:
        self._clock = clock
        self._redis = redis
        self._shard = shard
        self._verdict: asyncio.Future[bool | None] | None = None

    async def run(self) -> None:
        """Looks until cancelled. While Redis is away the last offset goes on."""
        while True:
            with suppress(Unavailable):
                await self.resync()
            await asyncio.sleep(_PAUSE_S)

    async def resync(self) -> None:
        """Looks now; who comes meanwhile shares the look. Errors: Unavailable. Cost: one round trip."""
        while self._verdict is not None:
            looked = await asyncio.shield(self._verdict)
            if looked:
                return
            if looked is False:
                raise Unavailable("redis")
        await self._look()

    async def _look(self) -> None:
        verdict = self._verdict = asyncio.get_running_loop().create_future()
        looked = None  # stays so when the one who looks is cancelled: then the next in line looks
        try:
            sent_s = self._clock.monotonic()
            seconds, micros = await self._redis.command(self._shard, "TIME")
            self._clock.observe(
                int(seconds) * 1_000_000 + int(micros), sent_s, received_s=self._clock.monotonic()
            )
            looked = True
        except Unavailable:
            looked = False
            raise
        finally:
            self._verdict = None
            verdict.set_result(looked)
