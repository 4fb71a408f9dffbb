"""How long a request waits for what must be loaded: as long as Postgres answers anything at all.

Owns the count of a pool's answers, and the ticks that are waited between two of them. Must never end a load.

A silent server and a busy host look alike for a while. So what is counted is ticks of the loop, not time: a loop that is
held up has not waited; and any answer to anybody begins the count anew.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from asyncpg.connection import LoggedQuery
from asyncpg.pool import PoolConnectionProxy

from shared.errors import Unavailable
from shared.stores.at_hand import is_closed

_TICKS = 6
_TICK_S = 0.015  # 90 ms in all


class Answers:
    """What the connections of one pool were answered, as a count."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def watch(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> Iterator[None]:
        """Count what a connection is answered meanwhile. Whoever asks once only counts by himself: that is cheaper."""
        connection.add_query_logger(self._note)
        try:
            yield
        finally:
            if not is_closed(connection):
                connection.remove_query_logger(self._note)

    def _note(self, query: LoggedQuery) -> None:
        self.count += query.exception is None

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """Around a wait for what another task loads.

        Errors: Unavailable when nothing at all is answered for 90 ms; the load goes on, and the next request finds it.
        """
        try:
            async with asyncio.timeout(None) as limit:
                ticks = _Ticks(self, limit)
                try:
                    yield
                finally:
                    ticks.stop()
        except TimeoutError as error:
            raise Unavailable("postgres") from error


class _Ticks:
    """Ends a wait after so many ticks without an answer."""

    def __init__(self, answers: Answers, limit: asyncio.Timeout) -> None:
        self._answers = answers
        self._limit = limit
        self._seen = answers.count
        self._left = _TICKS
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def stop(self) -> None:
        """The wait is over."""
        self._timer.cancel()

    def _tick(self) -> None:
        if self._seen == self._answers.count:
            self._left -= 1
        else:
            self._seen, self._left = self._answers.count, _TICKS
        if self._left:
            self._timer = self._loop.call_later(_TICK_S, self._tick)
        else:
            self._limit.reschedule(self._loop.time())
