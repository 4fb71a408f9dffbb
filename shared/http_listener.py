"""A listening socket and the connections that came through it.

Owns accepting, the sweep that keeps every connection's deadlines, and the drain at the stop. Must never look
at a request.
"""

import asyncio
import socket
import time

from shared.http_connection import Connection
from shared.http_limits import Deadlines, limits_of
from shared.server import Server

_IDLE_AT_DRAIN_S = 1.0
_DRAIN_STEP_S = 0.02


class Listener:
    """Accepts on one socket and keeps its connections until they are gone."""

    def __init__(self, server: Server, deadlines: Deadlines, *, query_bytes: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.serve = server.serve
        self.refuse = server.refuse
        self.tick = 1  # 0 means "off" in a connection
        self._tick_s = deadlines.tick_s
        self.limits = limits_of(deadlines, query_bytes=query_bytes)
        self._server = server
        self._connections: set[Connection] = set()
        self._accepting: asyncio.Server | None = None
        self._second = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def open(self, sock: socket.socket) -> None:
        """Accept from now on."""
        self._sweep()
        self._accepting = await self.loop.create_server(lambda: Connection(self), sock=sock, backlog=1024)

    async def run(self) -> None:
        """Sweep the connections each tick."""
        while True:
            await asyncio.sleep(self._tick_s)
            self._sweep()

    async def drain(self, drain_s: float) -> None:
        """Accept no more, let what is in work finish, close the rest.

        A kept connection whose client is silent gets a moment too: its next request may be on the way, and is
        answered with `Connection: close`.
        """
        self.stop_accepting()
        self._server.draining = True
        began = self.loop.time()
        while self._connections and self.loop.time() - began < drain_s:
            if self.loop.time() - began >= min(_IDLE_AT_DRAIN_S, drain_s / 2):
                for connection in tuple(self._connections):
                    if connection.idle_ticks:
                        connection.close()
            await asyncio.sleep(_DRAIN_STEP_S)
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    def stop_accepting(self) -> None:
        """Close the listener; a supervisor's copy of the socket goes on queueing for the next worker."""
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None

    # what connections call

    def opened(self, connection: Connection) -> None:
        """A connection begins."""
        self._connections.add(connection)
        self._server.greet(connection)

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def _sweep(self) -> None:
        self.tick += 1
        for connection in tuple(self._connections):
            connection.sweep()
        now_s = time.time()
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._server.tick(now_s)
