"""Redis crashes, hangs, drops connections or talks nonsense: calls fail at once and it comes back."""

import asyncio
from collections.abc import AsyncIterator
from threading import Event

import hiredis
import pytest

from shared.errors import Unavailable
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.scripts import Script
from tests.support.engines import Engine
from tests.support.fake_redis import Command, FakeRedis, bulk, echo

ONCE = Script("once", "return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)")
LONG = Limits(deadline_ms=30_000, silence_ms=30_000)


async def _outcome(redis: Redis, *args: str | int) -> object:
    try:
        return await redis.command(0, *args)
    except Unavailable:
        return "away"


def _pack(*command: str) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub allows one word only
    return packed


async def _until_back(redis: Redis) -> None:
    async with asyncio.timeout(10):
        await redis.until_connected()


@pytest.fixture
async def fake() -> AsyncIterator[FakeRedis]:
    async with FakeRedis() as server:
        yield server


async def test_a_crashed_server_is_dialled_again(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url, scripts=[ONCE])
    run_id = redis.run_id
    own_redis.kill9()
    assert await _outcome(redis, "PING") == "away"
    await redis.link_for(0).lost.wait()
    assert not redis.connected
    assert [await _outcome(redis, "PING") for _ in range(3)] == ["away"] * 3
    own_redis.start()
    await _until_back(redis)
    assert redis.run_id != run_id
    before = redis.calls
    assert await redis.script(ONCE, 0, keys=["h"], args=["op"]) == 1
    assert redis.calls - before == 1
    assert redis.reconnects == 1
    await redis.close()


async def test_a_hung_server_fails_each_call_then_the_link(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url)
    link = redis.link_for(0)
    own_redis.pause()
    loop = asyncio.get_running_loop()
    since = loop.time()
    assert await asyncio.gather(*(_outcome(redis, "INCR", "n") for _ in range(20))) == ["away"] * 20
    assert loop.time() - since >= 0.075
    assert redis.late == 20
    assert not link.lost.is_set()
    await link.lost.wait()
    assert loop.time() - since >= 0.24
    assert await _outcome(redis, "INCR", "n") == "away"
    own_redis.resume()
    await _until_back(redis)
    assert int(await redis.command(0, "GET", "n") or 0) in {0, 20}
    await redis.close()


async def test_a_younger_call_outlives_an_older_one(fake: FakeRedis) -> None:
    fake.answer = lambda _: None
    redis = await Redis.open(fake.url, limits=Limits(deadline_ms=80, silence_ms=30_000))
    younger: list[asyncio.Future[object]] = []
    asyncio.get_running_loop().call_later(
        0.05, lambda: younger.append(redis.link_for(0).send(_pack("ECHO", "younger")))
    )
    assert await _outcome(redis, "ECHO", "older") == "away"
    assert [call.done() for call in younger] == [False]
    await younger[0]
    assert redis.late == 2
    await redis.close()


async def test_closing_while_redis_is_away(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url)
    own_redis.pause()
    await _outcome(redis, "PING")
    await redis.link_for(0).lost.wait()
    await redis.close()
    own_redis.resume()


async def test_a_late_reply_is_dropped_and_the_next_is_right(fake: FakeRedis) -> None:
    held: list[bytes] = []

    def hold_first(command: Command) -> bytes | None:
        if command[1] == b"slow":
            held.append(bulk("slow"))
            return None
        return b"".join(held) + bulk(command[1])

    fake.answer = hold_first
    redis = await Redis.open(fake.url, limits=Limits(deadline_ms=80, silence_ms=30_000))
    assert await _outcome(redis, "ECHO", "slow") == "away"
    assert await redis.command(0, "ECHO", "quick") == b"quick"
    assert (redis.late, redis.reconnects) == (1, 0)
    await redis.close()


async def test_a_connection_cut_in_the_middle_of_a_reply(fake: FakeRedis) -> None:
    fake.answer = lambda _: None
    redis = await Redis.open(fake.url, limits=LONG)
    calls = [asyncio.ensure_future(_outcome(redis, "ECHO", number)) for number in range(3)]
    await fake.until_seen(3)
    fake.cut(last_words=bulk("0") + b"$5\r\nab")
    assert await asyncio.gather(*calls) == [b"0", "away", "away"]
    fake.answer = echo
    await _until_back(redis)
    assert await redis.command(0, "ECHO", "again") == b"again"
    assert [command[1] for command in fake.seen] == [b"0", b"1", b"2", b"again"]
    await redis.close()


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff", b"*-7\r\n", b"$x\r\n"]
)
async def test_nonsense_closes_the_link(fake: FakeRedis, nonsense: bytes) -> None:
    fake.answer = lambda command: nonsense if command[1] == b"1" else None
    redis = await Redis.open(fake.url, limits=LONG)
    calls = [asyncio.ensure_future(_outcome(redis, "ECHO", number)) for number in range(3)]
    assert await asyncio.gather(*calls) == ["away"] * 3
    fake.answer = echo
    await _until_back(redis)
    assert await redis.command(0, "ECHO", "again") == b"again"
    await redis.close()


