"""The worker as a process: what it does by itself, and how soon."""

import http.client
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.clock import Clock
from shared.domain.keys import Level
from shared.domain.lists import bucket_of
from shared.errors import Unavailable
from shared.stores import lists, redis_keys
from shared.stores.pings import find_ping
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.engines import Engine, fresh_database_of, make_template
from tests.support.processes import ServiceProcess, ops_status, running_service, wait_until, worker_settings
from tests.support.streams import append, confirmation, event, reserved
from tests.support.waiting import eventually

PATIENT = Limits(deadline_ms=5_000, silence_ms=10_000, waiting=4_096)
SHARD = 9
CALLER = "+12125551212"


@pytest.fixture
def worker(fresh_database: str, own_redis: Engine) -> Iterator[ServiceProcess]:
    environment = worker_settings(fresh_database, own_redis.url)
    with running_service("worker", environment) as service:
        yield service


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=2, deadline_s=15)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(own_redis: Engine) -> AsyncIterator[Redis]:
    redis = await Redis.open(own_redis.url, limits=PATIENT)
    yield redis
    await redis.close()


def _metrics(worker: ServiceProcess) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", worker.ops_port, timeout=5)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def _waits(worker: ServiceProcess) -> int:
    """How often the drain said that it waits."""
    return sum('"job_waits"' in line and '"drain"' in line for line in worker.log.read_text().splitlines())


async def test_it_is_ready_once_every_shard_serves(worker: ServiceProcess, redis: Redis) -> None:
    assert ops_status(worker.ops_port, "/readyz") == 200
    for shard in range(64):
        epoch = await redis.command(shard, "HGET", redis_keys.head(shard), "epoch")
        assert epoch == redis.run_id.encode()


async def test_a_ping_is_in_the_log_within_two_seconds_and_ends_there(
    worker: ServiceProcess, postgres: Postgres, redis: Redis
) -> None:
    now_ms = Clock().now_ms()
    ping = event(now_ms, SHARD)
    entries = [
        reserved(ping, expires_ms=now_ms + 500, subjects="b12"),
        ("e", "poison", "r", ""),
        confirmation(ping.uuid, now_ms + 1, "b12"),
    ]
    await append(redis, SHARD, entries, at_ms=now_ms)

    async def status() -> str:
        row = await find_ping(postgres, ping.uuid)
        return row.status if row else ""

    await eventually(status, within_s=2.0, what="the ping is in the log")
    assert await status() == "confirmed"

    async def expired() -> bool:
        return await status() == "expired"

    await eventually(expired, within_s=10.0, what="the ping ended")
    metrics = _metrics(worker)
    assert metrics["ringpost_rows_drained_total"] == 2
    assert metrics["ringpost_events_poisoned_total"] == 1
    assert metrics["ringpost_shards_rebuilt_total"] == 64
    assert metrics["ringpost_stream_length"] == 0


async def test_a_hold_that_ran_out_is_given_back_where_nobody_pings(
    worker: ServiceProcess, redis: Redis
) -> None:
    expires_ms = Clock().now_ms() + 300
    await redis.command(SHARD, "HSET", redis_keys.fills(SHARD), "h:b12", "1")
    await redis.command(SHARD, "ZADD", redis_keys.due(SHARD), expires_ms, "some-uuid|b12")

    async def free() -> bool:
        return not await redis.command(SHARD, "HEXISTS", redis_keys.fills(SHARD), "h:b12")

    await eventually(free, within_s=3.0, what="the hold is given back")
    assert Clock().now_ms() >= expires_ms


async def test_what_a_request_still_owes_is_applied(
    worker: ServiceProcess, postgres: Postgres, redis: Redis
) -> None:
    insert = "INSERT INTO companies (name, shard, config_version) VALUES ('one', $1, 5) RETURNING id"
    company = await postgres.fetchval(insert, SHARD)
    await postgres.execute("INSERT INTO hot_sync (company_id, kind) VALUES ($1, 'version')", company)

    async def told() -> bool:
        return bool(await redis.command(SHARD, "HGET", redis_keys.head(SHARD), f"v:{company}") == b"5")

    await eventually(told, within_s=3.0, what="the version stands in Redis")
    assert await postgres.fetchval("SELECT count(*) FROM hot_sync") == 0


