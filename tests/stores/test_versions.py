"""Where a service reads the config version that is in force."""

from collections.abc import AsyncIterator

import pytest

from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.versions import PostgresVersions, RedisVersions
from tests.support.accounts import a_company
from tests.support.engines import Engine

SHARD = 1


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[Postgres]:
    postgres = await Postgres.open(postgres_dsn, max_size=1, deadline_s=10)
    yield postgres
    await postgres.close()


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(fresh_redis, scripts=())
    yield redis
    await redis.close()


async def head(redis: Redis, **fields: str) -> None:
    flat = [part for pair in fields.items() for part in pair]
    await redis.command(SHARD, "HSET", redis_keys.head(SHARD), *flat)


async def test_postgres_tells_each_change_at_once(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    versions = PostgresVersions(postgres)
    before = await versions.current(company_id, shard=SHARD)
    await postgres.execute(
        "UPDATE companies SET config_version = config_version + 1 WHERE id = $1", company_id
    )
    assert await versions.current(company_id, shard=SHARD) == before + 1
    assert await versions.current(999_999_999, shard=SHARD) == 0


async def test_redis_tells_what_its_shard_was_told(redis: Redis) -> None:
    versions = RedisVersions(redis)
    await head(redis, epoch=redis.run_id_of(SHARD))
    assert await versions.current(7, shard=SHARD) == 0
    await redis.command(SHARD, "HSET", redis_keys.head(SHARD), "v:7", 42)
    assert await versions.current(7, shard=SHARD) == 42


@pytest.mark.parametrize("epoch", ["", "another"])
async def test_a_cold_shard_tells_nothing(redis: Redis, epoch: str) -> None:
    if epoch:
        await head(redis, epoch=epoch)
    with pytest.raises(Unavailable):
        await RedisVersions(redis).current(7, shard=SHARD)


async def test_postgres_away_is_unavailable(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url, max_size=1, deadline_s=1)
    try:
        own_postgres.kill9()
        with pytest.raises(Unavailable):
            await PostgresVersions(postgres).current(1, shard=SHARD)
    finally:
        await postgres.close()
