"""One origin's connections, and the requests that wait for one.

Owns which connection carries which request. Must never keep a request's time: whoever asked gives it up.

The laws:
- a free connection is taken before a new one is made, the one used last first: what is not needed grows old and is closed;
- a connection is made for a request that waits; who came first gets the first that is free;
- a connection that is being made when its request is given up is finished and kept for the next one, or a buyer whose greeting
  takes longer than a ping would never be met;
- no place for a connection: who finds others of this origin at work waits for one of them, else the request fails at once.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from shared.dialling import Dialler
from shared.domain.outgoing import Failed, Failure
from shared.pinging.buyers.connection import Connection
from shared.pinging.buyers.exchange import Exchange
from shared.pinging.buyers.request import Origin

NEW_ONLY_S = -1.0


class Places(Protocol):
    """Who says how many connections there may be."""

    loop: asyncio.AbstractEventLoop
    dialler: Dialler

    def take_place(self, count: int) -> bool:
        """A place for one more beside count of the same origin; whether there was one."""

    def give_place(self) -> None:
        """A connection is no more."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until the pool is closed."""


class Host:
    """An origin, its connections and its queue."""

    def __init__(self, origin: Origin, places: Places) -> None:
        self.origin = origin
        self._places = places
        self._all: set[Connection] = set()
        self._free: list[Connection] = []  # the one used last at the end
        self._waiting: dict[Exchange, None] = {}  # in the order in which they came
        self._making = 0

    @property
    def count(self) -> int:
        """Its connections, those that are being made too."""
        return len(self._all) + self._making

    @property
    def is_deserted(self) -> bool:
        """Whether nothing is under way here, nor kept."""
        return not self._all and not self._making and not self._waiting

    def begin(self, exchange: Exchange) -> None:
        """Send it on a free connection, else once there is one. Cost: no task where one is free."""
        connection = self._take_free(exchange.idle_s)
        if connection is not None:
            connection.ask(exchange)
            return
        self._waiting[exchange] = None
        exchange.carrier = self
        self._make_for_waiting()

    def _take_free(self, idle_s: float) -> Connection | None:
        while self._free:
            connection = self._free[-1]
            if connection.is_open and self._places.loop.time() - connection.free_since_s > idle_s:
                return None  # the others are free for longer still
            self._free.pop()
            if connection.is_open:
                return connection
        return None

    def _make_for_waiting(self) -> None:
        while len(self._waiting) > self._making:
            if self._places.take_place(self.count):
                self._making += 1
                self._places.start(self._make())
            elif not self.close_longest_free():  # those that are free now are none that would do
                break
        if not self.count:
            self._fail_waiting(Failed(kind=Failure.BUSY))

    async def _make(self) -> None:
        origin, places = self.origin, self._places
        made: Connection | Failed = Failed(kind=Failure.CONNECT)
        try:
            made = await places.dialler.dial(
                lambda: Connection(places.loop, self),
                host=origin.host,
                port=origin.port,
                secure=origin.secure,
            )
        finally:
            self._making -= 1
            if isinstance(made, Failed):
                places.give_place()
        if isinstance(made, Failed):
            self._fail_one(made)
            self._make_for_waiting()
        elif made.is_open:
            self._all.add(made)
            self.free(made)
        else:
            places.give_place()
            self._fail_one(Failed(kind=Failure.BROKEN))
            self._make_for_waiting()

    def _fail_one(self, failed: Failed) -> None:
        for exchange in self._waiting:
            del self._waiting[exchange]
            exchange.end(failed)
            return

    def _fail_waiting(self, failed: Failed) -> None:
        while self._waiting:
            self._fail_one(failed)

    # what exchanges and connections say

    def drop(self, exchange: Exchange) -> None:
        """It waits no more."""
        del self._waiting[exchange]

    def free(self, connection: Connection) -> None:
        """The first who waits gets it; nobody: it is kept."""
        for exchange in self._waiting:
            del self._waiting[exchange]
            connection.ask(exchange)
            return
        connection.free_since_s = self._places.loop.time()
        self._free.append(connection)

    def again(self, exchange: Exchange) -> None:
        """Once more and on a new connection: those that are kept may have gone, too."""
        exchange.may_repeat = False
        exchange.idle_s = NEW_ONLY_S
        self.begin(exchange)

    def gone(self, connection: Connection) -> None:
        """Its place is free, perhaps for one who waits."""
        if connection in self._all:
            self._forget(connection)
            self._make_for_waiting()

    def _forget(self, connection: Connection) -> None:
        self._all.remove(connection)
        if connection in self._free:
            self._free.remove(connection)
        self._places.give_place()

    # what the pool says

    def close_free(self, since_s: float) -> bool:
        """Close those that have been free since then or longer; whether there were any."""
        old = [each for each in self._free if each.free_since_s <= since_s]
        for connection in old:
            self._forget(connection)
            connection.abort()
        return bool(old)

    def close_longest_free(self) -> bool:
        """Make room for another; whether there was one to close."""
        return bool(self._free) and self.close_free(self._free[0].free_since_s)

    def close(self) -> None:
        """End everything."""
        for connection in tuple(self._all):
            connection.abort()
        self._fail_waiting(Failed(kind=Failure.BROKEN))
