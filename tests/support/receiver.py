"""A receiver of webhooks or pings on loopback that behaves as it is told, well or badly.

Owns its listening socket, its connections and what it was sent. Must never answer what no test told it to.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic

from msgspec import Struct

from tests.support.waiting import eventually, give_way


class Seen(Struct, frozen=True, kw_only=True):
    """One request as it came. Shape: headers by lower-case name. Units: at_s of time.monotonic."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float

    @property
    def id(self) -> str:
        """The webhook-id, by which a receiver tells a repetition."""
        return self.headers.get("webhook-id", "")


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """Behaves as its plan says, one behaviour a request; the last one goes on. One that keeps ends no connection by itself."""

    def __init__(
        self, plan: Sequence[Behaviour], *, keeps: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self.seen: list[Seen] = []
        self.open = 0
        self.most_open = 0
        self.connections = 0
        self._keeps = keeps
        self._tls = tls
        self._plan = list(plan)
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def host(self) -> str:
        """As the outbox names it."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    @property
    def port(self) -> int:
        """Its port; the same when it listens again."""
        return self._port

    def plan(self, *behaviours: Behaviour) -> None:
        """How it behaves from now on."""
        self._plan = list(behaviours)

    async def listen(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def away(self) -> None:
        """Refuse connections, and break those that are open."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving)

    async def until_seen(self, number: int, *, within_s: float = 15.0) -> list[Seen]:
        """Wait for so many requests."""

        async def came() -> bool:
            return len(self.seen) >= number

        await eventually(came, within_s=within_s, what=f"{number} requests came; {len(self.seen)} did")
        return self.seen

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                stays = True
                while stays:
                    self.seen.append(await _read(reader))
                    behave = self._plan.pop(0) if len(self._plan) > 1 else self._plan[0]
                    await behave(reader, writer)
                    stays = self._keeps and not writer.transport.is_closing()
        finally:
            self.open -= 1
            self._writers.discard(writer)
            self._serving.discard(task)
            writer.close()


@asynccontextmanager
async def receiving(
    *plan: Behaviour, keeps: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that listens; by default it is content with everything."""
    receiver = Receiver(plan or (answer(),), keeps=keeps, tls=tls)
    await receiver.listen()
    try:
        yield receiver
    finally:
        await receiver.away()


def answer(status: int = 200, body: bytes = b"", *, headers: str = "") -> Behaviour:
    """A whole answer. Shape: headers as lines, each with its end."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return behave


def redirect(to: str, status: int = 302) -> Behaviour:
    """Look elsewhere."""
    return answer(status, headers=f"Location: {to}\r\n")


def say(raw: bytes) -> Behaviour:
    """These bytes, whatever they mean."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return behave


def end(raw: bytes) -> Behaviour:
    """These bytes, and the end of the connection."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return behave


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Nothing, until the sender goes."""
    await reader.read()


def drip(first: bytes = b"HTTP/1.1 200 So\r\nContent-Length: 1000000\r\n\r\n") -> Behaviour:
    """Some bytes, then one after the other for ever."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.transport.is_closing():
            writer.write(b"x")
            await writer.drain()
            await give_way()

    return behave


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The connection ends without a word."""
    writer.transport.abort()


def flood(total: int) -> Behaviour:
    """A success with a very long body."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 So\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // 65536):
            writer.write(bytes(65536))
            await writer.drain()

    return behave


async def _read(reader: asyncio.StreamReader) -> Seen:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip("\r\n").split("\r\n")
    method, target, _ = head.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method=method, target=target, headers=headers, body=body, at_s=monotonic())
