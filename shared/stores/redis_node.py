"""One Redis server and its link, re-dialled for as long as the node is open.

Owns when to dial again. Must never queue a call for a link that is not there.
"""

import asyncio
from collections.abc import Mapping
from random import uniform

from redis.asyncio.connection import AbstractConnection

from shared.errors import OperatorError
from shared.stores.redis_dial import Address, DialError, check_greeting, dial, hang_up
from shared.stores.redis_link import Counts, Limits, Link
from shared.stores.scripts import Script

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class Node:
    """One server.

    Shape: `link` is always there; a lost one refuses every call, so callers need not ask whether Redis is up.
    """

    def __init__(self, url: str, *, scripts: Mapping[str, Script], limits: Limits) -> None:
        self.address = Address(url)
        self.counts = Counts()
        self.link = Link(limits, self.counts)
        self.run_id = ""
        self._scripts = scripts
        self._limits = limits
        self._connection: AbstractConnection | None = None
        self._next_link = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False  # a dial can swallow the one cancellation that it is sent

    @property
    def connected(self) -> bool:
        """Whether the link is live now."""
        return self.link.live

    async def until_connected(self) -> None:
        """Waits for a live link."""
        while not self.link.live:
            await self._next_link.wait()

    async def open(self, *, checks: bool) -> None:
        """The first link. Errors: OperatorError when the server does not answer or is not set up for us."""
        place = self.address.place
        link = Link(self._limits, self.counts)
        try:
            self._connection, greeting = await dial(self.address, link, scripts=self._scripts.values())
        except DialError as error:
            raise OperatorError(f"redis at {place} does not answer: {error}") from None
        self.link, self.run_id = link, greeting.run_id
        if checks:
            try:
                check_greeting(greeting, place)
            except OperatorError:
                await self.close()
                raise
        self._keeper = asyncio.create_task(self.run(), name="redis-keeper")

    async def close(self) -> None:
        """Stops re-dialling and closes the link."""
        self._closed = True
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        await self._let_go()

    async def run(self) -> None:
        """Waits for the link's end and dials again: at once when it had lived, else after a growing pause."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while not self._closed:
            since = loop.time()
            await self.link.lost.wait()
            if loop.time() - since > _LONGEST_PAUSE_S:
                pause = 0.0
            await self._let_go()
            pause = await self._redial(pause)

    async def _redial(self, pause: float) -> float:
        """Dials until somebody answers; returns the pause to keep should the new link die young."""
        while not self._closed:
            await asyncio.sleep(pause * uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing
            pause = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause * 2))
            link = Link(self._limits, self.counts)
            try:
                self._connection, greeting = await dial(self.address, link, scripts=self._scripts.values())
            except DialError:
                continue
            self.link, self.run_id = link, greeting.run_id
            self.counts.reconnects += 1
            self._next_link.set()
            self._next_link = asyncio.Event()
            break
        return pause

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self.link.drop()
            await self.link.lost.wait()
            await hang_up(connection)
