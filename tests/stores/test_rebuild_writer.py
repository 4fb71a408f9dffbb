"""The writing of a cold shard: never a warm one, never another server's, never after being overtaken."""

from collections.abc import AsyncIterator

import pytest

from shared.clock import Clock
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.rebuild_truth import Truth
from shared.stores.rebuild_writes import ShardWriter
from shared.stores.redis import Redis
from tests.support.streams import warm

SHARD = 9


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(fresh_redis)
    yield redis
    await redis.close()


async def _hash(redis: Redis, key: str) -> dict[str, str]:
    flat = [part.decode() for part in await redis.command(SHARD, "HGETALL", key)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _writer(redis: Redis, token: str, run_id: str = "") -> ShardWriter:
    return ShardWriter(redis, SHARD, run_id=run_id or redis.run_id, token=token)


async def test_another_server_than_meant_is_not_touched(redis: Redis) -> None:
    await redis.command(SHARD, "HSET", redis_keys.head(SHARD), "v:1", "5")
    with pytest.raises(Unavailable):
        await _writer(redis, "a", run_id="0123").begin()
    assert await _hash(redis, redis_keys.head(SHARD)) == {"v:1": "5"}


async def test_a_warm_shard_is_left_alone(redis: Redis) -> None:
    await warm(redis, SHARD)
    await redis.command(SHARD, "HSET", redis_keys.fills(SHARD), "h:b1", "1")
    assert await _writer(redis, "a").begin() is False
    assert await _hash(redis, redis_keys.fills(SHARD)) == {"h:b1": "1"}


async def test_who_was_overtaken_writes_nothing_more(redis: Redis) -> None:
    late, new = _writer(redis, "a"), _writer(redis, "b")
    truth = Truth()
    truth.mirror["b12"] = "0 0 0 0 0 0 1 0 1"
    assert await late.begin()
    assert await new.begin()
    with pytest.raises(Unavailable):
        await late.write(truth, Clock().now_ms())
    with pytest.raises(Unavailable):
        await late.finish()
    assert await _hash(redis, redis_keys.head(SHARD)) == {"rebuild": "b"}
    await new.finish()
    with pytest.raises(Unavailable):
        await new.write(truth, Clock().now_ms())
    assert await redis.command(SHARD, "EXISTS", redis_keys.fills(SHARD)) == 0
