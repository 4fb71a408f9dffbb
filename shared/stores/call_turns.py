"""Turns at a call: who is overtaken again and again waits for the others, and the others wait for him.

Owns the lock on a call that is about to be judged. Must never be asked for within another turn.

The order of locks, for all who change calls: a caller's turn at a buyer (calls.take_turn), places, the call's row.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.domain.calls import Call
from shared.stores.calls import lock_call, take_turn
from shared.stores.postgres import Connection, Postgres


class Turns:
    """One turn at a time in a process: the other connections serve everybody else meanwhile."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def take(self, call: Call) -> AsyncIterator[Connection]:
        """A transaction in which nobody else changes the call.

        Errors: Unavailable, soon while the server is silent. Cost: a transaction of two statements besides what is done in it.
        """
        async with self.postgres.patience():
            await self._one.acquire()
        try:
            async with self.postgres.transaction() as connection:
                await take_turn(connection, call)
                await lock_call(connection, call)
                yield connection
        finally:
            self._one.release()
