"""Callers work on while connections are cut and the server hangs or crashes: nothing is applied twice."""

import asyncio
from contextlib import suppress

from shared.errors import Unavailable
from shared.stores.redis import Redis
from shared.stores.scripts import Script
from tests.support.engines import Engine

ONCE = Script("once", "return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)")
HASH = "{s00}:operations"


class Crew:
    """Callers that each run one operation after another, every one with its own id."""

    def __init__(self, redis: Redis, size: int) -> None:
        self.done: set[bytes] = set()
        self.unknown = 0
        self._redis = redis
        self._stopped = False
        self._progress = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(size)]

    async def until_done(self, more: int) -> None:
        async with self._progress:
            enough = len(self.done) + more
            await self._progress.wait_for(lambda: len(self.done) >= enough)

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def _work(self, worker: int) -> None:
        number = 0
        while not self._stopped:
            number += 1
            operation = b"%d-%d" % (worker, number)
            try:
                assert await self._redis.script(ONCE, 0, keys=[HASH], args=[operation]) == 1
            except Unavailable:
                self.unknown += 1
                await self._redis.until_connected()
                continue
            async with self._progress:
                self.done.add(operation)
                self._progress.notify_all()


async def _cut(redis: Redis) -> None:
    link = redis.link_for(0)
    with suppress(Unavailable):
        await redis.command(0, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    await link.lost.wait()


async def _hang(redis: Redis, engine: Engine) -> None:
    link = redis.link_for(0)
    engine.pause()
    await link.lost.wait()
    engine.resume()


async def _applied(redis: Redis) -> dict[bytes, bytes]:
    async with asyncio.timeout(10):
        await redis.until_connected()
    replies = await redis.command(0, "HGETALL", HASH)
    return dict(zip(replies[::2], replies[1::2], strict=True))


async def test_lost_links_never_double_nor_lose(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url, scripts=[ONCE])
    crew = Crew(redis, size=32)
    for _ in range(4):
        await crew.until_done(300)
        await _cut(redis)
        await crew.until_done(300)
        await redis.command(0, "SCRIPT", "FLUSH")
        await crew.until_done(300)
        await _hang(redis, own_redis)
    await crew.until_done(1)
    await crew.stop()
    applied = await _applied(redis)
    assert set(applied.values()) == {b"1"}
    assert crew.done <= applied.keys()
    assert len(applied) <= len(crew.done) + crew.unknown
    assert crew.unknown > 0
    assert redis.reconnects == 8
    await redis.close()


async def test_a_crash_never_doubles(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url, scripts=[ONCE])
    crew = Crew(redis, size=32)
    for _ in range(2):
        await crew.until_done(300)
        link = redis.link_for(0)
        own_redis.kill9()
        await link.lost.wait()
        own_redis.start()
    await crew.until_done(300)
    await crew.stop()
    assert set((await _applied(redis)).values()) == {b"1"}
    assert redis.reconnects == 2
    await redis.close()
