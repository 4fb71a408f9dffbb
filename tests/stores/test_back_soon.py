"""A store that was away serves again within five seconds, by itself: what is promised, not how quick it is."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.errors import Unavailable
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.scripts import Script
from tests.support.engines import Engine
from tests.support.waiting import eventually

BACK_WITHIN_S = 5.0
AWAY_S = 1.5  # pauses between two tries have grown to their longest by then
COUNT = Script("count", "return redis.call('INCR', KEYS[1])")
Use = Callable[[], Awaitable[object]]
Way = tuple[Callable[[Engine], None], Callable[[Engine], None]]
WAYS: dict[str, Way] = {"killed": (Engine.kill9, Engine.start), "hung": (Engine.pause, Engine.resume)}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """How a store goes and how it comes back."""
    return WAYS[request.param]


async def _answers(use: Use) -> bool:
    try:
        await use()
    except Unavailable:
        return False
    return True


async def _goes_and_comes_back(engine: Engine, use: Use, way: Way) -> None:
    """Use it all the time, as requests would."""

    async def away() -> bool:
        return not await _answers(use)

    go, come_back = way
    await asyncio.to_thread(go, engine)
    loop = asyncio.get_running_loop()
    until = loop.time() + AWAY_S

    async def long_enough() -> bool:
        assert await away()
        return loop.time() >= until

    await eventually(away, what="it is away")
    await eventually(long_enough, what="it was away for long enough")
    await asyncio.to_thread(come_back, engine)
    await eventually(lambda: _answers(use), within_s=BACK_WITHIN_S, what="it serves again")
    assert all([await _answers(use) for _ in range(20)]), "and goes on serving"


async def test_redis_is_back_soon(own_redis: Engine, way: Way) -> None:
    redis = await Redis.open(own_redis.url, scripts=(COUNT,))
    await _goes_and_comes_back(own_redis, lambda: redis.script(COUNT, 0, keys=("n",), args=()), way)
    await redis.close()


async def test_postgres_is_back_soon(own_postgres: Engine, way: Way) -> None:
    postgres = await Postgres.open(own_postgres.url, min_size=2, max_size=2, deadline_s=0.3)
    await _goes_and_comes_back(own_postgres, lambda: postgres.fetchval("SELECT 1"), way)
    await postgres.close()
