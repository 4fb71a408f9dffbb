"""The list expiry job: entries of caller lists that run out stop having effect within about two seconds.

Owns the rhythm. Must never touch a list or its hot copy: shared/stores/lists.py and hot_sync.py do.
"""

from shared.errors import Unavailable
from shared.stores import hot_sync
from shared.stores.lists import expire_numbers
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis


class ListExpiryJob:
    """Takes off what has run out, once a second."""

    name = "list_expiry"
    interval_s = 1.0

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis

    async def step(self) -> bool:
        """Take off a batch, and bring the companies concerned up to date; one on a cold shard holds up no other.

        Errors: Unavailable; what Redis is owed then stays noted, and the hot_sync job settles it.
        Cost: one query when nothing has run out.
        """
        away: Unavailable | None = None
        companies = await expire_numbers(self._postgres)
        for company_id in sorted(companies):
            try:
                await hot_sync.apply(self._postgres, self._redis, company_id=company_id)
            except Unavailable as error:
                away = error
        if away is not None:
            raise away
        return bool(companies)
