"""The expire job: reservations that ran out end in the log.

Owns how long after its expiry a reservation is left alone. Must never touch Redis: there it falls away by itself.
"""

from shared.clock import Clock
from shared.metrics import PINGS_EXPIRED
from shared.stores.pings import expire
from shared.stores.postgres import Postgres

_GRACE_MS = 3_000  # a confirmation of the last moment is drained first, and a claim's transaction ends
_BATCH = 1_000


class ExpireJob:
    """Ends what ran out, once a second."""

    name = "expire"
    interval_s = 1.0

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        self._postgres = postgres
        self._clock = clock

    async def step(self) -> bool:
        """End a batch. Cost: one statement."""
        ended = await expire(self._postgres, self._clock.now_ms() - _GRACE_MS, limit=_BATCH)
        PINGS_EXPIRED.add(n=ended)
        return ended == _BATCH
