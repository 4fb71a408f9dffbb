"""Which key was used when and how often: each ping of the log counts once, whatever is drained again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from deploy.local.paths import MIGRATIONS
from shared.errors import Unavailable
from shared.metrics import TRACES_LEFT_OUT
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.key_uses import KeyUse, UseCounts, save_uses
from shared.stores.moments import moment
from shared.stores.pings import Claim, save_claim
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.schema import prepare
from tests.support.engines import Engine
from tests.support.streams import NOW_MS, append, confirmation, event, new_uuid, no_target, repeat, reserved
from tests.support.waiting import eventually

SHARD = 5
EXPIRES = NOW_MS + 15_000
MINUTE = datetime(2025, 10, 9, 8, 53, tzinfo=UTC)  # in which NOW_MS lies
MINUTE_MS = 60_000
INSERT_KEYS = """
INSERT INTO postback_keys (company_id, kind, level, entity_id, name, token_hmac)
SELECT (SELECT id FROM one), 'rtb', 'company', 1, name, name::bytea FROM unnest(ARRAY['a', 'b', 'c']) AS name RETURNING id
"""
WITH_COMPANY = "WITH one AS (INSERT INTO companies (name, shard) VALUES ('Acme', 5) RETURNING id) "
Used = dict[int, tuple[int, datetime]]


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=15)
    yield pool
    await pool.close()


@pytest.fixture
async def keys(postgres: Postgres) -> list[int]:
    return sorted(row["id"] for row in await postgres.fetch(WITH_COMPANY + INSERT_KEYS))


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(
        fresh_redis, scripts=(TRIM,), limits=Limits(deadline_ms=5_000, silence_ms=10_000)
    )
    yield redis
    await redis.close()


@pytest.fixture
def drain(postgres: Postgres, redis: Redis) -> Drain:
    return Drain(postgres, Streams(redis))


async def _used(postgres: Postgres) -> Used:
    rows = await postgres.fetch("SELECT key_id, uses, last_used_at FROM key_uses")
    return {row["key_id"]: (row["uses"], row["last_used_at"]) for row in rows}


async def test_each_ping_of_the_log_is_a_use_of_its_key(
    postgres: Postgres, redis: Redis, drain: Drain, keys: list[int]
) -> None:
    one, two, _ = keys
    first = event(key_id=one)
    entries = [
        reserved(first, expires_ms=EXPIRES),
        repeat(event(NOW_MS + 1, key_id=one), first.uuid, expires_ms=EXPIRES),
        confirmation(first.uuid, NOW_MS + 2),
        no_target(event(NOW_MS + MINUTE_MS, key_id=two)),
    ]
    await append(redis, SHARD, entries)
    await drain.drain([SHARD], 100)
    assert await _used(postgres) == {one: (2, MINUTE), two: (1, MINUTE + timedelta(minutes=1))}
    await append(redis, SHARD, [no_target(event(NOW_MS - MINUTE_MS, key_id=two))])
    await drain.drain([SHARD], 100)
    assert (await _used(postgres))[two] == (2, MINUTE + timedelta(minutes=1)), "the moment only moves forward"


async def test_what_is_read_again_after_a_change_of_epoch_counts_nothing(
    postgres: Postgres, redis: Redis, drain: Drain, keys: list[int]
) -> None:
    await append(redis, SHARD, [no_target(event(key_id=keys[0])) for _ in range(5)])
    await drain.drain([SHARD], 100)
    await postgres.execute("UPDATE stream_cursors SET epoch = 'another'")
    await append(redis, SHARD, [no_target(event(key_id=keys[0]))])
    assert (await drain.drain([SHARD], 100)).entries == 6
    assert await _used(postgres) == {keys[0]: (6, MINUTE)}


async def test_a_ping_whose_claim_came_first_counts_once(
    postgres: Postgres, redis: Redis, drain: Drain, keys: list[int]
) -> None:
    ping = event(key_id=keys[0])
    claim = Claim(
        uuid=ping.uuid,
        company_id=ping.company_id,
        key_id=ping.key_id,
        publisher_id=ping.publisher_id,
        campaign_id=ping.campaign_id,
        call_uuid=new_uuid(),
        at_ms=NOW_MS + 5_000,
    )
    await append(redis, SHARD, [no_target(event())])
    await drain.drain([SHARD], 100)  # makes the day's partition
    async with postgres.transaction() as connection:
        await save_claim(connection, claim)
    assert await _used(postgres) == {}, "a claim is no use of the key"
    await append(redis, SHARD, [reserved(ping, expires_ms=EXPIRES)])
    await drain.drain([SHARD], 100)
    await postgres.execute("UPDATE stream_cursors SET epoch = 'another'")
    await drain.drain([SHARD], 100)
    assert await _used(postgres) == {keys[0]: (1, MINUTE)}


async def test_rows_that_fit_no_column_count_nothing_and_hold_up_no_other(
    postgres: Postgres, redis: Redis, drain: Drain, keys: list[int]
) -> None:
    good = [no_target(event(key_id=keys[i % 2])) for i in range(20)]
    broken = [
        no_target(event(key_id=keys[2], tags={"a": "\0"})),
        no_target(event(key_id=keys[0], caller="\0")),
    ]
    nobody = no_target(event(key_id=999_999))
    await append(redis, SHARD, [*good[:7], *broken, nobody, *good[7:]])
    await drain.drain([SHARD], 100)
    assert await _used(postgres) == {keys[0]: (10, MINUTE), keys[1]: (10, MINUTE)}
    assert await postgres.fetchval("SELECT count(*) FROM pings") == 21


async def test_a_drain_that_is_rolled_back_counts_nothing(
    postgres: Postgres, redis: Redis, drain: Drain, keys: list[int]
) -> None:
    await append(redis, SHARD, [no_target(event(key_id=keys[0]))])
    await postgres.execute("ALTER TABLE stream_cursors ADD CONSTRAINT stuck CHECK (last_id = '0-0')")
    with pytest.raises(asyncpg.CheckViolationError):
        await drain.drain([SHARD], 100)
    assert await _used(postgres) == {}


async def test_keys_are_locked_in_the_order_of_their_ids(postgres: Postgres, keys: list[int]) -> None:
    at = moment(NOW_MS)
    uses = [KeyUse(key_id=key, uses=1, last_at=at) for key in reversed(keys)]

    async def save() -> None:
        async with postgres.transaction() as connection:
            await save_uses(connection, uses)

    await save()
    async with postgres.transaction() as connection:
        await connection.execute("SELECT FROM key_uses WHERE key_id = $1 FOR UPDATE", keys[0])
        waiting = asyncio.ensure_future(save())

        async def waits() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await eventually(waits, what="the other waits for the first key")
        locked = "SELECT key_id FROM key_uses WHERE key_id = ANY($1::bigint[]) FOR UPDATE SKIP LOCKED"
        assert {row["key_id"] for row in await connection.fetch(locked, keys)} == set(keys)
    await waiting
    assert {used[0] for used in (await _used(postgres)).values()} == {2}


async def test_uses_that_no_row_tells_of_are_counted_and_saved_together(
    postgres: Postgres, keys: list[int]
) -> None:
    counts = UseCounts(postgres)
    for at_ms in (NOW_MS, NOW_MS - MINUTE_MS, NOW_MS):
        counts.add(keys[0], at_ms)
    counts.add(keys[1], NOW_MS)
    await counts.save()
    await counts.save()
    assert await _used(postgres) == {keys[0]: (3, MINUTE), keys[1]: (1, MINUTE)}


async def test_uses_wait_while_postgres_is_away(own_postgres: Engine) -> None:
    await prepare(own_postgres.url, MIGRATIONS)
    postgres = await Postgres.open(own_postgres.url, max_size=1, deadline_s=5)
    try:
        (key, *_) = sorted(row["id"] for row in await postgres.fetch(WITH_COMPANY + INSERT_KEYS))
        counts = UseCounts(postgres)
        counts.add(key, NOW_MS)
        own_postgres.kill9()
        await counts.save()
        counts.add(key, NOW_MS + MINUTE_MS)
        await asyncio.to_thread(own_postgres.start)

        async def saved() -> bool:
            await counts.save()
            with suppress(Unavailable):
                return bool(await postgres.fetchval("SELECT count(*) FROM key_uses"))
            return False

        await eventually(saved, what="the uses are saved")
        assert await _used(postgres) == {key: (2, MINUTE + timedelta(minutes=1))}
    finally:
        await postgres.close()


async def test_a_service_that_ends_saves_what_it_counted(postgres: Postgres, keys: list[int]) -> None:
    counts = UseCounts(postgres)
    running = asyncio.ensure_future(counts.run())
    await asyncio.wait([running], timeout=0)
    counts.add(keys[0], NOW_MS)
    running.cancel()
    await asyncio.wait([running])
    assert await _used(postgres) == {keys[0]: (1, MINUTE)}


async def test_only_what_was_judged_without_its_trace_counts_as_left_out(redis: Redis, drain: Drain) -> None:
    TRACES_LEFT_OUT.fold()
    first = event()
    entries = [
        reserved(first, expires_ms=EXPIRES, trace=None),
        no_target(event(), trace=None),
        no_target(event()),
        repeat(event(), first.uuid, expires_ms=EXPIRES)[:-2],  # known already: it never has one
        no_target(event(caller="\0"), trace=None),
    ]
    await append(redis, SHARD, entries)
    await drain.drain([SHARD], 100)
    assert TRACES_LEFT_OUT._pending == {(): 2}
