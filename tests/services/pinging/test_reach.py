"""Where pings to buyers may go, and with what: addresses, certificates, trace context."""

import asyncio
import socket
from contextlib import closing, suppress
from pathlib import Path

import pytest

from shared.domain.outgoing import Failed, Failure, Message, Reply
from shared.pinging.buyers import Asked, BuyerLimits, Buyers
from tests.services.pinging.scene import LATE, NEVER_MS, NEVER_S, SOON_S, ask, opened
from tests.support.certificates import server_side, write_certificate
from tests.support.receiver import answer, end, receiving
from tests.support.waiting import eventually

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "0.0.0.0"),
        *(
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "2130706433",
            "0x7f000001",
            "127.1",
        ),
    ],
)
async def test_what_is_not_public_is_refused_before_anything_is_sent(host: str) -> None:
    async with receiving() as receiver, opened(BuyerLimits(), networks=()) as guarded:
        assert await ask(guarded, f"http://{host}:{receiver.port}/") == [Failed(kind=Failure.ADDRESS)]
        assert receiver.connections == 0


async def test_a_redirect_to_a_metadata_address_leads_nowhere(buyers: Buyers) -> None:
    location = "Location: http://169.254.169.254/latest/meta-data/\r\n"
    async with receiving(answer(302, headers=location)) as receiver:
        assert await ask(buyers, receiver.url) == [Reply(status=302)]
        assert len(receiver.seen) == 1


async def test_an_allowed_network_is_no_leave_for_others() -> None:
    limits = BuyerLimits()
    async with receiving() as receiver, opened(limits, networks=("127.0.0.2/32", "10.0.0.0/8")) as other:
        assert await ask(other, receiver.url) == [Failed(kind=Failure.ADDRESS)]
    async with receiving() as receiver, opened(limits, networks=("127.0.0.1/32",)) as right:
        assert await ask(right, f"http://localhost:{receiver.port}") == [Reply(status=200)]


async def test_the_environments_proxy_is_not_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with opened(BuyerLimits()) as buyers:
            assert await ask(buyers, receiver.url) == [Reply(status=200)]
        assert proxy.seen == []


async def test_no_cookie_is_kept(buyers: Buyers) -> None:
    async with receiving(answer(headers="Set-Cookie: a=b\r\n"), keeps=True) as receiver:
        for _ in range(2):
            await ask(buyers, receiver.url)
        assert ["cookie" in seen.headers for seen in receiver.seen] == [False, False]


@pytest.mark.parametrize(
    ("traceparent", "passed_on"),
    [
        (TRACE, TRACE),
        (f"01{TRACE[2:]}-more", f"01{TRACE[2:]}-more"),
        ("", None),
        ("nonsense", None),
        (TRACE.upper(), None),
        (f"ff{TRACE[2:]}", None),
        (f"00-{'0' * 32}{TRACE[35:]}", None),
        (f"{TRACE}\r\nX-Other: 1", None),
        (f"01{TRACE[2:]}-a\r\nX-Other: 1", None),
        (f"01{TRACE[2:]}-a\nX-Other: 1", None),
        (f"01{TRACE[2:]}-\u00e9", None),
        (f"01{TRACE[2:]}-{'a' * 500}", None),
    ],
)
async def test_a_valid_trace_context_is_passed_on_and_the_messages_own_is_not(
    buyers: Buyers, traceparent: str, passed_on: str | None
) -> None:
    async with receiving(keeps=True) as receiver:
        message = Message(method="GET", url=receiver.url, headers={"Traceparent": TRACE.replace("a", "b")})
        asked = [Asked(buyer_id=1, message=message, timeout_ms=NEVER_MS)]
        deadline_s = asyncio.get_running_loop().time() + NEVER_S
        await buyers.ask(asked, deadline_s=deadline_s, traceparent=traceparent)
        await buyers.post(asked[0], deadline_s=deadline_s, traceparent=traceparent)
        assert [seen.headers.get("traceparent") for seen in receiver.seen] == [passed_on, passed_on]
        assert all("x-other" not in seen.headers for seen in receiver.seen)


@pytest.mark.parametrize(
    "message",
    [
        Message(method="GET", url="ftp://127.0.0.1/"),
        Message(method="GET", url="http://"),
        Message(method="GET", url="nonsense"),
        Message(method="GET", url="http://127.0.0.1:99999/"),
        Message(method="GET", url="http://user:word@127.0.0.1/"),
        Message(method="GET", url="http://127.0.0.1/a b"),
        Message(method="GET", url="http://127.0.0.1/\u00e9"),
        Message(method="GET", url="http://127.0.0.1\\@other/"),
        Message(method="GE T", url="http://127.0.0.1/"),
        Message(method="HEAD", url="http://127.0.0.1/"),
        Message(method="GET", url="http://127.0.0.1/", headers={"X-A": "b\r\nX-C: d"}),
        Message(method="GET", url="http://127.0.0.1/", headers={"X-A\r\nX-C": "d"}),
    ],
)
async def test_what_is_no_request_is_said_so_at_once(buyers: Buyers, message: Message) -> None:
    asked = [Asked(buyer_id=1, message=message, timeout_ms=NEVER_MS)]
    (heard,) = await buyers.ask(asked, deadline_s=asyncio.get_running_loop().time() + NEVER_S)
    assert (heard.came, heard.is_late) == (Failed(kind=Failure.INVALID), False)


async def test_a_certificate_that_nobody_vouches_for(buyers: Buyers, tmp_path: Path) -> None:
    async with receiving(tls=server_side(write_certificate(tmp_path))) as receiver:
        assert await ask(buyers, receiver.url) == [Failed(kind=Failure.TLS)]
        assert receiver.seen == []


async def test_tls_connections_are_kept_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with (
        opened(BuyerLimits()) as buyers,
        receiving(keeps=True, tls=server_side(certificate)) as receiver,
    ):
        for _ in range(3):
            assert await ask(buyers, receiver.url) == [Reply(status=200)]
        assert receiver.connections == 1
        other = receiver.url.replace("127.0.0.1", "localhost")
        assert await ask(buyers, other) == [Failed(kind=Failure.TLS)]  # it is not the name in the certificate


async def test_the_end_of_a_body_is_seen_through_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    said = end(b"HTTP/1.1 200 So\r\n\r\nall")
    async with opened(BuyerLimits()) as buyers, receiving(said, tls=server_side(certificate)) as receiver:
        assert await ask(buyers, receiver.url, receiver.url) == [Reply(status=200, body=b"all")] * 2


async def test_one_whose_greeting_takes_longer_than_a_ping_is_met_by_a_later_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    taken = 0

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 So\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def is_answered() -> bool:
        return await ask(buyers, url, within_s=SOON_S) == [Reply(status=200)]

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:  # connections wait to be taken
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        async with opened(BuyerLimits()) as buyers:
            assert await ask(buyers, url, within_s=SOON_S) == [LATE]
            server = await asyncio.start_server(greet, sock=listening.dup(), ssl=server_side(certificate))
            await eventually(is_answered, what="the connection is there")
            assert taken == 1
        server.close()
        await server.wait_closed()


async def test_one_that_never_greets_is_late(buyers: Buyers) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        async with receiving(keeps=True) as receiver:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
            assert await ask(buyers, url, receiver.url, within_s=SOON_S) == [LATE, Reply(status=200)]
