"""Requests to servers of others: where they may go, how long they may take, how much is read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from shared.domain.outgoing import Failed, Failure, Message, Reply
from shared.outbound import REPLY_LIMIT_BYTES, Outbound
from tests.support.receiver import answer, drip, flood, hang, receiving, redirect, reset, say
from tests.support.waiting import eventually

SOON_S = 0.3
NEVER_S = 30.0


@asynccontextmanager
async def opened(*networks: str) -> AsyncIterator[Outbound]:
    outbound = Outbound.open([ip_network(each) for each in networks])
    yield outbound
    await outbound.close()


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    """May go to loopback."""
    async with opened("127.0.0.0/8") as each:
        yield each


@pytest.fixture
async def guarded() -> AsyncIterator[Outbound]:
    """May go to public addresses only."""
    async with opened() as each:
        yield each


def get(url: str) -> Message:
    return Message(method="GET", url=url)


async def test_a_request_arrives_as_it_was_written(outbound: Outbound) -> None:
    async with receiving(answer(201, b'{"a":1}')) as receiver:
        message = Message(
            method="PATCH",
            url=f"{receiver.url}/a%2Fb/%C3%A9?x=1%2B1%26y%3D2&z=a+b%20c#part",
            headers={"X-One": "two", "Content-Type": "application/json"},
            body=b'{"x":"\xc3\xa9"}',
        )
        assert await outbound.send(message, timeout_s=NEVER_S) == Reply(status=201, body=b'{"a":1}')
        (seen,) = receiver.seen
        assert (seen.method, seen.target) == ("PATCH", "/a%2Fb/%C3%A9?x=1%2B1%26y%3D2&z=a+b%20c")
        assert (seen.headers["x-one"], seen.body) == ("two", message.body)
        assert (seen.headers["user-agent"], seen.headers["accept-encoding"]) == ("Ringpost", "identity")


async def test_every_request_has_a_connection_of_its_own_and_no_cookie(outbound: Outbound) -> None:
    async with receiving(answer(headers="Set-Cookie: a=b\r\n")) as receiver:
        for _ in range(2):
            await outbound.send(get(receiver.url), timeout_s=NEVER_S)
        assert ["cookie" in seen.headers for seen in receiver.seen] == [False, False]
        assert [seen.headers["connection"] for seen in receiver.seen] == ["close", "close"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(outbound: Outbound, status: int) -> None:
    async with receiving() as inside, receiving(redirect(f"{inside.url}/secret", status)) as receiver:
        reply = await outbound.send(get(receiver.url), timeout_s=NEVER_S)
        assert reply == Reply(status=status)
        assert not reply.is_success
        assert inside.seen == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.8.7.6", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "0.0.0.0", "[::]"),
        *(
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "[fe80::1]",
            "[fd00:ec2::254]",
        ),
    ],
)
async def test_what_is_not_public_is_refused_before_anything_is_sent(guarded: Outbound, host: str) -> None:
    async with receiving() as receiver:
        found = await guarded.send(get(f"http://{host}:{receiver.port}/"), timeout_s=NEVER_S)
        assert found == Failed(kind=Failure.ADDRESS)
        assert receiver.seen == []
        assert receiver.most_open == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1"])
async def test_an_address_in_disguise_is_refused_too(guarded: Outbound, host: str) -> None:
    async with receiving() as receiver:
        found = await guarded.send(get(f"http://{host}:{receiver.port}/"), timeout_s=NEVER_S)
        assert found in (Failed(kind=Failure.ADDRESS), Failed(kind=Failure.INVALID))
        assert receiver.most_open == 0


async def test_an_allowed_network_is_no_leave_for_others() -> None:
    async with receiving() as receiver, opened("127.0.0.2/32", "10.0.0.0/8") as other:
        assert await other.send(get(receiver.url), timeout_s=NEVER_S) == Failed(kind=Failure.ADDRESS)
    async with receiving() as receiver, opened("127.0.0.1/32") as right:
        assert await right.send(get(f"http://localhost:{receiver.port}"), timeout_s=NEVER_S) == Reply(
            status=200
        )


async def test_the_environments_proxy_is_not_heeded(
    monkeypatch: pytest.MonkeyPatch, outbound: Outbound
) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await outbound.send(get(receiver.url), timeout_s=NEVER_S) == Reply(status=200)
        assert proxy.seen == []


@pytest.mark.parametrize(
    "behaviour",
    [hang, drip(), drip(b"HTTP/1.1 200 So\r\nX-Long: "), drip(b""), drip(b"HTTP/1.1 100 Wait\r\n\r\n" * 9)],
)
async def test_who_does_not_come_to_an_end_is_left(outbound: Outbound, behaviour: object) -> None:
    async with receiving(behaviour) as receiver:  # type: ignore[arg-type] # parametrized
        found = await outbound.send(get(receiver.url), timeout_s=SOON_S)
        assert found in (Failed(kind=Failure.TIMEOUT), Failed(kind=Failure.PROTOCOL))

        async def is_left() -> bool:
            return receiver.open == 0

        await eventually(is_left, what="the connection is closed")


async def test_a_long_reply_is_cut_and_counts(outbound: Outbound) -> None:
    async with receiving(flood(10 * 1024 * 1024)) as receiver:
        reply = await outbound.send(get(receiver.url), timeout_s=NEVER_S)
        assert reply == Reply(status=200, body=bytes(REPLY_LIMIT_BYTES))


async def test_a_packed_reply_is_left_packed(outbound: Outbound) -> None:
    async with receiving(answer(200, b"\x1f\x8b bomb", headers="Content-Encoding: gzip\r\n")) as receiver:
        assert await outbound.send(get(receiver.url), timeout_s=NEVER_S) == Reply(
            status=200, body=b"\x1f\x8b bomb"
        )


@pytest.mark.parametrize(
    ("behaviour", "kinds"),
    [
        (reset, {Failure.BROKEN}),
        (say(b""), {Failure.BROKEN}),
        (say(b"HTTP/1.1 200 So\r\nContent-Length: 10\r\n\r\nhalf"), {Failure.BROKEN}),
        (say(b"\x16\x03\x01 this is no HTTP\r\n\r\n"), {Failure.PROTOCOL}),
        (say(b"HTTP/1.1 999999 So\r\n\r\n"), {Failure.PROTOCOL}),
        (say(b"HTTP/1.1 200 So\r\nContent-Length: no\r\n\r\n"), {Failure.PROTOCOL}),
        (say(b"HTTP/1.1 200 So\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), {Failure.PROTOCOL}),
        (
            say(b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            {Failure.PROTOCOL, Failure.BROKEN},
        ),
    ],
)
async def test_a_broken_answer_is_a_value(outbound: Outbound, behaviour: object, kinds: set[Failure]) -> None:
    async with receiving(behaviour) as receiver:  # type: ignore[arg-type] # parametrized
        found = await outbound.send(get(receiver.url), timeout_s=NEVER_S)
        assert isinstance(found, Failed)
        assert found.kind in kinds


async def test_nobody_listens(outbound: Outbound) -> None:
    async with receiving() as receiver:
        await receiver.away()
        assert await outbound.send(get(receiver.url), timeout_s=NEVER_S) == Failed(kind=Failure.CONNECT)
        await receiver.listen()


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b.invalid", f"{'a' * 70}.invalid"])
async def test_a_name_that_leads_nowhere(outbound: Outbound, name: str) -> None:
    found = await outbound.send(get(f"http://{name}/"), timeout_s=NEVER_S)
    assert found in (Failed(kind=Failure.NAME), Failed(kind=Failure.INVALID))


@pytest.mark.parametrize(
    "message",
    [
        get("ftp://127.0.0.1/"),
        get("http://"),
        get("http://127.0.0.1:99999/"),
        get("nonsense"),
        Message(method="GE T", url="http://127.0.0.1:9/"),
    ],
)
async def test_what_is_no_request_is_said_so(outbound: Outbound, message: Message) -> None:
    assert await outbound.send(message, timeout_s=NEVER_S) == Failed(kind=Failure.INVALID)


@pytest.mark.parametrize("headers", [{"X-A": "b\r\nX-C: d"}, {"X-A": "b\0"}, {"X-A\r\nX-C": "d"}])
async def test_a_header_that_would_be_two_is_never_sent(outbound: Outbound, headers: dict[str, str]) -> None:
    async with receiving() as receiver:
        message = Message(method="GET", url=receiver.url, headers=headers)
        assert await outbound.send(message, timeout_s=NEVER_S) == Failed(kind=Failure.INVALID)
        assert receiver.seen == []


async def test_a_certificate_that_nobody_vouches_for(outbound: Outbound) -> None:
    async with receiving(say(b"no tls here")) as receiver:
        found = await outbound.send(get(f"https://127.0.0.1:{receiver.port}/"), timeout_s=SOON_S)
        assert found in (Failed(kind=Failure.TLS), Failed(kind=Failure.TIMEOUT), Failed(kind=Failure.BROKEN))


async def test_one_who_hangs_holds_up_nobody_else(outbound: Outbound) -> None:
    async with receiving(hang) as slow, receiving() as quick:
        waiting = [asyncio.ensure_future(outbound.send(get(slow.url), timeout_s=NEVER_S)) for _ in range(150)]
        await slow.until_seen(150)
        assert await outbound.send(get(quick.url), timeout_s=NEVER_S) == Reply(status=200)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_a_failure_tells_no_url(outbound: Outbound) -> None:
    async with receiving(reset) as receiver:
        found = await outbound.send(get(f"{receiver.url}/?key=pbk_secret"), timeout_s=NEVER_S)
        assert "pbk" not in repr(found)
        assert "127.0.0.1" not in repr(found)
