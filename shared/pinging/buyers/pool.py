"""The connections to all buyers' servers.

Owns how many there are, and the end of those that nobody needs. Must never choose the connection of a request: its host does.

All places taken: the host that was asked longest ago and has a free connection gives up its oldest ones.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from msgspec import Struct

from shared.dialling import Dialler
from shared.metrics import BUYER_CONNECTIONS
from shared.pinging.buyers.exchange import Exchange
from shared.pinging.buyers.host import Host
from shared.pinging.buyers.request import Origin


class PoolLimits(Struct, frozen=True, kw_only=True):
    """How many connections, and how long a free one is kept. Units: free_s in seconds, kept to half of it."""

    of_a_host: int = 256
    in_all: int = 1_024
    free_s: float = 30.0


class Pool:
    """Begins exchanges; each is told of its end, or given up by whoever began it."""

    def __init__(self, dialler: Dialler, limits: PoolLimits) -> None:
        self.loop = asyncio.get_running_loop()
        self.dialler = dialler
        self._limits = limits
        self._hosts: OrderedDict[Origin, Host] = OrderedDict()  # the one asked last at the end
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._sweeper = self.loop.call_later(limits.free_s / 2, self._sweep)

    def begin(self, exchange: Exchange) -> None:
        """Send it as soon as there is a connection for it."""
        origin = exchange.origin
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(origin, self)
        else:
            self._hosts.move_to_end(origin)
        host.begin(exchange)

    def take_place(self, count: int) -> bool:
        """A place for one more beside count of the same origin; whether there was one."""
        if count >= self._limits.of_a_host or self._emptied is not None:
            return False
        if self._count >= self._limits.in_all and not any(
            host.close_longest_free() for host in self._hosts.values()
        ):
            return False
        self._count += 1
        BUYER_CONNECTIONS.set(self._count)
        return True

    def give_place(self) -> None:
        """A connection is no more."""
        self._count -= 1
        BUYER_CONNECTIONS.set(self._count)
        if self._emptied is not None and not self._count and not self._emptied.done():
            self._emptied.set_result(None)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until the pool is closed."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sweep(self) -> None:
        since_s = self.loop.time() - self._limits.free_s
        for origin, host in tuple(self._hosts.items()):
            host.close_free(since_s)
            if host.is_deserted:
                del self._hosts[origin]
        self._sweeper = self.loop.call_later(self._limits.free_s / 2, self._sweep)

    async def close(self) -> None:
        """End what is under way, and every connection."""
        self._sweeper.cancel()
        self._emptied = self.loop.create_future()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for host in self._hosts.values():
            host.close()
        if self._count:
            await self._emptied
        await self.dialler.close()
