"""What comes over a connection to a buyer: answers of every form, whole, broken or hostile."""

import asyncio
import socket
import struct

import pytest

from shared.domain.outgoing import Failed, Failure, Message, Reply
from shared.outbound import REPLY_LIMIT_BYTES
from shared.pinging.buyers import Asked, Buyers
from tests.services.pinging.scene import LATE, NEVER_MS, NEVER_S, SOON_S, ask, get, one, post
from tests.support.receiver import Behaviour, answer, drip, end, flood, hang, receiving, redirect, reset, say
from tests.support.waiting import eventually, give_way

OK = b"HTTP/1.1 200 So\r\n"
EARLY = b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Soon\r\nLink: x\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_a_request_arrives_as_it_was_written(buyers: Buyers) -> None:
    async with receiving(answer(201, b'{"a":1}')) as receiver:
        message = Message(
            method="POST",
            url=f"{receiver.url}/a%2Fb?x=1%2B1&y=a+b#part",
            headers={"X-One": "two \u00e9", "Content-Type": "application/json"},
            body=b'{"x":"\xc3\xa9"}',
        )
        asked = Asked(buyer_id=7, message=message, timeout_ms=NEVER_MS)
        (heard,) = await buyers.ask([asked], deadline_s=asyncio.get_running_loop().time() + NEVER_S)
        assert (heard.buyer_id, heard.came, heard.is_late) == (7, Reply(status=201, body=b'{"a":1}'), False)
        (seen,) = receiver.seen
        assert (seen.method, seen.target, seen.body) == ("POST", "/a%2Fb?x=1%2B1&y=a+b", message.body)
        assert seen.headers == {
            "host": receiver.host,
            "accept-encoding": "identity",
            "x-one": "two \u00e9",
            "content-type": "application/json",
            "user-agent": "Ringpost",
            "content-length": "10",
        }


@pytest.mark.parametrize(
    ("raw", "came"),
    [
        (OK + b"Content-Length: 3\r\n\r\nyes", Reply(status=200, body=b"yes")),
        (OK + b"Content-Length: 0\r\n\r\n", Reply(status=200)),
        (b"HTTP/1.1 204 None\r\n\r\n", Reply(status=204)),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", Reply(status=500, body=b"no")),
        (CHUNKED + b"2\r\nye\r\n1\r\ns\r\n0\r\n\r\n", Reply(status=200, body=b"yes")),
        (CHUNKED + b"0\r\n\r\n", Reply(status=200)),
        (CHUNKED + b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n", Reply(status=200, body=b"x" * 30_000)),
        (EARLY + OK + b"Content-Length: 1\r\n\r\nx", Reply(status=200, body=b"x")),
        (
            OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8bb",
            Reply(status=200, body=b"\x1f\x8bb"),
        ),
    ],
)
async def test_whole_answers_leave_the_connection_for_the_next(
    buyers: Buyers, raw: bytes, came: Reply
) -> None:
    async with receiving(say(raw), keeps=True) as receiver:
        for _ in range(3):
            assert await ask(buyers, receiver.url) == [came]
        assert (len(receiver.seen), receiver.connections) == (3, 1)


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nyes", b"yes"),
        (b"HTTP/1.0 200 So\r\nContent-Length: 3\r\n\r\nyes", b"yes"),
        (OK + b"Content-Length: 3\r\n\r\nyes" + OK + b"Content-Length: 0\r\n\r\n", b"yes"),  # one too many
    ],
)
async def test_a_connection_with_an_end_or_with_more_than_was_asked_for_is_not_used_again(
    buyers: Buyers, raw: bytes, body: bytes
) -> None:
    async with receiving(say(raw), keeps=True) as receiver:
        for _ in range(2):
            assert await ask(buyers, receiver.url) == [Reply(status=200, body=body)]
        assert receiver.connections == 2


