"""Damaged requests of every kind: never a 5xx, never a traceback, never an echo, and the server lives on."""

import asyncio
import io
import logging
import random
import re
from collections.abc import Iterator

import pytest
import structlog

from shared.http_limits import Deadlines
from shared.http_routes import Route
from shared.logs import configure_logs
from tests.services.house.harness import get, hello, mirror, serving, wired

SECRET = b"pbk_r_SecretSecretSecret"
REQUESTS = (
    b"GET /hello?key=" + SECRET + b"&caller_number=%2B15551234567 HTTP/1.1\r\nHost: t\r\nAccept: */*\r\n\r\n",
    b"GET /param/" + SECRET + b".json HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    b"POST /quiet HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
    b'{"key":"' + SECRET + b'"}',
    b"POST /quiet HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n"
    + SECRET
    + b"\r\n0\r\n\r\n",
    b"PUT /quiet HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer " + SECRET + b"\r\n\r\n",
)
ROUTES = (
    get("/hello", hello),
    get("/param/{name}.json", hello),
    Route(methods=("POST", "PUT"), template="/quiet", endpoint=hello),
)
_SPICE = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b" ",
    b"\xff",
    b"%",
    b"%zz",
    b"?",
    b"#",
    b"{}",
    b"9" * 30,
)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, libraries included."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    configure_logs("test", level="debug", stream=stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = before
    structlog.reset_defaults()


def _damaged(request: bytes, dice: random.Random) -> bytes:
    """The same with one to four faults."""
    for _ in range(dice.randint(1, 4)):
        at, to = sorted(dice.choices(range(len(request) + 1), k=2))
        match dice.randrange(5):
            case 0:
                request = request[:at] + dice.choice(_SPICE) + request[at:]
            case 1:
                request = request[:at] + request[min(to, at + 20) :]
            case 2:
                request = request[:at] + bytes([dice.randrange(256)]) + request[at + 1 :]
            case 3:
                request = request[:to] + request[at:]
            case _:
                request = request[:at] if at > 10 else request
    return request


def _statuses(answers: bytes) -> list[int]:
    """The statuses of all answers in a stream of them."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@pytest.mark.parametrize("seed", range(8))
async def test_damaged_requests_do_no_harm(seed: int, logged: io.StringIO) -> None:
    dice = random.Random(seed)
    quick = Deadlines(header_s=0.5, body_s=0.5, idle_s=0.5)
    seen: set[int] = set()
    async with serving(*ROUTES, deadlines=quick) as running:
        for _ in range(60):
            data = _damaged(dice.choice(REQUESTS), dice)
            async with wired(running.port) as wire:
                await wire.send(data)
                wire.writer.write_eof()
                try:
                    answers = await wire.ended()
                except ConnectionError:
                    continue
            seen.update(_statuses(answers))
            assert b"Secret" not in answers, data
            assert max(_statuses(answers), default=0) < 500, data
        async with wired(running.port) as wire:
            assert (await wire.ask("GET /hello HTTP/1.1\r\nHost: t")).status == 200
        everything = logged.getvalue() + running.logged()
    assert 400 in seen
    assert "Secret" not in everything
    assert "Traceback" not in everything
    assert '"status":5' not in everything
    assert '"level":"error"' not in everything


@pytest.mark.parametrize("seed", range(4))
async def test_requests_cut_anywhere_mean_the_same(seed: int) -> None:
    """However the network splits a stream of requests, each is read whole and in its place."""
    dice = random.Random(seed)
    route = Route(methods=("POST",), template="/mirror", endpoint=mirror)
    bodies = [bytes(dice.choices(b"abcdef\r\n0123", k=dice.randrange(200))) for _ in range(20)]
    stream = b"".join(_post(body, chunked=dice.random() < 0.5) for body in bodies)
    async with serving(route) as running, wired(running.port) as wire:
        while stream:
            size = dice.choice((1, 2, 7, 60, 400))
            await wire.send(stream[:size])
            stream = stream[size:]
            await asyncio.sleep(0)
        assert [(await wire.reply()).json["body"].encode() for _ in bodies] == bodies


def _post(body: bytes, *, chunked: bool) -> bytes:
    if not chunked:
        return b"POST /mirror HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    half = len(body) // 2
    pieces = [piece for piece in (body[:half], body[half:]) if piece]
    told = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST /mirror HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + told + b"0\r\n\r\n"
