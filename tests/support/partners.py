"""Partners who ping over HTTP: single requests, and load that goes on until it is told to stop.

Owns connections to loopback and what was said on them. Must never repeat a request by itself: what fails is seen.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from time import monotonic
from typing import Any, Protocol, Self

from msgspec import Struct

from tests.support.waiting import eventually, give_way

_ANSWER_WITHIN_S = 10


class Listens(Protocol):
    """Whoever answers on a port of loopback."""

    @property
    def port(self) -> int:
        """The port."""


class Said(Struct, frozen=True, kw_only=True):
    """One request and its answer.

    Shape: status 0 = no whole answer came; refused = nobody even listened. Headers by lower-case name.
    Units: moments of time.monotonic.
    """

    port: int
    target: str
    began_s: float
    ended_s: float
    status: int = 0
    refused: bool = False
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @property
    def fields(self) -> dict[str, Any]:
        """The body as one object."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def is_reserved(self) -> bool:
        """Whether a new caller was reserved."""
        return self.status == 200 and self.fields["status"] == "reserved" and not self.is_repeat

    @property
    def is_repeat(self) -> bool:
        """Whether it is the reservation of an earlier ping."""
        return self.status == 200 and "retreaver_ping_shield" in self.fields

    @property
    def is_away(self) -> bool:
        """Whether it is the answer of a service that cannot promise anything now."""
        return (
            self.status == 503
            and self.fields["reason"] == "unavailable"
            and int(self.headers["retry-after"]) > 0
        )


class Line:
    """One connection, kept as long as the service keeps it."""

    def __init__(self, service: Listens) -> None:
        self._port = service.port
        self._reader = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, target: str, *, method: str = "GET", head: str = "", body: bytes = b"") -> Said:
        """Send one request and read its answer. head: more header lines, each with its end."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        text = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}{head}\r\n"
        return await self.send(text.encode() + body, target)

    async def send(self, request: bytes, target: str = "", *, rest: Awaitable[bytes] | None = None) -> Said:
        """The same for exact bytes. rest: what is sent later."""
        began_s = monotonic()
        status, refused, headers, content = 0, False, dict[str, str](), b""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                if self._writer is None:
                    self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._writer.write(request)
                if rest is not None:
                    self._writer.write(await rest)
                status, headers, content = await self._answer()
        except ConnectionRefusedError:
            refused = True
        except (OSError, EOFError):
            self.close()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Said(
            port=self._port,
            target=target,
            began_s=began_s,
            ended_s=monotonic(),
            status=status,
            refused=refused,
            headers=headers,
            body=content,
        )

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers, await self._reader.readexactly(int(headers["content-length"]))


async def ask(service: Listens, target: str, *, method: str = "GET") -> Said:
    """One request on a connection of its own."""
    with closing(Line(service)) as line:
        return await line.ask(target, method=method)


async def send(service: Listens, request: bytes) -> Said:
    """The same for exact bytes."""
    with closing(Line(service)) as line:
        return await line.send(request)


async def ask_all(services: Sequence[Listens], targets: Sequence[str]) -> list[Said]:
    """All requests at once, each on a connection of its own, the services in turn."""
    return await asyncio.gather(
        *(ask(services[place % len(services)], target) for place, target in enumerate(targets))
    )


class Load:
    """Lines to services, each pinging again and again. Shape: said in the order of the answers."""

    def __init__(
        self, services: Sequence[Listens], make_target: Callable[[], str], *, lines: int = 2
    ) -> None:
        self.said: list[Said] = []
        self._services = services
        self._make_target = make_target
        self._lines = lines
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.ensure_future(self._run(Line(service)))
            for service in self._services
            for _ in range(self._lines)
        ]
        await self.goes_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Every line has its last answer."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def goes_on(self, number: int = 20, *, services: Sequence[Listens] = ()) -> list[Said]:
        """Wait for so many whole answers of each service that were asked from now on; all that was said since."""
        since_s = monotonic()
        ports = [service.port for service in services or self._services]

        async def answered() -> bool:
            new = [said.port for said in self.since(since_s) if said.status]
            return all(new.count(port) >= number for port in ports)

        await eventually(answered, what="the load goes on")
        return self.since(since_s)

    def since(self, moment_s: float) -> list[Said]:
        """What was asked from that moment on."""
        return [said for said in self.said if said.began_s > moment_s]

    async def _run(self, line: Line) -> None:
        while not self._stopping:
            self.said.append(await line.ask(self._make_target()))
            await give_way()
        line.close()