async def test_what_comes_unasked_ends_a_kept_connection(
    buyers: Buyers, caplog: pytest.LogCaptureFixture
) -> None:
    async def unasked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 0\r\n\r\n")
        await writer.drain()
        await later.wait()
        writer.write(OK + b"Content-Length: 4\r\n\r\nmine")

    later = asyncio.Event()
    async with receiving(unasked, answer(body=b"yours"), keeps=True) as receiver:
        assert await ask(buyers, receiver.url) == [Reply(status=200)]
        later.set()

        async def is_left() -> bool:
            return receiver.open == 0

        await eventually(is_left, what="the connection is closed")
        assert await ask(buyers, receiver.url) == [Reply(status=200, body=b"yours")]
        assert caplog.records == []


@pytest.mark.parametrize("body", [b"", b"all that there is"])
async def test_a_body_without_a_length_ends_with_the_connection(buyers: Buyers, body: bytes) -> None:
    async with receiving(end(OK + b"\r\n" + body), keeps=True) as receiver:
        assert await ask(buyers, receiver.url) == [Reply(status=200, body=body)]


async def test_a_body_without_a_length_that_is_torn_off_is_broken(buyers: Buyers) -> None:
    async def tear(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"\r\nhalf")
        await writer.drain()
        await give_way()
        no_goodbye = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
        writer.transport.abort()

    async with receiving(tear, keeps=True) as receiver:
        assert await ask(buyers, receiver.url) == [Failed(kind=Failure.BROKEN)]


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (reset, Failure.BROKEN),
        (end(b""), Failure.BROKEN),
        (end(b"HTTP/1.1 2"), Failure.BROKEN),
        (end(OK + b"X-A: b\r\n"), Failure.BROKEN),
        (end(OK + b"Content-Length: 10\r\n\r\nhalf"), Failure.BROKEN),
        (end(CHUNKED + b"5\r\nhalf"), Failure.BROKEN),
        (end(CHUNKED + b"4\r\nhalf\r\n"), Failure.BROKEN),
        (say(CHUNKED + b"zz\r\n"), Failure.PROTOCOL),
        (say(b"\x16\x03\x01 this is no HTTP\r\n\r\n"), Failure.PROTOCOL),
        (say(b"HTTP/1.1 999999 So\r\n\r\n"), Failure.PROTOCOL),
        (say(OK + b"Content-Length: no\r\n\r\n"), Failure.PROTOCOL),
        (say(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), Failure.PROTOCOL),
        (say(OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n"), Failure.PROTOCOL),
        (say(OK + b"X: y\r\n" * 200 + b"\r\n"), Failure.PROTOCOL),
        (say(b"HTTP/1.1 100 Wait\r\n\r\n" * 40_000), Failure.PROTOCOL),
        (say(b"HTTP/1.1 101 Other\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"), Failure.PROTOCOL),
        (flood(10 * 1024 * 1024), Failure.TOO_LARGE),
        (say(OK + b"Content-Length: 65537\r\n\r\n" + bytes(65_537)), Failure.TOO_LARGE),
        (say(CHUNKED + b"1;" + b"e" * 300_000 + b"\r\n"), Failure.TOO_LARGE),
    ],
)
async def test_a_broken_or_hostile_answer_is_a_value_and_the_end_of_its_connection(
    buyers: Buyers, behaviour: Behaviour, kind: Failure
) -> None:
    async with receiving(behaviour, answer(), keeps=True) as receiver:
        assert await ask(buyers, receiver.url) == [Failed(kind=kind)]
        assert await ask(buyers, receiver.url) == [Reply(status=200)]
        assert (len(receiver.seen), receiver.connections) == (2, 2)


async def test_the_longest_body_is_read_whole(buyers: Buyers) -> None:
    body = bytes(REPLY_LIMIT_BYTES)
    async with receiving(answer(body=body)) as receiver:
        assert await ask(buyers, receiver.url) == [Reply(status=200, body=body)]


