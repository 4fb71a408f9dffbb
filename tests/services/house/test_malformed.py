"""What is no HTTP request, or too much of one: a fixed 4xx, nothing echoed, nothing logged."""

import logging
from pathlib import Path

import pytest

from shared.http_routes import Route
from tests.services.house.harness import get, hello, mirror, serving, wired

SECRET = b"pbk_r_SecretSecretSecret"
HOST = b"Host: t\r\n"

MALFORMED = {
    "nonsense": b"\x00\x01\x02 " + SECRET + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET + b"\r\n\r\n",
    "unknown method": b"BREW /hello?key=" + SECRET + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /hello?key=" + SECRET + b"\r\n\r\n",
    "version 9": b"GET /hello?key=" + SECRET + b" HTTP/9.9\r\n" + HOST + b"\r\n",
    "version 2": b"GET /hello?key=" + SECRET + b" HTTP/2.0\r\n" + HOST + b"\r\n",
    "space in target": b"GET /hello?key=" + SECRET + b" x y HTTP/1.1\r\n" + HOST + b"\r\n",
    "header without colon": b"GET /hello HTTP/1.1\r\n" + HOST + SECRET + b"\r\n\r\n",
    "space before colon": b"GET /hello HTTP/1.1\r\n" + HOST + b"X-Key : " + SECRET + b"\r\n\r\n",
    "nul in header": b"GET /hello HTTP/1.1\r\n" + HOST + b"X-Key: \x00" + SECRET + b"\r\n\r\n",
    "bare newline in header": b"GET /hello HTTP/1.1\r\n" + HOST + b"X-Key: a\n" + SECRET + b"\r\n\r\n",
    "folded header": b"GET /hello HTTP/1.1\r\n" + HOST + b"X-Key: a\r\n\tb" + SECRET + b": 1\r\n\r\n",
    "no host": b"GET /hello?key=" + SECRET + b" HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /hello HTTP/1.1\r\n" + HOST + HOST + b"X-Key: " + SECRET + b"\r\n\r\n",
    "negative length": b"POST /mirror HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n" + SECRET,
    "length in words": b"POST /mirror HTTP/1.1\r\n" + HOST + b"Content-Length: five\r\n\r\n" + SECRET,
    "endless length": b"POST /mirror HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "two lengths": b"POST /mirror HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"
    + SECRET,
    "length and chunks": b"POST /mirror HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer coding": b"POST /mirror HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: zip\r\n\r\n"
    + SECRET,
    "bad chunk": b"POST /mirror HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SECRET,
    "target without path": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT ringpost.test:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "not utf-8 in path": b"GET /hello/\xff" + SECRET + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "not utf-8 in query": b"GET /hello?key=\xff" + SECRET + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "not utf-8 in header": b"GET /hello HTTP/1.1\r\n" + HOST + b"X-Key: \xff" + SECRET + b"\r\n\r\n",
    "percent nonsense in param": b"GET /param/%ff%fe HTTP/1.1\r\n" + HOST + b"\r\n",
    "nul in param": b"GET /param/a%00b HTTP/1.1\r\n" + HOST + b"\r\n",
}
ROUTES = (
    get("/hello", hello),
    get("/param/{name}", mirror),
    Route(methods=("POST",), template="/mirror", endpoint=mirror),
)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_input_is_400_and_leaves_no_trace(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(*ROUTES) as running, wired(running.port) as wire:
        await wire.send(data)
        reply = await wire.reply()
        assert reply.status == 400
        assert reply.json["reason"] == "bad_request"
        assert reply.json["request_id"] == reply.headers["x-request-id"]
        logged = running.logged() + caplog.text
    assert b"Secret" not in reply.raw
    assert "Secret" not in logged
    assert '"status":400' in logged


async def test_what_came_before_the_malformed_is_answered() -> None:
    async with serving(*ROUTES) as running, wired(running.port) as wire:
        assert (await wire.ask("GET /hello HTTP/1.1\r\nHost: t")).status == 200
        await wire.send(b"GARBAGE\r\n\r\n")
        assert (await wire.reply()).status == 400
        assert await wire.ended() == b""


async def test_a_header_bomb_is_431() -> None:
    async with serving(*ROUTES) as running:
        async with wired(running.port) as wire:
            many = "".join(f"\r\nX-{number}: {number}" for number in range(101))
            assert (await wire.ask("GET /hello HTTP/1.1\r\nHost: t" + many)).status == 431
        async with wired(running.port) as wire:
            few = "".join(f"\r\nX-{number}: {number}" for number in range(99))
            assert (await wire.ask("GET /hello HTTP/1.1\r\nHost: t" + few)).status == 200
        async with wired(running.port) as wire:
            reply = await wire.ask("GET /hello HTTP/1.1\r\nHost: t\r\nX-Long: " + "a" * 9000)
            assert (reply.status, reply.json["error"]) == (431, "a header is too long")


@pytest.mark.parametrize("length", [8193, 20_000, 200_000])
async def test_a_long_query_is_414(length: int) -> None:
    async with serving(*ROUTES) as running:
        async with wired(running.port) as wire:
            reply = await wire.ask(f"GET /hello?{'q' * length} HTTP/1.1\r\nHost: t")
            assert (reply.status, reply.json["reason"]) == (414, "too_large")
        async with wired(running.port) as wire:
            assert (await wire.ask(f"GET /hello?{'q' * 8192} HTTP/1.1\r\nHost: t")).status == 200


async def test_header_lines_without_end_are_cut_off() -> None:
    async with serving(*ROUTES) as running, wired(running.port) as wire:
        await wire.send(b"GET /hello HTTP/1.1\r\nHost: t\r\nX-Long: " + b"a" * 100_000)
        assert (await wire.reply()).status == 431
        assert await wire.ended() == b""


def test_nothing_of_the_house_writes_a_parser_error() -> None:
    """aiohttp's RequestHandler, which logs what it cannot parse, is not used."""
    for file in Path(__file__).parents[3].joinpath("shared").glob("*.py"):
        text = file.read_text()
        assert "web_protocol" not in text
        assert "aiohttp.web" not in text
