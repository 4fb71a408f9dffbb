"""Stored tags told to Redis by who wrote them, so that the worker need not.

Owns the chore that takes back the notes of what has been told. Must never take back another, nor keep a request waiting.

Failure policy: what is not told, or not taken back, stays noted: the worker writes it, once more at worst.
"""

import asyncio
from collections.abc import Mapping

from shared.errors import Unavailable
from shared.stores import hot_sync
from shared.stores.hot_tags import assign
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.stored_tags import HotTags, Kept, Used

_PAUSE_S = 0.05
_MOST = 10_000


class OwedTags:
    """Tells Redis, and takes the notes back twenty times a second."""

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis
        self._told: list[int] = []

    async def tell(self, shard: int, owed: Kept | Used, *, company_id: int, caller: str) -> bool:
        """Give Redis what a committed change owes it; False when that is left to the worker. Cost: one round trip."""
        if not owed.note_id:
            return True
        hot: Mapping[int, HotTags] = owed.hot
        try:
            await assign(self._redis, shard, company_id=company_id, caller=caller, hot=hot)
        except Unavailable:
            return False
        if len(self._told) < _MOST:
            self._told.append(owed.note_id)
        return True

    async def run(self) -> None:
        """Take back until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_S)
            await self.take_back()

    async def take_back(self) -> None:
        """Take back the notes of all that was told. Cost: one transaction, none when nothing was."""
        told, self._told = self._told, []
        if not told:
            return
        try:
            await hot_sync.take_back(self._postgres, told)
        except Unavailable:
            return
