"""Connections of a pool that are kept between two uses: then taking one is a pop, and giving it back a push.

Owns who waits for one: first come, first served. Must never keep a connection that is closed, nor more than the pool may have.

The pool itself makes and ends them. Its own acquire and release cost a request three times as much as all else around a query:
two tasks, three timers and a proxy for each use.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import TypeAlias

import asyncpg
from asyncpg.pool import Pool, PoolConnectionProxy

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"


class AtHand:
    """What was borrowed from a pool and is not in use. most: connections that the pool may have."""

    def __init__(self, pool: "Pool[asyncpg.Record]", *, most: int) -> None:
        self._pool = pool
        self._most = most
        self._borrowed = 0  # in use, or at hand
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closing = False

    @property
    def idle(self) -> int:
        """Connections at hand."""
        return len(self._idle)

    def pop(self) -> "Connection | None":
        """One that is at hand, None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            if not is_closed(connection):
                return connection
            self._borrowed -= 1
            with suppress(asyncpg.InterfaceError):  # of one that the pool has taken back already
                connection.terminate()  # it is closed: this tells the pool, which makes a new one when it is asked
        return None

    async def take(self, within_s: float) -> Connection:
        """One that is at hand, or a new one, or the next that somebody gives back. Errors: TimeoutError; the driver's."""
        connection = self.pop()
        while connection is None:
            if self._borrowed < self._most:
                return await self._borrow(within_s)
            connection = await self._next(within_s)
        return connection

    async def give(self, connection: Connection) -> None:
        """Give one back, whatever state it is in."""
        if self._closing or is_closed(connection):
            self._borrowed -= 1
            self._hand_on(None)
            await self._pool.release(connection)
        elif not self._hand_on(connection):
            self._idle.append(connection)

    async def close(self) -> None:
        """Give all to the pool; what is in use follows when it is given back."""
        self._closing = True
        while self._idle:
            await self._pool.release(self._idle.pop())

    async def _borrow(self, within_s: float) -> Connection:
        self._borrowed += 1
        try:
            return await self._pool.acquire(timeout=within_s)
        except BaseException:
            self._borrowed -= 1
            self._hand_on(None)
            raise

    async def _next(self, within_s: float) -> "Connection | None":
        """What the next one gives back. Shape: None = there is room for a new one."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(future)
        timer = loop.call_later(within_s, _give_up, future)
        try:
            given: Connection | None = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                await self._pass_on(future.result())
            raise
        finally:
            timer.cancel()
        return given

    async def _pass_on(self, connection: "Connection | None") -> None:
        """It was given to somebody who no longer waits."""
        if connection is None:
            self._hand_on(None)
        else:
            await self.give(connection)

    def _hand_on(self, connection: "Connection | None") -> bool:
        """Whether somebody waited for it."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return True
        return False


def _give_up(future: "asyncio.Future[Connection | None]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def is_closed(connection: Connection) -> bool:
    """Whether its line is gone."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool took it back when its line broke
        return True
