"""What a process tells about itself, each 100 ms.

Owns the folding of counts and the event loop's lag. Must never do anything per request.
"""

import asyncio
import platform
from importlib.metadata import PackageNotFoundError, version

from shared.http_listener import Listener
from shared.log_lines import RequestLog
from shared.metrics import (
    BUILD_INFO,
    CONNECTIONS,
    EVENT_LOOP_LAG_SECONDS,
    LOG_LINES_DROPPED,
    REQUESTS_IN_FLIGHT,
)
from shared.server import Server
from shared.tallies import fold_all

_FOLD_S = 0.1
_LAG_S = 0.25


def ringpost_version() -> str:
    """The installed version."""
    try:
        return version("ringpost")
    except PackageNotFoundError:
        return "0"


class Pulse:
    """Folds the counts of a process and sets its levels."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._ports: list[tuple[Server, Listener]] = []
        BUILD_INFO.set(1, ringpost_version(), platform.python_version())

    def watch(self, server: Server, listener: Listener) -> None:
        """Report this port too."""
        self._ports.append((server, listener))

    async def run(self) -> None:
        """Fold each 100 ms."""
        while True:
            await asyncio.sleep(_FOLD_S)
            self.beat()

    def beat(self) -> None:
        """Make /metrics true up to now."""
        for server, _ in self._ports:
            server.fold()
        if dropped := self._log.take_dropped():
            LOG_LINES_DROPPED.add(n=dropped)
        REQUESTS_IN_FLIGHT.set(sum(server.in_flight for server, _ in self._ports))
        CONNECTIONS.set(sum(listener.connections for _, listener in self._ports))
        fold_all()


class LoopLag:
    """Measures how late the event loop wakes a sleeper."""

    async def run(self) -> None:
        """Observe each 250 ms."""
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time() + _LAG_S
            await asyncio.sleep(_LAG_S)
            EVENT_LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - asked))