@pytest.mark.parametrize(
    "behaviour", [hang, drip(), drip(OK + b"X-Long: "), drip(b""), say(OK + b"Content-Length: 9\r\n\r\nhalf")]
)
async def test_who_does_not_come_to_an_end_is_left(buyers: Buyers, behaviour: Behaviour) -> None:
    async with receiving(behaviour, keeps=True) as receiver:
        assert await ask(buyers, receiver.url, within_s=SOON_S) in ([LATE], [Failed(kind=Failure.PROTOCOL)])

        async def is_left() -> bool:
            return receiver.open == 0

        await eventually(is_left, what="the connection is closed")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(buyers: Buyers, status: int) -> None:
    async with receiving() as inside, receiving(redirect(f"{inside.url}/secret", status)) as receiver:
        assert await ask(buyers, receiver.url) == [Reply(status=status)]
        assert inside.seen == []


async def test_a_kept_connection_that_has_gone_costs_a_ping_nothing(buyers: Buyers) -> None:
    async with receiving(answer(body=b"1"), reset, answer(body=b"2"), keeps=True) as receiver:
        assert await ask(buyers, receiver.url) == [Reply(status=200, body=b"1")]
        assert await ask(buyers, receiver.url) == [Reply(status=200, body=b"2")]
        assert (len(receiver.seen), receiver.connections) == (3, 2)


async def test_the_second_time_it_takes_no_other_kept_connection(buyers: Buyers) -> None:
    async with receiving(answer(), answer(), reset, answer(), keeps=True) as receiver:
        assert await ask(buyers, receiver.url, receiver.url) == [Reply(status=200)] * 2
        assert await ask(buyers, receiver.url) == [Reply(status=200)]
        assert receiver.connections == 3


async def test_it_is_asked_once_more_and_no_more(buyers: Buyers) -> None:
    async with receiving(answer(), reset, reset, answer(), keeps=True) as receiver:
        await ask(buyers, receiver.url)
        assert await ask(buyers, receiver.url) == [Failed(kind=Failure.BROKEN)]
        assert len(receiver.seen) == 3


@pytest.mark.parametrize("raw", [b"H", OK])
async def test_one_that_broke_within_its_answer_is_not_asked_again(buyers: Buyers, raw: bytes) -> None:
    async with receiving(answer(), end(raw), answer(), keeps=True) as receiver:
        await ask(buyers, receiver.url)
        assert await ask(buyers, receiver.url) == [Failed(kind=Failure.BROKEN)]
        assert len(receiver.seen) == 2


async def test_a_post_is_sent_once(buyers: Buyers) -> None:
    async with receiving(answer(), reset, answer(), keeps=True) as receiver:
        await ask(buyers, receiver.url)
        assert await post(buyers, one(f"{receiver.url}/post")) == Failed(kind=Failure.BROKEN)
        assert [seen.target for seen in receiver.seen] == ["/", "/post"]


async def test_a_post_takes_the_connection_that_answered_just_now(buyers: Buyers) -> None:
    async with receiving(keeps=True) as receiver:
        await ask(buyers, receiver.url)
        assert await post(buyers, one(receiver.url)) == Reply(status=200)
        assert receiver.connections == 1


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b.invalid", f"{'a' * 70}.invalid"])
async def test_a_name_that_leads_nowhere(buyers: Buyers, name: str) -> None:
    assert await ask(buyers, f"http://{name}/") == [Failed(kind=Failure.NAME)]


async def test_nobody_listens(buyers: Buyers) -> None:
    async with receiving() as receiver:
        await receiver.away()
        assert await ask(buyers, receiver.url) == [Failed(kind=Failure.CONNECT)]
        await receiver.listen()
        assert await ask(buyers, receiver.url) == [Reply(status=200)]


async def test_a_failure_tells_nothing_of_the_message(buyers: Buyers) -> None:
    async with receiving(reset) as receiver:
        (came,) = await ask(buyers, f"{receiver.url}/?key=pbk_secret")
        assert isinstance(came, Failed)
        assert "pbk" not in repr(came)
        assert "127.0.0.1" not in repr(came)
        assert repr(get("x")) not in repr(came)
