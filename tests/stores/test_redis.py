"""Scripts and commands over the batcher, on a real Redis."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from shared.errors import Overloaded
from shared.stores.redis import Redis
from shared.stores.redis_faults import RedisCommandError, RedisScriptError
from shared.stores.redis_link import BATCH, Limits
from shared.stores.scripts import Script

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000, waiting=20_000)
ADD = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
SHAPES = Script("shapes", "return {1, 'two', {KEYS[1], ARGV[1]}, false}")


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    opened = await Redis.open(fresh_redis, scripts=[ADD], limits=PATIENT)
    yield opened
    await opened.close()


async def test_a_script_is_one_call(redis: Redis) -> None:
    before = redis.calls
    assert await redis.script(ADD, 7, keys=["{s07}:n"], args=[5]) == 5
    assert await redis.script(ADD, 7, keys=["{s07}:n"], args=["-2"]) == 3
    assert redis.calls - before == redis.round_trips - before == 2


async def test_replies_keep_their_shape(redis: Redis) -> None:
    assert await redis.script(SHAPES, 0, keys=[b"k"], args=["é"]) == [1, b"two", [b"k", "é".encode()], None]
    assert await redis.command(0, "GET", "nothing") is None
    assert await redis.command(0, "LRANGE", "nothing", 0, -1) == []


async def test_an_unknown_script_is_loaded_and_run_once(redis: Redis) -> None:
    other = Script("other", "return redis.call('INCR', KEYS[1])")
    assert await redis.script(other, 0, keys=["n"], args=[]) == 1


async def test_scripts_survive_a_flush_of_scripts(redis: Redis) -> None:
    await redis.command(0, "SCRIPT", "FLUSH")
    answers = await asyncio.gather(*(redis.script(ADD, 0, keys=["n"], args=[1]) for _ in range(100)))
    assert sorted(answers) == list(range(1, 101))


async def test_a_registered_script_needs_no_second_try(redis: Redis) -> None:
    before = redis.calls
    await redis.script(ADD, 0, keys=["n"], args=[1])
    assert redis.calls - before == 1


@pytest.mark.parametrize(
    "source",
    [
        "return redis.call('INCRBY', KEYS[1], ARGV[1])",
        "return error('what is ' .. ARGV[1])",
        "return redis.error_reply('ERR ' .. ARGV[1])",
        "return {} .. ARGV[1]",
        "return redis.call(ARGV[1], KEYS[1])",
        "return _G[ARGV[1]]",
        "return redis.call('GET', KEYS[1], ARGV[1])",
        "not lua",
    ],
)
async def test_a_broken_script_is_a_fault_that_names_no_argument(redis: Redis, source: str) -> None:
    with pytest.raises(RedisScriptError, match="redis script broken: ") as caught:
        await redis.script(Script("broken", source), 0, keys=["k"], args=["+13105551212"])
    assert "310" not in str(caught.value)
    assert await redis.command(0, "PING") == b"PONG"


async def test_a_fault_says_where_in_the_script(redis: Redis) -> None:
    with pytest.raises(RedisScriptError, match=r"^redis script broken: ERR at line 2 \(attempt to compare"):
        await redis.script(Script("broken", "local a\nreturn a < 1"), 0, keys=[], args=[])


async def test_a_refused_command_names_no_argument(redis: Redis) -> None:
    await redis.command(0, "SET", "text", "x")
    with pytest.raises(RedisCommandError, match=r"^redis command LPUSH: WRONGTYPE$"):
        await redis.command(0, "LPUSH", "text", "secret")
    with pytest.raises(RedisCommandError, match=r"^redis command NOSUCH: ERR \(unknown command\)$"):
        await redis.command(0, "NOSUCH", "secret")


async def test_commands_come_back_in_order(redis: Redis) -> None:
    before = redis.calls, redis.round_trips
    assert await redis.commands(0, [("INCR", "n"), ("INCRBY", "n", 5), ("GET", "n")]) == [1, 6, b"6"]
    assert (redis.calls - before[0], redis.round_trips - before[1]) == (3, 1)
    assert await redis.commands(0, []) == []


async def test_a_long_list_of_commands_goes_in_chunks(redis: Redis) -> None:
    trips = redis.round_trips
    replies = await redis.commands(0, [("ECHO", number) for number in range(1000)])
    assert replies == [b"%d" % number for number in range(1000)]
    assert redis.round_trips - trips == 8


async def test_the_first_refused_command_of_a_list_is_raised(redis: Redis) -> None:
    with pytest.raises(RedisCommandError, match="redis command LPUSH: WRONGTYPE"):
        await redis.commands(0, [("SET", "a", "1"), ("LPUSH", "a", "1"), ("SET", "b", "1")])
    assert await redis.command(0, "GET", "b") == b"1"


async def test_calls_of_one_tick_share_writes(redis: Redis) -> None:
    before = redis.writes
    await asyncio.gather(*(redis.command(0, "ECHO", number) for number in range(3 * BATCH + 1)))
    assert redis.writes - before == 4


async def test_large_values_come_whole(redis: Redis) -> None:
    value = random.Random(1).randbytes(3_000_000)
    await redis.command(0, "SET", "large", value)
    assert await redis.commands(0, [("GET", "large"), ("STRLEN", "large")]) == [value, len(value)]


async def test_a_call_beyond_the_bound_is_refused_and_never_sent(fresh_redis: str) -> None:
    redis = await Redis.open(fresh_redis, limits=Limits(waiting=4))
    outcomes = await asyncio.gather(
        *(redis.command(0, "INCR", "n") for _ in range(7)), return_exceptions=True
    )
    assert outcomes[:4] == [1, 2, 3, 4]
    assert [type(outcome) for outcome in outcomes[4:]] == [Overloaded] * 3
    with pytest.raises(Overloaded):
        await redis.commands(0, [("INCR", "n")] * 5)
    assert await redis.command(0, "GET", "n") == b"4"
    assert redis.overloaded == 4
    await redis.close()


@pytest.mark.parametrize("seed", range(3))
async def test_ten_thousand_calls_each_get_their_own_reply(redis: Redis, seed: int) -> None:
    dice = random.Random(seed)
    calls = [asyncio.ensure_future(_ask(redis, dice, number)) for number in range(10_000)]
    for _ in range(50):
        await redis.command(0, "PING")
        for call in dice.sample(calls, 60):
            call.cancel()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    cancelled = sum(isinstance(reply, asyncio.CancelledError) for reply in replies)
    assert all(
        reply == b"%d" % number
        for number, reply in enumerate(replies)
        if not isinstance(reply, asyncio.CancelledError)
    )
    assert 0 < cancelled < 4_000
    assert await redis.command(0, "ECHO", "in step") == b"in step"


async def _ask(redis: Redis, dice: random.Random, number: int) -> object:
    ways: list[Callable[[], object]] = [
        lambda: redis.command(0, "ECHO", number),
        lambda: redis.script(Script("own", "return ARGV[1]"), 0, keys=["k"], args=[number]),
    ]
    return await dice.choice(ways)()  # type: ignore[misc]  # both are coroutines


async def test_every_shard_has_its_link(redis: Redis) -> None:
    assert redis.link_for(0) is redis.link_for(63)
    assert redis.run_id == redis.run_id_of(17)
    assert len(redis.run_id) == 40