async def test_a_place_that_only_postgres_knows_is_mirrored(
    worker: ServiceProcess, postgres: Postgres, redis: Redis
) -> None:
    insert = "INSERT INTO companies (name, shard) VALUES ('one', $1) RETURNING id"
    company = await postgres.fetchval(insert, SHARD)
    await postgres.execute("INSERT INTO cap_fills (company_id, subject, rev) VALUES ($1, 'b1', 9)", company)

    async def mirrored() -> bool:
        return bool(await redis.command(SHARD, "HEXISTS", redis_keys.fills(SHARD), "b1"))

    await eventually(mirrored, within_s=6.0, what="the mirror stands in Redis")


async def test_a_listed_caller_whose_time_is_over_is_let_go(
    worker: ServiceProcess, postgres: Postgres, redis: Redis
) -> None:
    insert = "INSERT INTO companies (name, shard) VALUES ('one', $1) RETURNING id, list_buckets"
    company, buckets = await postgres.fetchrow(insert, SHARD) or (0, 0)
    async with postgres.transaction() as connection:
        made = await lists.create_list(
            connection,
            company,
            level=Level.COMPANY,
            entity_id=company,
            name="suppressed",
            expires_after_seconds=2,
        )
        await lists.add_numbers(connection, made, numbers=[CALLER])
    bucket, field = bucket_of(CALLER, buckets)
    key = redis_keys.bucket(SHARD, company, buckets=buckets, number=bucket)

    async def listed() -> bool:
        return bool(await redis.command(SHARD, "HEXISTS", key, field))

    async def let_go() -> bool:
        return not await listed()

    await eventually(listed, within_s=2.0, what="the caller is listed in Redis")
    await eventually(let_go, within_s=6.0, what="the caller is let go")
    assert await postgres.fetchval("SELECT count(*) FROM caller_list_numbers") == 0


async def test_a_redis_that_comes_back_is_rebuilt_within_five_seconds(
    worker: ServiceProcess, redis: Redis, own_redis: Engine
) -> None:
    own_redis.restart()

    async def warm() -> bool:
        return redis.connected and ops_status(worker.ops_port, "/readyz") == 200

    async def epochs() -> bool:
        try:
            found = {await redis.command(0, "HGET", redis_keys.head(shard), "epoch") for shard in range(64)}
        except Unavailable:  # it may drop a connection once more while it reads its file
            return False
        return found == {redis.run_id.encode()}

    await eventually(warm, what="the worker is ready again")
    await eventually(epochs, within_s=5.0, what="every shard serves")


async def test_it_waits_for_postgres_and_goes_on(own_postgres: Engine, own_redis: Engine) -> None:
    make_template(own_postgres.url)
    with fresh_database_of(own_postgres.url) as dsn:
        environment = worker_settings(dsn, own_redis.url)
        redis = await Redis.open(own_redis.url, limits=PATIENT)
        with running_service("worker", environment) as worker:
            own_postgres.kill9()
            now_ms = Clock().now_ms()
            ping = event(now_ms, SHARD)
            await append(redis, SHARD, [reserved(ping, expires_ms=now_ms + 60_000)], at_ms=now_ms)
            wait_until(lambda: _waits(worker) == 1, within_s=10, what="the drain says that it waits")
            assert ops_status(worker.ops_port, "/livez") == 200
            own_postgres.start()
            postgres = await Postgres.open(dsn)

            async def stored() -> bool:
                return await find_ping(postgres, ping.uuid) is not None

            await eventually(stored, what="the ping is in the log")
            await postgres.close()
            lines = worker.log.read_text()
            assert _waits(worker) == 1, "it says so once"
            assert ping.caller not in lines
            assert worker.stop() == 0
        await redis.close()
