"""The one place where anything may go wrong."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.domain.http import HttpAnswer, HttpRequest
from shared.errors import Overloaded, Unavailable
from shared.logs import configure_logs
from shared.server import Rules
from tests.services.house.harness import get, hello, serving, wired

SECRET = "pbk_r_SecretSecretSecret"
GET = "GET /it HTTP/1.1\r\nHost: t"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, as it is written."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("test", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


async def test_a_fault_is_500_and_its_text_stays_inside(logged: io.StringIO) -> None:
    async def broken(request: HttpRequest) -> HttpAnswer:
        secret = f"token {SECRET} of +15551234567 in {request.query}"
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise RuntimeError(f"the imported key 0123456789abcdef0123 {secret}") from error

    async with serving(get("/it", broken)) as running, wired(running.port) as wire:
        reply = await wire.ask(f"GET /it?key={SECRET} HTTP/1.1\r\nHost: t\r\nX-Request-Id: r-9")
        assert reply.status == 500
        assert reply.json == {
            "status": "error",
            "error": "something went wrong here",
            "reason": "fault",
            "request_id": "r-9",
        }
        line = json.loads(logged.getvalue())
        everything = logged.getvalue() + running.logged() + reply.raw.decode()
        assert (await wire.ask("GET /nowhere HTTP/1.1\r\nHost: t")).status == 404  # the connection stays
    assert (line["event"], line["level"], line["request_id"], line["route"]) == (
        "fault",
        "error",
        "r-9",
        "/it",
    )
    assert line["error"] == "RuntimeError <- ValueError"
    assert line["frames"][-1].endswith(" broken")
    for told in ("Secret", "0123456789abcdef", "5551234567", "token"):
        assert told not in everything


async def test_a_dependency_that_is_away_is_503_with_retry_after() -> None:
    async def away(_request: HttpRequest) -> HttpAnswer:
        raise Unavailable("redis", retry_after_s=2)

    async with serving(get("/it", away)) as running, wired(running.port) as wire:
        reply = await wire.ask(GET)
    assert (reply.status, reply.headers["retry-after"], reply.json["reason"]) == (503, "2", "unavailable")
    assert b"redis" not in reply.raw


async def test_a_full_queue_is_503_overloaded() -> None:
    async def full(_request: HttpRequest) -> HttpAnswer:
        raise Overloaded("redis")

    async with serving(get("/it", full)) as running, wired(running.port) as wire:
        assert (await wire.ask(GET)).json["reason"] == "overloaded"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        HttpAnswer(status=200, body="text"),  # type: ignore[arg-type]
        HttpAnswer(status=200, body=b"", headers=(("X-A", "a\r\nX-Evil: 1"),)),
        HttpAnswer(status=200, body=b"", content_type="text/plain\r\nX-Evil: 1"),
    ],
)
async def test_an_answer_that_is_none_is_a_fault(answer: HttpAnswer, logged: io.StringIO) -> None:
    async def odd(_request: HttpRequest) -> HttpAnswer:
        return answer

    async with serving(get("/it", odd)) as running, wired(running.port) as wire:
        reply = await wire.ask(GET)
    assert reply.status == 500
    assert "x-evil" not in reply.headers
    assert "fault" in logged.getvalue()


async def test_above_the_in_flight_limit_the_answer_is_early() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def patient(_request: HttpRequest) -> HttpAnswer:
        begun.set()
        await go.wait()
        return HttpAnswer(status=200, body=b"done")

    routes = (get("/it", patient), get("/hello", hello))
    rules = Rules(in_flight_limit=1)
    async with serving(*routes, rules=rules) as on, wired(on.port) as first, wired(on.port) as second:
        await first.send(GET.encode() + b"\r\n\r\n")
        await begun.wait()
        early = await second.ask("GET /hello HTTP/1.1\r\nHost: t")
        assert (early.status, early.headers["retry-after"]) == (503, "1")
        assert early.json["reason"] == "overloaded"
        go.set()
        assert (await first.reply()).body == b"done"
        assert (await second.ask("GET /hello HTTP/1.1\r\nHost: t")).status == 200


async def test_libraries_and_asyncio_are_redacted_too(logged: io.StringIO) -> None:
    logging.getLogger("some.library").warning("sent %s to %s", SECRET, "redis://user:pass@host/0")
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("some.library").exception("call from +1 555 123 4567 failed")
    first, second = map(json.loads, logged.getvalue().splitlines())
    assert first["event"] == "sent pbk_*** to redis://***@host/0"
    assert second["event"] == "call from +1******4567 failed"
    assert second["error"] == "ValueError"
    assert SECRET not in logged.getvalue()
