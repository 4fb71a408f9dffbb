"""A server with endpoints of a test's own, on loopback, and a client that sends exact bytes."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from shared.domain.http import HttpAnswer, HttpRequest
from shared.http_limits import Deadlines
from shared.http_listener import Listener
from shared.http_routes import Endpoint, Route
from shared.log_lines import RequestLog
from shared.server import Rules, Server

QUICK = Deadlines(header_s=0.2, body_s=0.2, idle_s=30)


class Running:
    """A server at work, what it logged, and its port."""

    def __init__(
        self, server: Server, listener: Listener, port: int, written: io.BytesIO, log: RequestLog
    ) -> None:
        self.server = server
        self.listener = listener
        self.port = port
        self._written = written
        self._log = log

    def lines(self) -> list[dict[str, Any]]:
        """The request lines so far."""
        self._log.close()
        return [json.loads(line) for line in self._written.getvalue().splitlines()]

    def logged(self) -> str:
        """The same as it was written."""
        self._log.close()
        return self._written.getvalue().decode()


@asynccontextmanager
async def serving(
    *routes: Route, rules: Rules | None = None, deadlines: Deadlines | None = None
) -> AsyncIterator[Running]:
    """The server, until the block ends."""
    rules = rules or Rules()
    written = io.BytesIO()
    log = RequestLog(stream=written)
    server = Server(service="test", routes=routes, rules=rules, log=log)
    listener = Listener(server, deadlines or Deadlines(), query_bytes=rules.query_limit_bytes)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(64)
    sock.setblocking(False)
    await listener.open(sock)
    sweep = asyncio.create_task(listener.run())
    try:
        yield Running(server, listener, sock.getsockname()[1], written, log)
    finally:
        await listener.drain(0.05)
        sweep.cancel()
        await asyncio.wait([sweep])


class Reply(Struct, frozen=True, kw_only=True):
    """One answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


class Wire:
    """A connection that sends what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Exactly these bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, *, bodiless: bool = False) -> Reply:
        """The next answer. Errors: IncompleteReadError when the connection ends first."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        first, *rest = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)
        }
        size = 0 if bodiless else int(headers.get("content-length", "0"))
        body = await asyncio.wait_for(self.reader.readexactly(size), 10)
        return Reply(status=int(first.split(" ")[1]), headers=headers, body=body, raw=head + body)

    async def ended(self) -> bytes:
        """What still comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 10)

    async def ask(self, head: str, body: bytes = b"") -> Reply:
        """A request line with headers, ended properly, and its answer."""
        await self.send(head.encode() + b"\r\n\r\n" + body)
        return await self.reply(bodiless=head.startswith("HEAD"))


@asynccontextmanager
async def wired(port: int) -> AsyncIterator[Wire]:
    """A connection to a port of ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def get(template: str, endpoint: Endpoint) -> Route:
    """A GET route."""
    return Route(methods=("GET",), template=template, endpoint=endpoint)


async def hello(_request: HttpRequest) -> HttpAnswer:
    """The shortest endpoint."""
    return HttpAnswer(status=200, body=b"hello", content_type="text/plain")


async def mirror(request: HttpRequest) -> HttpAnswer:
    """Everything that an endpoint is told, as JSON."""
    told = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode("latin-1"),
        "client": request.client,
        "params": dict(request.params),
        "request_id": request.request_id,
    }
    return HttpAnswer(status=200, body=json.dumps(told).encode())
