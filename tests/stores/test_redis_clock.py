"""The sampler on a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from shared.clock import Clock
from shared.errors import Unavailable
from shared.stores.clock_sampler import ClockSampler
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.fake_redis import FakeRedis

_TIME = b"*2\r\n$10\r\n1790000000\r\n$6\r\n250000\r\n"


def _host_off_by(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


@pytest.fixture
async def fake() -> AsyncIterator[FakeRedis]:
    async with FakeRedis() as server:
        yield server


@pytest.mark.parametrize("off_s", [-300, 0, 300])
async def test_redis_time_counts_whatever_the_host_says(redis_url: str, off_s: float) -> None:
    redis = await Redis.open(redis_url)
    clock = Clock(time.monotonic, _host_off_by(off_s))
    await ClockSampler(clock, redis).resync()
    seconds, micros = await redis.command(0, "TIME")
    assert abs(clock.now_ms() - int(seconds) * 1000 - int(micros) // 1000) < 1000
    await redis.close()


async def test_many_who_need_a_look_share_one(fake: FakeRedis) -> None:
    fake.answer = lambda _: None
    redis = await Redis.open(fake.url, limits=Limits(deadline_ms=30_000, silence_ms=30_000))
    clock = Clock(lambda: 5.0, lambda: 0.0)
    sampler = ClockSampler(clock, redis)
    looks = [asyncio.ensure_future(sampler.resync()) for _ in range(50)]
    await fake.until_seen(1)
    fake.answer = lambda _: _TIME * 2  # the one that waits and the next
    await redis.command(0, "PING")
    await asyncio.gather(*looks)
    assert [command[0] for command in fake.seen] == [b"TIME", b"PING"]
    assert clock.now_ms() == 1_790_000_000_250
    await redis.close()


async def test_a_look_goes_on_when_its_first_asker_leaves(fake: FakeRedis) -> None:
    fake.answer = lambda _: None
    redis = await Redis.open(fake.url, limits=Limits(deadline_ms=30_000, silence_ms=30_000))
    clock = Clock(lambda: 5.0, lambda: 0.0)
    sampler = ClockSampler(clock, redis)
    first, second = (asyncio.ensure_future(sampler.resync()) for _ in range(2))
    await fake.until_seen(1)
    first.cancel()
    await fake.until_seen(2)
    fake.answer = lambda _: _TIME * 3
    await redis.command(0, "PING")
    await second
    assert clock.now_ms() == 1_790_000_000_250
    await redis.close()


async def test_a_look_that_fails_fails_for_all(fake: FakeRedis) -> None:
    fake.answer = lambda _: None
    redis = await Redis.open(fake.url)
    sampler = ClockSampler(Clock(), redis)
    outcomes = await asyncio.gather(*(sampler.resync() for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
    assert len(fake.seen) == 1
    await redis.close()


async def test_the_sampler_runs_on_while_redis_is_away(fake: FakeRedis) -> None:
    fake.answer = lambda _: _TIME
    redis = await Redis.open(fake.url)
    clock = Clock(lambda: 5.0, lambda: 0.0)
    fake.cut()
    await redis.link_for(0).lost.wait()
    run = asyncio.create_task(ClockSampler(clock, redis).run())
    async with asyncio.timeout(10):
        await fake.until_seen(1)
        await redis.command(0, "PING")
    assert clock.now_ms() == 1_790_000_000_250
    run.cancel()
    await asyncio.wait([run])
    await redis.close()
