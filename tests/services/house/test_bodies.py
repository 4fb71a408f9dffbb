"""Bodies: their limit, their encodings and their pieces."""

from collections.abc import AsyncIterator

import pytest

from shared.domain.http import HttpAnswer, HttpRequest
from shared.http_routes import Route
from shared.server import Rules
from tests.services.house.harness import QUICK, get, hello, mirror, serving, wired

POST = "POST /mirror HTTP/1.1\r\nHost: t"
MIRROR = Route(methods=("POST",), template="/mirror", endpoint=mirror)
LIMIT = 65536


async def test_a_body_at_the_limit_is_read_and_one_above_is_413() -> None:
    async with serving(MIRROR) as running:
        for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
            async with wired(running.port) as wire:
                reply = await wire.ask(f"{POST}\r\nContent-Length: {size}", b"x" * size)
                assert reply.status == status


async def test_a_megabyte_is_refused_before_it_is_read_and_the_answer_arrives() -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        reply = await wire.ask(f"{POST}\r\nContent-Length: 1048576", b"x" * 1048576)
        assert (reply.status, reply.json["reason"]) == (413, "too_large")
        assert reply.headers["connection"] == "close"
        assert await wire.ended() == b""


async def test_chunks_are_counted_as_they_come() -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    async with serving(MIRROR) as running, wired(running.port) as wire:
        reply = await wire.ask(f"{POST}\r\nTransfer-Encoding: chunked", chunk * 5)
        assert reply.status == 413


async def test_a_body_in_many_packets() -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        await wire.send(f"{POST}\r\nContent-Length: 6\r\n\r\n".encode())
        for letter in (b"a", b"bc", b"def"):
            await wire.send(letter)
        assert (await wire.reply()).json["body"] == "abcdef"
        assert (await wire.ask(f"{POST}\r\nContent-Length: 1", b"z")).json["body"] == "z"


async def test_a_finished_body_starts_no_header_deadline() -> None:
    async with serving(MIRROR, get("/hello", hello), deadlines=QUICK) as running, wired(running.port) as wire:
        await wire.send(f"{POST}\r\nContent-Length: 2\r\n\r\na".encode())
        await wire.send(b"b")
        assert (await wire.reply()).status == 200
        async with wired(running.port) as other:  # its deadline passes, the first one's must not
            await other.send(b"GET /hel")
            assert (await other.reply()).status == 408
        assert (await wire.ask("GET /hello HTTP/1.1\r\nHost: t")).status == 200


async def test_expect_100_continue_is_answered_before_the_body_comes() -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        await wire.send(f"{POST}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
        assert (await wire.reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"ab")
        assert (await wire.reply()).json["body"] == "ab"


async def test_an_expected_body_that_is_too_large_is_not_invited() -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        head = f"{POST}\r\nExpect: 100-continue\r\nContent-Length: 99999999"
        assert (await wire.ask(head)).status == 413


async def test_another_expectation_is_417() -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        assert (await wire.ask(f"{POST}\r\nExpect: magic\r\nContent-Length: 2")).status == 417


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "compress", "gzip, gzip"])
async def test_compressed_bodies_are_415(coding: str) -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        reply = await wire.ask(f"{POST}\r\nContent-Encoding: {coding}\r\nContent-Length: 2", b"\x1f\x8b")
        assert reply.status == 415


async def test_a_body_that_nobody_asked_for_closes_the_connection() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        reply = await wire.ask("POST /hello HTTP/1.1\r\nHost: t\r\nContent-Length: 100", b"half")
        assert (reply.status, reply.headers["connection"]) == (405, "close")
        assert await wire.ended() == b""


async def test_a_cut_body_is_400() -> None:
    async with serving(MIRROR) as running, wired(running.port) as wire:
        await wire.send(f"{POST}\r\nContent-Length: 100\r\n\r\nhalf".encode())
        wire.writer.write_eof()
        assert (await wire.reply()).status == 400


async def _count(_request: HttpRequest, pieces: AsyncIterator[bytes]) -> HttpAnswer:
    size = most = 0
    async for piece in pieces:
        size += len(piece)
        most = max(most, len(piece))
    return HttpAnswer(status=200, body=f"{size} {most <= 4 * LIMIT}".encode())


UPLOAD = Route(methods=("POST",), template="/upload", stream=_count, body_limit_bytes=16 * 1024 * 1024)


async def test_an_upload_comes_in_pieces_with_a_limit_of_its_own() -> None:
    size = 8 * 1024 * 1024
    async with serving(UPLOAD) as running:
        async with wired(running.port) as wire:
            reply = await wire.ask(f"POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: {size}", b"x" * size)
            assert reply.body == f"{size} True".encode()
        async with wired(running.port) as wire:
            head = "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 16777217"
            assert (await wire.ask(head)).status == 413


async def test_an_upload_that_is_not_wanted_is_not_read() -> None:
    async def refuse(_request: HttpRequest, _pieces: AsyncIterator[bytes]) -> HttpAnswer:
        return HttpAnswer(status=403, body=b"no")

    route = Route(methods=("POST",), template="/upload", stream=refuse, body_limit_bytes=1 << 30)
    async with serving(route, rules=Rules(body_limit_bytes=1024)) as running, wired(running.port) as wire:
        reply = await wire.ask("POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000", b"x" * 5000)
        assert (reply.status, reply.headers["connection"]) == (403, "close")
