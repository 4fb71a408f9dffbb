"""What a well-behaved client sees."""

import asyncio
import gc

import pytest

from shared.domain.http import Fault, HttpAnswer, HttpRequest
from shared.http_routes import Route
from tests.services.house.harness import get, hello, mirror, serving, wired

HOST = "\r\nHost: ringpost.test"


async def test_an_answer_has_a_head_a_length_a_date_and_an_id() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        reply = await wire.ask("GET /hello HTTP/1.1" + HOST)
    assert (reply.status, reply.body) == (200, b"hello")
    assert reply.headers["content-type"] == "text/plain"
    assert reply.headers["date"].endswith("GMT")
    assert reply.headers["x-request-id"]
    assert "connection" not in reply.headers
    assert "server" not in reply.headers


async def test_query_and_params_reach_the_endpoint() -> None:
    route = get("/lists/{list_id}/numbers/{number}.json", mirror)
    async with serving(route) as running, wired(running.port) as wire:
        reply = await wire.ask("GET /lists/a%2Fb%20c/numbers/+15551231234.json?x=%20y&x HTTP/1.1" + HOST)
    assert reply.json["params"] == {"list_id": "a/b c", "number": "+15551231234"}
    assert reply.json["query"] == "x=%20y&x"


async def test_a_connection_serves_many_requests() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        for _ in range(3):
            assert (await wire.ask("GET /hello HTTP/1.1" + HOST)).status == 200
        assert running.listener.connections == 1


async def test_head_is_get_without_the_body() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        reply = await wire.ask("HEAD /hello HTTP/1.1" + HOST)
        assert (reply.status, reply.headers["content-length"]) == (200, "5")
        assert (await wire.ask("GET /hello HTTP/1.1" + HOST)).body == b"hello"


async def test_unknown_paths_are_404_without_an_echo() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        reply = await wire.ask("GET /pbk_r_secret?key=pbk_x HTTP/1.1" + HOST + "\r\nX-Request-Id: r-1")
    assert reply.status == 404
    assert reply.json == {
        "status": "error",
        "error": "there is nothing here",
        "reason": "not_found",
        "request_id": "r-1",
    }
    assert b"pbk" not in reply.raw


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PROPFIND"])
async def test_other_methods_are_405_and_told_what_is_allowed(method: str) -> None:
    route = Route(methods=("GET", "PUT"), template="/hello", endpoint=hello)
    async with serving(route) as running, wired(running.port) as wire:
        reply = await wire.ask(f"{method} /hello HTTP/1.1" + HOST)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, PUT")
    assert reply.json["reason"] == "method_not_allowed"


async def test_http_1_0_closes_unless_asked_to_stay() -> None:
    async with serving(get("/hello", hello)) as running:
        async with wired(running.port) as wire:
            reply = await wire.ask("GET /hello HTTP/1.0")
            assert reply.headers["connection"] == "close"
            assert await wire.ended() == b""
        async with wired(running.port) as wire:
            reply = await wire.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive")
            assert reply.headers["connection"] == "keep-alive"
            assert (await wire.ask("GET /hello HTTP/1.0")).status == 200


async def test_connection_close_is_kept() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        reply = await wire.ask("GET /hello HTTP/1.1\r\nConnection: close" + HOST)
        assert reply.headers["connection"] == "close"
        assert await wire.ended() == b""


async def test_pipelined_requests_are_answered_in_order_and_one_at_a_time() -> None:
    at_work = most = 0

    async def slow(request: HttpRequest) -> HttpAnswer:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        return HttpAnswer(status=200, body=request.query.encode())

    async with serving(get("/slow", slow)) as running, wired(running.port) as wire:
        await wire.send(
            b"".join(b"GET /slow?%d HTTP/1.1\r\nHost: t\r\n\r\n" % number for number in range(100))
        )
        assert [int((await wire.reply()).body) for _ in range(100)] == list(range(100))
    assert most == 1


