"""The list upload job: what partners uploaded becomes their lists, chunk by chunk.

Owns the rhythm, and the order in which a chunk, its hot copy and the flip follow each other. Must never read a row:
shared/stores/list_upload_turns.py does.
"""

from shared.errors import Unavailable
from shared.metrics import LIST_UPLOAD_ROWS
from shared.stores import hot_sync
from shared.stores.list_upload_turns import (
    Waiting,
    apply_chunk,
    drop_abandoned,
    drop_dead,
    find_waiting,
    finish_upload,
)
from shared.stores.list_widening import make_room, widen_some
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis


class ListUploadJob:
    """Makes room for an upload, applies a chunk a round, then drops what no list reads any more."""

    name = "list_upload"
    interval_s = 0.5

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis
        self._passed_over: list[int] = []

    async def step(self) -> bool:
        """Some room, or one chunk, or one flip, or some dead numbers; whether there is more to do.

        Shape: a company whose shard is away is passed over until all others are done.
        Errors: Unavailable; what was applied stays noted for Redis. Cost: three queries when there is nothing to do.
        """
        waiting = await find_waiting(self._postgres, but_for=self._passed_over)
        if waiting is None:
            self._passed_over = []
            return await self._tidied()
        try:
            return await self._made_room(waiting) or await self._applied()
        except Unavailable:
            self._passed_over.append(waiting.company_id)
            raise

    async def _made_room(self, waiting: Waiting) -> bool:
        """Whether a step was taken towards buckets for all rows: before the first is applied, when there is least to move."""
        company_id, rows = waiting.company_id, waiting.rows
        if rows:
            wanted = {"at_least": rows} if waiting.clears else {"more": rows}
            await make_room(self._postgres, self._redis, company_id=company_id, **wanted)
        return await widen_some(self._postgres, self._redis, company_id=company_id)

    async def _applied(self) -> bool:
        turn = await apply_chunk(self._postgres, but_for=self._passed_over)
        if turn is None:
            return False
        LIST_UPLOAD_ROWS.add("applied", n=turn.applied)
        LIST_UPLOAD_ROWS.add("rejected", n=turn.rejected)
        await hot_sync.apply(self._postgres, self._redis, company_id=turn.company_id)
        if turn.drained and await finish_upload(self._postgres, turn):
            await hot_sync.apply(self._postgres, self._redis, company_id=turn.company_id)
        return True

    async def _tidied(self) -> bool:
        await drop_abandoned(self._postgres)
        company_id = await drop_dead(self._postgres)
        if company_id:
            await hot_sync.apply(self._postgres, self._redis, company_id=company_id)
        return bool(company_id)