async def test_a_reply_that_nobody_asked_for_closes_the_link(fake: FakeRedis) -> None:
    fake.answer = lambda command: bulk(command[1]) * 2
    redis = await Redis.open(fake.url, limits=LONG)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    link = redis.link_for(0)
    assert await redis.command(0, "ECHO", "x") == b"x"
    await link.lost.wait()
    assert complaints == []
    await redis.close()


@pytest.mark.parametrize("code", ["LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "OOM", "MOVED 3 h:1"])
async def test_a_server_that_cannot_serve_now_is_away(fake: FakeRedis, code: str) -> None:
    fake.answer = lambda _: f"-{code} it says why\r\n".encode()
    redis = await Redis.open(fake.url)
    assert await _outcome(redis, "GET", "k") == "away"
    with pytest.raises(Unavailable):
        await redis.script(ONCE, 0, keys=["h"], args=["op"])
    await redis.close()


async def test_a_demoted_master_is_left(fake: FakeRedis) -> None:
    fake.answer = lambda _: b"-READONLY You can't write against a read only replica.\r\n"
    redis = await Redis.open(fake.url)
    fake.info["role"] = "slave"
    assert await _outcome(redis, "INCR", "n") == "away"
    await fake.until_dialled(3)
    assert not redis.connected
    fake.info.update(role="master", run_id="b" * 40)
    fake.answer = echo
    await _until_back(redis)
    assert redis.run_id == "b" * 40
    await redis.close()


async def test_a_loading_server_is_waited_for(fake: FakeRedis) -> None:
    redis = await Redis.open(fake.url)
    fake.info["loading"] = "1"
    fake.cut()
    await fake.until_dialled(3)
    assert await _outcome(redis, "GET", "k") == "away"
    fake.info["loading"] = "0"
    await _until_back(redis)
    await redis.close()


@pytest.mark.parametrize(
    "words", [b"+OK\r\n", b"$-1\r\n", b":1\r\n", b"*0\r\n", b"$5\r\nhello\r\n", b"-MOVED 1 h\r\n"]
)
async def test_what_is_no_redis_is_dialled_again(fake: FakeRedis, words: bytes) -> None:
    """A proxy without its server, or a stranger on the port: one day Redis is back."""
    redis = await Redis.open(fake.url)
    fake.words = words
    fake.cut()
    await fake.until_dialled(3)
    assert not redis.connected
    fake.words = None
    await _until_back(redis)
    await redis.close()


async def test_a_link_that_dies_young_is_not_dialled_in_a_rush(fake: FakeRedis) -> None:
    fake.answer = lambda _: b"?"
    redis = await Redis.open(fake.url)
    loop = asyncio.get_running_loop()
    since = loop.time()
    for _ in range(5):
        await _until_back(redis)
        assert await _outcome(redis, "GET", "k") == "away"
    assert loop.time() - since >= 0.025 + 0.05 + 0.1  # the shortest pauses before the third, fourth and fifth
    await redis.close()


async def test_cancelled_calls_leave_the_rest_in_step(fake: FakeRedis) -> None:
    fake.answer = lambda _: None
    redis = await Redis.open(fake.url, limits=LONG)
    calls = [asyncio.ensure_future(redis.command(0, "ECHO", number)) for number in range(20)]
    await fake.until_seen(20)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls[::2], return_exceptions=True)
    fake.answer = lambda _: b"".join(bulk(str(number)) for number in [*range(20), "last"])
    assert await redis.command(0, "ECHO", "last") == b"last"
    assert await asyncio.gather(*calls[1::2]) == [str(number).encode() for number in range(1, 20, 2)]
    await redis.close()


async def test_calls_cancelled_before_they_left_are_sent_all_the_same(fake: FakeRedis) -> None:
    redis = await Redis.open(fake.url, limits=LONG)
    redis.link_for(0).send(_pack("ECHO", "given up")).cancel()
    assert await redis.command(0, "ECHO", "kept") == b"kept"
    assert [command[1] for command in fake.seen] == [b"given up", b"kept"]
    await redis.close()


async def test_a_loop_that_stood_still_blames_nobody(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url)
    value = b"x" * 200_000
    await redis.command(0, "SET", "large", value)

    def stand_still() -> None:
        own_redis.resume()
        Event().wait(0.4)

    own_redis.pause()
    replies = [redis.link_for(0).send(_pack("GET", "large")) for _ in range(20)]
    asyncio.get_running_loop().call_later(0.03, stand_still)
    assert await asyncio.gather(*replies) == [value] * 20
    assert (redis.late, redis.reconnects, redis.connected) == (0, 0, True)
    await redis.close()