async def test_pipelined_bodies_stay_apart() -> None:
    route = Route(methods=("POST",), template="/mirror", endpoint=mirror)
    async with serving(route) as running, wired(running.port) as wire:
        one = b"POST /mirror HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\none"
        two = b"POST /mirror HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        await wire.send(one + two + one)
        assert [(await wire.reply()).json["body"] for _ in range(3)] == ["one", "two", "one"]


async def test_a_client_that_half_closes_still_gets_its_answer() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        await wire.send(b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.writer.write_eof()
        assert (await wire.reply()).body == b"hello"
        assert await wire.ended() == b""


async def test_a_client_that_leaves_does_not_stop_its_handler() -> None:
    begun, left, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def patient(_request: HttpRequest) -> HttpAnswer:
        begun.set()
        await left.wait()
        done.set()
        return HttpAnswer(status=200, body=b"late")

    async with serving(get("/patient", patient)) as running:
        async with wired(running.port) as wire:
            await wire.send(b"GET /patient HTTP/1.1\r\nHost: t\r\n\r\n")
            await begun.wait()
        left.set()
        await done.wait()
        await running.listener.drain(5)
        assert [line["status"] for line in running.lines()] == [200]


async def test_absolute_targets_are_understood() -> None:
    async with serving(get("/mirror", mirror)) as running, wired(running.port) as wire:
        reply = await wire.ask("GET http://ringpost.test/mirror?a=1 HTTP/1.1" + HOST)
    assert (reply.json["path"], reply.json["query"]) == ("/mirror", "a=1")


async def test_an_upgrade_is_not_made() -> None:
    async with serving(get("/hello", hello)) as running, wired(running.port) as wire:
        head = "GET /hello HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket" + HOST
        assert (await wire.ask(head)).status == 200
        assert await wire.ended() == b""


async def test_an_answer_without_body() -> None:
    async def nothing(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(status=204, body=b"", headers=(("X-One", "1"),))

    async with serving(get("/nothing", nothing)) as running, wired(running.port) as wire:
        reply = await wire.ask("GET /nothing HTTP/1.1" + HOST)
        assert reply.status == 204
        assert "content-length" not in reply.headers
        assert reply.headers["x-one"] == "1"
        assert (await wire.ask("GET /nothing HTTP/1.1" + HOST)).status == 204


async def test_a_large_answer_reaches_a_slow_reader_whole() -> None:
    body = bytes(range(256)) * 65536

    async def large(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(status=200, body=body, content_type="application/octet-stream")

    async with serving(get("/large", large)) as running, wired(running.port) as wire:
        await wire.send(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n" * 2)
        assert (await wire.reply()).body == body
        assert (await wire.reply()).body == body


async def test_a_fault_of_the_wording_itself_ends_the_connection() -> None:
    def failed(_fault: Fault) -> HttpAnswer:
        raise ZeroDivisionError

    async def broken(_request: HttpRequest) -> HttpAnswer:
        raise KeyError("x")

    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
    route = Route(methods=("GET",), template="/text", endpoint=broken, write_fault=failed)
    async with serving(route) as running, wired(running.port) as wire:
        await wire.send(b"GET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        assert await wire.ended() == b""
    gc.collect()
    assert told == ["Task exception was never retrieved"]


async def test_a_route_may_word_faults_its_own_way() -> None:
    def failed(fault: Fault) -> HttpAnswer:
        return HttpAnswer(
            status=fault.status, body=f"FAILED {fault.text}".encode(), content_type="text/plain"
        )

    async def broken(_request: HttpRequest) -> HttpAnswer:
        raise KeyError("x")

    route = Route(methods=("GET",), template="/text", endpoint=broken, write_fault=failed)
    async with serving(route) as running, wired(running.port) as wire:
        reply = await wire.ask("GET /text HTTP/1.1" + HOST)
    assert (reply.status, reply.body) == (500, b"FAILED something went wrong here")
