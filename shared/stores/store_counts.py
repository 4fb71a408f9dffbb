"""What the stores count, brought to the metrics.

Owns the reading of the stores' plain counters. Must never be called from a request: it looks once a second.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from shared.metrics import (
    CACHE_LOOKUPS,
    CAP_REFUSALS,
    POSTGRES_FAILURES,
    POSTGRES_POOL,
    POSTGRES_QUERIES,
    REDIS_CALLS,
    REDIS_LATE,
    REDIS_QUEUE_FULL,
    REDIS_RECONNECTS,
    REDIS_ROUND_TRIPS,
    SHIELD_VERDICTS,
)
from shared.stores.config_cache import ConfigCache
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis

_PAUSE_S = 1.0


class StoreCounts:
    """Adds to the metrics what the stores' counters have grown by."""

    def __init__(self, redis: Redis, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sources: list[tuple[Callable[[], int], Callable[[int], None]]] = [
            (lambda: redis.writes, lambda n: REDIS_ROUND_TRIPS.add(n=n)),
            (lambda: redis.calls, lambda n: REDIS_CALLS.add(n=n)),
            (lambda: redis.late, lambda n: REDIS_LATE.add(n=n)),
            (lambda: redis.overloaded, lambda n: REDIS_QUEUE_FULL.add(n=n)),
            (lambda: redis.reconnects, lambda n: REDIS_RECONNECTS.add(n=n)),
            (lambda: postgres.queries, lambda n: POSTGRES_QUERIES.add(n=n)),
            (lambda: postgres.failures, lambda n: POSTGRES_FAILURES.add(n=n)),
        ]
        self._before = [0] * len(self._sources)

    def watch_config(self, config: ConfigCache[Any]) -> None:
        """Count this cache's look-ups too."""
        for name, memory in (("key", config.keys), ("plan", config.plans)):
            self._sources += [
                (lambda kept=memory: kept.hits, lambda n, name=name: CACHE_LOOKUPS.add(name, "hit", n=n)),  # type: ignore[misc]
                (lambda kept=memory: kept.misses, lambda n, name=name: CACHE_LOOKUPS.add(name, "miss", n=n)),  # type: ignore[misc]
            ]
            self._before += [0, 0]

    async def run(self) -> None:
        """Look each second until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(_PAUSE_S)
                self.look()
        finally:
            self.look()

    def look(self) -> None:
        """Bring the counts up to date."""
        for place, (read, add) in enumerate(self._sources):
            now = read()
            if now != self._before[place]:
                add(now - self._before[place])
                self._before[place] = now
        POSTGRES_POOL.set(self._postgres.idle, "idle")
        POSTGRES_POOL.set(self._postgres.size - self._postgres.idle, "used")


_SHADOWS = {"r": "rate_limited", "q": "claim_rate", "o": "outbound_limit"}


def count_verdicts(verdicts: str, shadow: str) -> None:
    """What a script said of the candidates it tried (c = buyer capped, g = group capped), and limits that only counted."""
    for letter, subject in (("c", "buyer"), ("g", "group")):
        if letter in verdicts:
            CAP_REFUSALS.add(subject, n=verdicts.count(letter))
    for letter in shadow:
        SHIELD_VERDICTS.add(_SHADOWS[letter], "true")
