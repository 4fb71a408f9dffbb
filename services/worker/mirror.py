"""The mirror job: the hot mirror of cap places follows its truth, whatever became of who changed it.

Owns the rhythm. Must never write a mirror: shared/stores/mirror.py does.
"""

from shared.metrics import MIRRORS_MENDED
from shared.stores.mirror import refresh
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis

_WITHIN_S = 10.0  # five rounds: one that is missed, or a transaction that commits late, is made up for


class MirrorJob:
    """Assigns what changed lately, every two seconds."""

    name = "mirror"
    interval_s = 2.0

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis

    async def step(self) -> bool:
        """One look. Cost: one query when nothing has changed."""
        MIRRORS_MENDED.add(n=await refresh(self._postgres, self._redis, within_s=_WITHIN_S))
        return False
