"""The stores of one process, opened and closed together.

Owns the order: Postgres, Redis, the clock, what counts them; closed in reverse. Must never know which service it serves.
"""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Self

from shared.chores import Chores
from shared.clock import Clock
from shared.service_settings import ServiceSettings
from shared.stores.clock_sampler import ClockSampler
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.scripts import Script
from shared.stores.store_counts import StoreCounts


class Pools:
    """Postgres, Redis and the one clock."""

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self.postgres = postgres
        self.redis = redis
        self.clock = Clock()
        self.sampler = ClockSampler(self.clock, redis)
        self.counts = StoreCounts(redis, postgres)
        self._chores = Chores()

    @classmethod
    async def open(
        cls,
        settings: ServiceSettings,
        *,
        name: str,
        scripts: Iterable[Script],
        limits: Limits | None = None,
    ) -> Self:
        """Connect, read the time, start counting.

        Errors: OperatorError in one line when a store cannot be used, or Unavailable; nothing is left open then.
        """
        async with AsyncExitStack() as undo:
            postgres = await Postgres.open(
                settings.postgres_dsn.reveal(),
                max_size=settings.postgres_connections,
                pooler=settings.postgres_pooler,
                deadline_s=settings.postgres_deadline_s,
                name=f"ringpost-{name}",
            )
            undo.push_async_callback(postgres.close)
            redis = await Redis.open(
                settings.redis_url.reveal(), scripts=scripts, limits=limits, checks=settings.redis_checks
            )
            undo.push_async_callback(redis.close)
            pools = cls(postgres, redis)
            await pools.sampler.resync()
            undo.pop_all()
        pools._chores.start("clock", pools.sampler.run)
        pools._chores.start("store counts", pools.counts.run)
        return pools

    async def close(self) -> None:
        """Undo open, in reverse."""
        await self._chores.stop()
        await self.redis.close()
        await self.postgres.close()
