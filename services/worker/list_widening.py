"""The list widening job: caller lists that have outgrown their buckets get more of them.

Owns the rhythm. Must never write a bucket: shared/stores/list_widening.py does.
"""

from shared.errors import Unavailable
from shared.logs import get_logger
from shared.stores.list_widening import Home, find_homes, find_unfinished, is_full, make_room, widen_some
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis

_LOG = get_logger()
_BATCH = 10


class ListWideningJob:
    """Goes on with what is begun, else looks at the next companies with lists."""

    name = "list_widening"
    interval_s = 2.0

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis
        self._last = 0

    async def step(self) -> bool:
        """One step of each widening, or a look at some companies; one on a cold shard holds up no other.

        Errors: Unavailable; what was to be done is still to be done. Cost: two queries, and 64 looks into Redis a company.
        """
        away: Unavailable | None = None
        unfinished = await find_unfinished(self._postgres, limit=_BATCH)
        homes = [] if unfinished else await self._next_homes()
        for work in (*map(self._widen, unfinished), *map(self._look, homes)):
            try:
                await work
            except Unavailable as error:
                away = error
        if away is not None:
            raise away
        return bool(unfinished)

    async def _next_homes(self) -> list[Home]:
        homes = await find_homes(self._postgres, after=self._last, limit=_BATCH)
        self._last = homes[-1].company_id if len(homes) == _BATCH else 0
        return homes

    async def _widen(self, company_id: int) -> None:
        await widen_some(self._postgres, self._redis, company_id=company_id)

    async def _look(self, home: Home) -> None:
        if await is_full(self._redis, home) and await make_room(
            self._postgres, self._redis, company_id=home.company_id
        ):
            _LOG.info("list_buckets_full", company_id=home.company_id, buckets=home.list_buckets)
