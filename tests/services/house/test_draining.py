"""The stop: nothing that was accepted is lost."""

import asyncio

import pytest

from shared.domain.http import HttpAnswer, HttpRequest
from tests.services.house.harness import get, hello, serving, wired

HELLO = "GET /hello HTTP/1.1\r\nHost: t"
PATIENT = b"GET /patient HTTP/1.1\r\nHost: t\r\n\r\n"


class Patience:
    """An endpoint that answers when it may."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = False

    async def patient(self, _request: HttpRequest) -> HttpAnswer:
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return HttpAnswer(status=200, body=b"done")


async def test_requests_in_work_are_finished_and_their_connections_closed() -> None:
    patience = Patience()
    async with serving(get("/patient", patience.patient)) as running, wired(running.port) as wire:
        await wire.send(PATIENT)
        await patience.begun.wait()
        draining = asyncio.create_task(running.listener.drain(5))
        with pytest.raises(ConnectionError):
            await _connect_for_good(running.port)
        patience.go.set()
        reply = await wire.reply()
        assert (reply.body, reply.headers["connection"]) == (b"done", "close")
        assert await wire.ended() == b""
        await draining
        assert running.listener.connections == 0


async def _connect_for_good(port: int) -> None:
    while True:
        async with wired(port):
            pass


async def test_a_kept_connection_gets_one_more_answer_and_is_told_to_close() -> None:
    async with (
        serving(get("/hello", hello)) as running,
        wired(running.port) as wire,
        wired(running.port) as fresh,
    ):
        assert "connection" not in (await wire.ask(HELLO)).headers
        draining = asyncio.create_task(running.listener.drain(2))
        await asyncio.sleep(0)
        for late in (wire, fresh):
            reply = await late.ask(HELLO)
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert await late.ended() == b""
        await draining


async def test_silent_connections_are_closed_before_the_time_is_up() -> None:
    patience = Patience()
    async with serving(get("/hello", hello), get("/patient", patience.patient)) as running:
        async with wired(running.port) as kept, wired(running.port) as silent, wired(running.port) as busy:
            await kept.ask(HELLO)
            await busy.send(PATIENT)
            await patience.begun.wait()
            draining = asyncio.create_task(running.listener.drain(1))
            assert await kept.ended() == b""
            assert await silent.ended() == b""
            assert not draining.done()
            patience.go.set()
            assert (await busy.reply()).body == b"done"
            await draining
        assert not patience.cancelled


async def test_what_is_not_finished_in_time_is_cancelled() -> None:
    patience = Patience()
    async with serving(get("/patient", patience.patient)) as running, wired(running.port) as wire:
        await wire.send(PATIENT)
        await patience.begun.wait()
        await running.listener.drain(0.1)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await wire.reply()
        assert patience.cancelled
        assert running.server.in_flight == 0


async def test_a_body_in_transit_may_still_arrive() -> None:
    async with (
        serving(get("/hello", hello)) as other,
        serving(get("/hello", hello)) as running,
        wired(running.port) as wire,
    ):
        assert (await wire.ask(HELLO)).status == 200
        await wire.send(b"GET /hello HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nha")
        draining = asyncio.create_task(running.listener.drain(2))
        async with wired(other.port) as clock:
            assert (await clock.ask(HELLO)).status == 200
        await wire.send(b"lf")
        assert (await wire.reply()).status == 200
        await draining
