"""Ids, proxies and https, as a client and a log see them."""

from ipaddress import ip_network

import pytest

from shared.domain.http import HttpAnswer, HttpRequest
from shared.server import Rules
from tests.services.house.harness import get, hello, mirror, serving, wired

GET = "GET /mirror HTTP/1.1\r\nHost: t"
TRUSTING = Rules(trusted_proxies=(ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")))


@pytest.mark.parametrize(
    "given", ["a", "req-1.2:3_4", "0" * 8, "01890a5d-ac96-774b-bcce-b302099a8057", "z" * 64]
)
async def test_a_plain_request_id_is_echoed_and_logged(given: str) -> None:
    async with serving(get("/mirror", mirror)) as running, wired(running.port) as wire:
        reply = await wire.ask(f"{GET}\r\nX-Request-Id: {given}")
        assert reply.headers["x-request-id"] == reply.json["request_id"] == given
        assert running.lines()[0]["request_id"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "z" * 65,
        "a b",
        "a\tb",
        'a"b',
        "a/../b",
        "pbk_r_0123456789",
        "15551234567",
        "call-5551234567",
        "447911123456",
        "lead2125551212",
    ],
)
async def test_any_other_request_id_is_replaced(given: str) -> None:
    async with serving(get("/mirror", mirror)) as running, wired(running.port) as wire:
        reply = await wire.ask(f"{GET}\r\nX-Request-Id: {given}")
        assert reply.headers["x-request-id"] != given
        assert running.lines()[0]["request_id"] == reply.json["request_id"] == reply.headers["x-request-id"]


async def test_made_ids_differ() -> None:
    async with serving(get("/mirror", mirror)) as running, wired(running.port) as wire:
        assert len({(await wire.ask(GET)).json["request_id"] for _ in range(5)}) == 5


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("traceparent", "logged"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"cc-{TRACE}-b7ad6b7169203331-01-more", TRACE),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        ("pbk_r_secret", None),
    ],
)
async def test_the_trace_id_of_a_valid_traceparent_is_logged(traceparent: str, logged: str | None) -> None:
    async with serving(get("/mirror", mirror)) as running, wired(running.port) as wire:
        await wire.ask(f"{GET}\r\ntraceparent: {traceparent}")
        assert running.lines()[0].get("trace_id") == logged


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("", "127.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::7]:4711, 10.0.0.1", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, nonsense", "127.0.0.1"),
        ("203.0.113.9, nonsense, 10.0.0.1", "10.0.0.1"),
    ],
)
async def test_the_client_is_the_right_most_address_that_is_not_ours(forwarded: str, client: str) -> None:
    async with serving(get("/mirror", mirror), rules=TRUSTING) as running, wired(running.port) as wire:
        assert (await wire.ask(f"{GET}\r\nX-Forwarded-For: {forwarded}")).json["client"] == client


async def test_the_last_line_is_the_nearest_proxys() -> None:
    """Some proxies add a line of their own below the one that a client has sent."""
    async with serving(get("/mirror", mirror), rules=TRUSTING) as running, wired(running.port) as wire:
        forged = f"{GET}\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.9"
        assert (await wire.ask(forged)).json["client"] == "203.0.113.9"
    insisting = Rules(trusted_proxies=TRUSTING.trusted_proxies, require_https=True)
    async with serving(get("/mirror", mirror), rules=insisting) as running, wired(running.port) as wire:
        forged = f"{GET}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: http"
        assert (await wire.ask(forged)).status == 403


async def test_nobody_else_is_believed() -> None:
    async with serving(get("/mirror", mirror)) as running, wired(running.port) as wire:
        assert (await wire.ask(f"{GET}\r\nX-Forwarded-For: 1.1.1.1")).json["client"] == "127.0.0.1"


async def test_plain_http_is_refused_where_https_is_required() -> None:
    trusting = Rules(trusted_proxies=TRUSTING.trusted_proxies, require_https=True)
    async with serving(get("/mirror", mirror), rules=trusting) as running, wired(running.port) as wire:
        for header in ("", "\r\nX-Forwarded-Proto: http", "\r\nX-Forwarded-Proto: https, http"):
            reply = await wire.ask(GET + header)
            assert (reply.status, reply.json["reason"]) == (403, "https_required")
        reply = await wire.ask(f"{GET}\r\nX-Forwarded-Proto: https")
        assert reply.status == 200
        assert reply.headers["strict-transport-security"].startswith("max-age=31536000")


async def test_https_is_believed_of_trusted_proxies_only() -> None:
    rules = Rules(require_https=True)
    async with serving(get("/mirror", mirror), rules=rules) as running, wired(running.port) as wire:
        assert (await wire.ask(f"{GET}\r\nX-Forwarded-Proto: https")).status == 403


async def test_a_request_line_says_what_is_needed_and_nothing_else() -> None:
    async def answered(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(
            status=200, body=b"", outcome="no-target", reason="no_buyers", key_id=7, caller="+15551231212"
        )

    async with serving(get("/rtbs/{uuid}.json", answered), get("/hello", hello)) as running:
        async with wired(running.port) as wire:
            await wire.ask(
                "GET /rtbs/abc.json?key=pbk_r_SECRET&caller_number=15551231212 HTTP/1.1\r\nHost: t"
            )
            await wire.ask("GET /hello HTTP/1.1\r\nHost: t")
        line, short = running.lines()
        logged = running.logged()
    assert 0 < line.pop("duration_ms") < 10_000
    assert line.pop("time").endswith("Z")
    assert len(line.pop("request_id")) == 21
    assert line == {
        "event": "request",
        "level": "info",
        "service": "test",
        "route": "/rtbs/{uuid}.json",
        "method": "GET",
        "status": 200,
        "key_id": 7,
        "outcome": "no-target",
        "reason": "no_buyers",
        "caller": "+1******1212",
    }
    assert "caller" not in short
    assert "SECRET" not in logged
    assert "5551231212" not in logged
    assert "abc" not in logged
