"""The skew job: how far the clocks of Redis and Postgres are apart.

Owns the measurement. Must never correct a clock: an alert watches the metric.
"""

from shared.clock import Clock
from shared.metrics import CLOCK_SKEW_SECONDS
from shared.stores.postgres import Postgres

SELECT_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


class SkewJob:
    """Measures each ten seconds."""

    name = "skew"
    interval_s = 10.0

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        self._postgres = postgres
        self._clock = clock

    async def step(self) -> bool:
        """Ask Postgres for its time, and Redis's clock before and after. Cost: one query."""
        before_ms = self._clock.now_ms()
        postgres_s = await self._postgres.fetchval(SELECT_NOW)
        after_ms = self._clock.now_ms()
        CLOCK_SKEW_SECONDS.set((before_ms + after_ms) / 2_000 - postgres_s)
        return False
