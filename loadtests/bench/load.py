"""Load on one address: closed loop (128 connections, always busy) and open loop (by the clock).

Owns connections and latencies. Open-loop latency counts from the moment at which a request was meant to go out, so a
stalled server cannot hide its queue. Must never send to anything but loopback.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from msgspec import Struct

MakeRequest = Callable[[], bytes]
_TICK_S = 0.001  # uvloop rounds a shorter sleep to none: the load would spin, on the core of what it loads
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Sample(Struct, kw_only=True):
    """What one stretch of load met. Units: seconds; latencies in milliseconds."""

    requests: int
    seconds: float
    latencies_ms: list[float]
    bad: int

    def percentile(self, share: float) -> float:
        """The latency below which a share of the answers stayed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class Line(asyncio.Protocol):
    """One connection; answers come in the order of the requests."""

    def __init__(self, answered: Callable[["Line"], None]) -> None:
        self._answered = answered
        self._buffer = b""
        self.status = 0
        self.meant: deque[float] = deque()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = cast(
            asyncio.Transport, transport
        )  # uvloop's is one by its methods, not by its class

    def send(self, request: bytes, meant_s: float) -> None:
        """One request, meant to go out at a moment."""
        assert self.transport is not None
        self.meant.append(meant_s)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Cut answers out of what has come."""
        self._buffer += data
        while True:
            head_end = self._buffer.find(_HEAD_END)
            if head_end < 0:
                return
            head = self._buffer[:head_end].lower()
            at = head.index(_LENGTH) + len(_LENGTH)
            end = head.find(b"\r", at)
            whole = head_end + 4 + int(head[at : end if end > 0 else None])
            if len(self._buffer) < whole:
                return
            self.status = int(head[9:12])
            self._buffer = self._buffer[whole:]
            self._answered(self)


class Load:
    """A number of connections to one port; any status but the expected one is bad."""

    def __init__(self, port: int, make_request: MakeRequest, *, expected: int = 200) -> None:
        self._expected = expected
        self._port = port
        self._make = make_request
        self._lines: list[Line] = []
        self._latencies: list[float] = []
        self._bad = 0
        self._closed_until = 0.0

    async def connect(self, connections: int) -> None:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, line = await loop.create_connection(lambda: Line(self._on_answer), "127.0.0.1", self._port)
            self._lines.append(line)

    def close(self) -> None:
        """Close them."""
        for line in self._lines:
            if line.transport is not None:
                line.transport.close()

    async def closed(self, seconds: float) -> Sample:
        """Every connection sends its next request when it has its answer."""
        self._start()
        began = time.perf_counter()
        self._closed_until = began + seconds
        for line in self._lines:
            line.send(self._make(), time.perf_counter())
        return await self._end(began)

    async def open(self, seconds: float, rate: float) -> Sample:
        """Requests go out by the clock, whatever the answers do."""
        self._start()
        began = time.perf_counter()
        self._closed_until = 0.0
        sent, total, width = 0, int(seconds * rate), len(self._lines)
        while sent < total:
            due = min(int((time.perf_counter() - began) * rate) + 1, total)
            while sent < due:
                self._lines[sent % width].send(self._make(), began + sent / rate)
                sent += 1
            await asyncio.sleep(_TICK_S)
        return await self._end(began)

    def _start(self) -> None:
        self._latencies, self._bad = [], 0

    async def _end(self, began: float) -> Sample:
        while any(line.meant for line in self._lines):  # noqa: ASYNC110 - an event would cost each answer a look
            await asyncio.sleep(0.002)
        took = time.perf_counter() - began
        return Sample(
            requests=len(self._latencies), seconds=took, latencies_ms=self._latencies, bad=self._bad
        )

    def _on_answer(self, line: Line) -> None:
        now = time.perf_counter()
        self._latencies.append((now - line.meant.popleft()) * 1000)
        self._bad += line.status != self._expected
        if now < self._closed_until:
            line.send(self._make(), now)
