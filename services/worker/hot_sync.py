"""The hot_sync job: hot copies that a request could not bring up to date itself.

Owns the rhythm. Must never write a hot copy: shared/stores/hot_sync.py does.
"""

from shared.errors import Unavailable
from shared.metrics import HOT_SYNC_APPLIED
from shared.stores import hot_sync
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis

_BATCH = 200


class HotSyncJob:
    """Looks for leftovers twice a second."""

    name = "hot_sync"
    interval_s = 0.5

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis
        self._last = 0

    async def step(self) -> bool:
        """Bring the next companies that are owed something up to date; one on a cold shard holds up no other.

        Cost: one query when none is owed anything.
        """
        owing = await hot_sync.find_owing(self._postgres, after=self._last, limit=_BATCH)
        self._last = owing[-1] if len(owing) == _BATCH else 0
        away: Unavailable | None = None
        for company_id in owing:
            try:
                await hot_sync.apply(self._postgres, self._redis, company_id=company_id)
                HOT_SYNC_APPLIED.add()
            except Unavailable as error:
                away = error
        if away is not None:
            raise away
        return bool(self._last)
