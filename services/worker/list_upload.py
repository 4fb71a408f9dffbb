"""The list upload job: what partners uploaded becomes their lists, chunk by chunk.

Owns the rhythm, and the order in which a chunk, its hot copy and the flip follow each other. Must never read a row:
shared/stores/list_upload_turns.py does.
"""

from shared.metrics import LIST_UPLOAD_ROWS
from shared.stores import hot_sync
from shared.stores.list_upload_turns import apply_chunk, drop_abandoned, drop_dead, finish_upload
from shared.stores.lists import widen_buckets
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis

_WIDEN_AFTER = 20_000  # rows: buckets are counted by looking at every number


class ListUploadJob:
    """Applies a chunk a round, then drops what no list reads any more."""

    name = "list_upload"
    interval_s = 0.5

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis
        self._since_widened = 0

    async def step(self) -> bool:
        """One chunk, or one flip, or some dead numbers. Errors: Unavailable; what was applied stays noted for Redis.

        Cost: three queries when there is nothing to do.
        """
        turn = await apply_chunk(self._postgres)
        if turn is None:
            await drop_abandoned(self._postgres)
            company_id = await drop_dead(self._postgres)
            if company_id:
                await hot_sync.apply(self._postgres, self._redis, company_id=company_id)
            return bool(company_id)
        LIST_UPLOAD_ROWS.add("applied", n=turn.applied)
        LIST_UPLOAD_ROWS.add("rejected", n=turn.rejected)
        await hot_sync.apply(self._postgres, self._redis, company_id=turn.company_id)
        self._since_widened += turn.applied
        if turn.drained and await finish_upload(self._postgres, turn):
            await hot_sync.apply(self._postgres, self._redis, company_id=turn.company_id)
        if turn.drained or self._since_widened >= _WIDEN_AFTER:
            self._since_widened = 0
            await widen_buckets(self._postgres, self._redis, company_id=turn.company_id)
        return True
