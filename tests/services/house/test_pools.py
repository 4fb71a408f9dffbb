"""The stores of a process: settings have effect in every service, and a start that fails leaves nothing open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from deploy.local.ports import free_port
from services.rtb.app import SERVICE as RTB
from services.worker.app import SERVICE as WORKER
from shared.errors import OperatorError, Unavailable
from shared.pools import Pools
from shared.service_run import Service
from shared.settings import read_settings
from shared.stores.redis import Redis
from tests.support.engines import Engine
from tests.support.waiting import eventually

both = pytest.mark.parametrize("service", [RTB, WORKER], ids=lambda service: service.name)
SELECT_OPEN = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()"
)


def settings_of(service: Service[Any], dsn: str, *, redis_url: str, **more: str) -> Any:
    """A service's settings, as its environment gives them."""
    environ = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": "pepper-of-the-tests",
    }
    environ |= {f"RINGPOST_{name.upper()}": value for name, value in more.items()}
    return read_settings(service.settings, environ)


@asynccontextmanager
async def started(service: Service[Any], settings: Any) -> AsyncIterator[Any]:
    """Its app between start and close."""
    app = service.make_app(settings)
    await app.start()
    try:
        yield app
    finally:
        await app.close()


async def open_in(dsn: str, service: Service[Any]) -> int:
    """How many connections that service has in Postgres."""
    connection = await asyncpg.connect(dsn)
    try:
        count: int = await connection.fetchval(SELECT_OPEN, f"ringpost-{service.name}")
    finally:
        await connection.close()
    return count


async def until_closed(dsn: str, service: Service[Any]) -> None:
    async def closed() -> bool:
        return await open_in(dsn, service) == 0

    await eventually(closed, what="no connection is left behind")


@both
async def test_the_checks_of_redis_can_be_switched_off(
    service: Service[Any], fresh_database: str, own_redis: Engine
) -> None:
    redis = await Redis.open(own_redis.url)
    await redis.command(0, "CONFIG", "SET", "appendonly", "no")
    await redis.close()
    app = service.make_app(settings_of(service, fresh_database, redis_url=own_redis.url))
    with pytest.raises(OperatorError, match="append"):
        await app.start()
    await until_closed(fresh_database, service)
    unchecked = settings_of(service, fresh_database, redis_url=own_redis.url, redis_checks="false")
    async with started(service, unchecked):
        assert await open_in(fresh_database, service) >= 1
    await until_closed(fresh_database, service)


@both
async def test_deadline_and_number_of_connections(
    service: Service[Any], fresh_database: str, fresh_redis: str
) -> None:
    settings = settings_of(
        service, fresh_database, redis_url=fresh_redis, postgres_connections="2", postgres_deadline_s="0.5"
    )
    pools = await Pools.open(settings, name=service.name, scripts=())
    try:
        async with pools.postgres.transaction(), pools.postgres.transaction():
            assert await open_in(fresh_database, service) == 2
            with pytest.raises(Unavailable):
                await pools.postgres.fetchval("SELECT 1")
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await pools.postgres.execute("SELECT pg_sleep(60)")
    finally:
        await pools.close()


@both
async def test_a_start_without_redis_leaves_nothing_open(service: Service[Any], fresh_database: str) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    app = service.make_app(settings_of(service, fresh_database, redis_url=nowhere))
    with pytest.raises(OperatorError, match="redis at"):
        await app.start()
    await until_closed(fresh_database, service)


async def test_a_worker_whose_schema_is_missing_leaves_nothing_open(
    empty_database: str, fresh_redis: str
) -> None:
    app = WORKER.make_app(settings_of(WORKER, empty_database, redis_url=fresh_redis))
    with pytest.raises(asyncpg.UndefinedTableError):
        await app.start()
    await until_closed(empty_database, WORKER)
    assert asyncio.all_tasks() == {asyncio.current_task()}
