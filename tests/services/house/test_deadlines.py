"""Slow, silent and stuck clients."""

import asyncio

import pytest

from shared.domain.http import HttpAnswer, HttpRequest
from shared.http_limits import Deadlines, limits_of
from shared.http_routes import Route
from tests.services.house.harness import QUICK, Wire, get, hello, mirror, serving, wired

ROUTES = (get("/hello", hello), Route(methods=("POST",), template="/mirror", endpoint=mirror))


async def test_headers_that_never_end_are_408() -> None:
    async with serving(*ROUTES, deadlines=QUICK) as running, wired(running.port) as wire:
        await wire.send(b"GET /hello HTTP/1.1\r\nHost: t\r\n")
        reply = await wire.reply()
        assert (reply.status, reply.json["reason"]) == (408, "timeout")
        assert reply.headers["connection"] == "close"
        assert await wire.ended() == b""
        assert [line["status"] for line in running.lines()] == [408]


async def _drip(wire: Wire, other: Wire) -> int:
    """One header byte per answered request of another client; the status of the answer at last."""
    answered = asyncio.create_task(wire.reply())
    while not answered.done():
        await wire.send(b"x")
        await other.ask("GET /hello HTTP/1.1\r\nHost: t")
    return answered.result().status


async def test_a_client_that_drips_does_not_renew_its_deadline() -> None:
    async with (
        serving(*ROUTES, deadlines=QUICK) as running,
        wired(running.port) as wire,
        wired(running.port) as other,
    ):
        await wire.send(b"GET /hello HTTP/1.1\r\nHost: t\r\nX-Drip: ")
        assert await _drip(wire, other) == 408


async def test_a_slow_body_is_408() -> None:
    async with serving(*ROUTES, deadlines=QUICK) as running, wired(running.port) as wire:
        await wire.send(b"POST /mirror HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf")
        reply = await wire.reply()
        assert (reply.status, reply.json["error"]) == (408, "the body came too slowly")
        assert await wire.ended() == b""


async def test_a_slow_request_behind_others_is_answered_after_them() -> None:
    async with serving(*ROUTES, deadlines=QUICK) as running, wired(running.port) as wire:
        await wire.send(b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n")
        assert (await wire.reply()).status == 200
        await wire.send(b"GET /hello HT")
        assert (await wire.reply()).status == 408


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    deadlines = Deadlines(header_s=5, body_s=5, idle_s=0.1)
    async with serving(*ROUTES, deadlines=deadlines) as running:
        async with wired(running.port) as wire:
            assert (await wire.ask("GET /hello HTTP/1.1\r\nHost: t")).status == 200
            assert await wire.ended() == b""
        async with wired(running.port) as silent:
            assert await silent.ended() == b""


async def test_a_handler_is_not_hurried_by_the_deadlines_of_its_client() -> None:
    async def patient(_request: HttpRequest) -> HttpAnswer:
        async with wired(running.port) as slow:
            await slow.send(b"GET /")
            await slow.reply()  # comes with the header deadline
        return HttpAnswer(status=200, body=b"done")

    quick = Deadlines(header_s=0.1, body_s=0.1, idle_s=0.1)
    async with serving(get("/patient", patient), deadlines=quick) as running, wired(running.port) as wire:
        assert (await wire.ask("GET /patient HTTP/1.1\r\nHost: t")).body == b"done"


@pytest.mark.parametrize("seconds", [0.05, 1.0, 5.0, 60.0])
def test_deadlines_are_kept_to_a_tenth(seconds: float) -> None:
    deadlines = Deadlines(header_s=seconds, body_s=seconds)
    limits = limits_of(deadlines, query_bytes=8192)
    assert limits.header_ticks * deadlines.tick_s == pytest.approx(seconds)
    assert deadlines.tick_s <= max(0.1 * seconds, 0.5)
