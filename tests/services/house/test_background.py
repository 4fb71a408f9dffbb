"""What runs beside the requests: chores, request lines, the pulse, stuck clients."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from shared.chores import Chores
from shared.domain.http import HttpAnswer, HttpRequest
from shared.log_lines import RequestLine, RequestLog
from shared.logs import configure_logs, get_logger
from shared.pulse import LoopLag, Pulse
from shared.tallies import render
from tests.services.house.harness import get, hello, serving, wired

LINE = RequestLine(
    time=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    level="info",
    service="rtb",
    request_id="r-1",
    route="/rtbs.json",
    method="GET",
    status=200,
    duration_ms=1.25,
    key_id=7,
    outcome="reserved",
    caller="+1******1212",
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where ordinary lines go; the configuration of before is put back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    yield io.StringIO()
    root.handlers[:], root.level, logging.raiseExceptions = before
    structlog.reset_defaults()


async def test_chores_run_until_they_are_stopped_the_youngest_first() -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    died: list[str] = []
    chores = Chores(died.append)
    for name in ("one", "two"):
        chores.start(name, lambda name=name: work(name))  # type: ignore[misc] # a lambda with its own name
    await asyncio.sleep(0)
    await chores.stop()
    assert (ended, died) == (["two", "one"], [])


async def test_a_chore_that_dies_is_told_without_its_text(stream: io.StringIO) -> None:
    configure_logs("test", stream=stream)
    died = asyncio.Queue[str]()

    async def work() -> None:
        raise ValueError("pbk_r_secret")

    chores = Chores(died.put_nowait)
    chores.start("drain", work)
    assert await died.get() == "drain"
    await chores.stop()
    line = json.loads(stream.getvalue())
    assert (line["event"], line["chore"], line["error"]) == ("chore_died", "drain", "ValueError")
    assert "secret" not in stream.getvalue()


def test_lines_of_people_and_of_machines(stream: io.StringIO) -> None:
    configure_logs("test", stream=stream)
    get_logger().warning("redis_away", attempt=3, token="t0ken", caller="+15551231212")
    get_logger().debug("not at this level")
    line = json.loads(stream.getvalue())
    assert list(line)[:4] == ["time", "level", "event", "service"]
    assert (line["attempt"], line["token"], line["caller"]) == (3, "***", "+1******1212")
    stream.truncate(0)
    configure_logs("test", stream=stream, as_text=True)
    get_logger().warning("redis_away", attempt=3)
    assert stream.getvalue().rstrip().endswith("test     warning redis_away attempt=3")


def test_request_lines_as_text() -> None:
    written = io.BytesIO()
    log = RequestLog(stream=written, as_text=True)
    log.write(LINE)
    log.close()
    assert written.getvalue().decode() == (
        "03:04:05.678 rtb      info    GET /rtbs.json 200 1.2ms reserved +1******1212 key=7 id=r-1\n"
    )


class Told(io.BytesIO):
    """A stream that says when it has been flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def flush(self) -> None:
        """Called in the log's thread."""
        self._loop.call_soon_threadsafe(self.flushed.set)


async def test_request_lines_are_flushed_by_themselves() -> None:
    written = Told()
    log = RequestLog(stream=written)
    log.write(LINE)
    running = asyncio.create_task(log.run())
    await asyncio.wait_for(written.flushed.wait(), 5)
    running.cancel()
    line = json.loads(written.getvalue())
    assert (line["time"], line["event"]) == ("2026-01-02T03:04:05.678000Z", "request")


async def test_lines_beyond_the_bound_are_dropped_and_counted() -> None:
    log = RequestLog(stream=io.BytesIO(), bound=2)
    for _ in range(5):
        log.write(LINE)
    Pulse(log).beat()
    assert "ringpost_log_lines_dropped_total 3.0" in render().decode()
    assert log.take_dropped() == 0


async def test_the_pulse_tells_of_requests_in_work() -> None:
    async def ask(_request: HttpRequest) -> HttpAnswer:
        pulse.beat()
        return HttpAnswer(status=200, body=render())

    async with serving(get("/ask", ask)) as running, wired(running.port) as wire:
        pulse = Pulse(RequestLog(enabled=False))
        pulse.watch(running.server, running.listener)
        during = (await wire.ask("GET /ask HTTP/1.1\r\nHost: t")).body.decode()
        pulse.beat()
        after = render().decode()
    assert "ringpost_requests_in_flight 1.0" in during
    assert "ringpost_connections 1.0" in during
    assert "ringpost_requests_in_flight 0.0" in after
    assert 'ringpost_requests_total{method="GET",route="/ask",status="200"} 1.0' in after


async def test_the_lag_of_the_event_loop_is_measured() -> None:
    running = asyncio.create_task(LoopLag().run())
    pulse = Pulse(RequestLog(enabled=False))
    async with asyncio.timeout(5):
        while "ringpost_event_loop_lag_seconds_count 0.0" in render().decode():
            await asyncio.sleep(0)
            pulse.beat()
    running.cancel()


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def large(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(status=200, body=bytes(64 * 1024 * 1024))

    routes = (get("/large", large), get("/hello", hello))
    async with serving(*routes) as on, wired(on.port) as stuck, wired(on.port) as clock:
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined] # of the transport that reads
        await stuck.send(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n")
        assert (await clock.ask("GET /hello HTTP/1.1\r\nHost: t")).status == 200
        assert on.listener.connections == 2
        on.listener.tick += on.listener.limits.stall_ticks + 1  # time goes by
        async with asyncio.timeout(5):
            while on.listener.connections > 1:
                await clock.ask("GET /hello HTTP/1.1\r\nHost: t")
        assert on.server.in_flight == 0
