"""Single rounds of jobs, on real stores."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.worker.drain import DrainJob
from services.worker.hot_sync import HotSyncJob
from services.worker.list_expiry import ListExpiryJob
from services.worker.mirror import MirrorJob
from services.worker.partitions import PartitionsJob, RetentionJob
from services.worker.skew import SkewJob
from services.worker.tag_expiry import TagExpiryJob
from shared.clock import Clock
from shared.domain.caps import Fill, mirror_text
from shared.domain.lists import bucket_of
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.partitions import ensure, load_partitions
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.stored_tags import Writing, keep
from shared.tallies import fold_all, render
from tests.support.engines import Engine, fresh_database_of, make_template
from tests.support.streams import append, event, no_target, warm

PATIENT = Limits(deadline_ms=5_000, silence_ms=10_000, waiting=4_096)
SHARD = 9


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=15)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(fresh_redis, scripts=(TRIM,), limits=PATIENT)
    yield redis
    await redis.close()


def _metric(name: str) -> float:
    fold_all()
    found = [line for line in render().decode().splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[1])


async def test_the_lag_is_told_even_while_postgres_is_away(own_postgres: Engine, redis: Redis) -> None:
    make_template(own_postgres.url)
    with fresh_database_of(own_postgres.url) as dsn:
        postgres = await Postgres.open(dsn, deadline_s=1)
        own_postgres.kill9()
        streams = Streams(redis)
        job = DrainJob(Drain(postgres, streams), streams, clock=Clock(), batch=100)
        at_ms = Clock().now_ms() - 30_000
        await append(redis, SHARD, [no_target(event(at_ms, SHARD))] * 3, at_ms=at_ms)
        with pytest.raises(Unavailable):
            await job.step()
        assert 30 <= _metric("ringpost_stream_lag_seconds") < 60
        assert _metric("ringpost_stream_length") == 3
        own_postgres.start()
        await warm(redis, SHARD)
        await job.step()
        await job.step()
        assert _metric("ringpost_stream_lag_seconds") == _metric("ringpost_stream_length") == 0
        await postgres.close()


async def test_a_company_on_a_cold_shard_holds_up_no_other(postgres: Postgres, redis: Redis) -> None:
    insert = "INSERT INTO companies (name, shard, config_version) VALUES ($1, $2, 5) RETURNING id"
    companies = [
        await postgres.fetchval(insert, name, shard) for name, shard in (("cold", 10), ("warm", SHARD))
    ]
    await postgres.execute(
        "INSERT INTO hot_sync (company_id, kind) SELECT unnest($1::bigint[]), 'version'", companies
    )
    await warm(redis, SHARD)
    job = HotSyncJob(postgres, redis)
    with pytest.raises(Unavailable):
        await job.step()
    assert await redis.command(SHARD, "HGET", redis_keys.head(SHARD), f"v:{companies[1]}") == b"5"
    assert await postgres.fetchval("SELECT array_agg(company_id) FROM hot_sync") == companies[:1]
    await warm(redis, 10)
    assert await job.step() is False
    assert await postgres.fetchval("SELECT count(*) FROM hot_sync") == 0


LISTED = """
WITH one AS (INSERT INTO companies (name, shard) VALUES ($1, $2) RETURNING id, list_buckets),
     two AS (INSERT INTO caller_lists (company_id, level, entity_id, name) SELECT id, 'company', id, 'dnc' FROM one
         RETURNING id, company_id),
     three AS (INSERT INTO caller_list_generations (company_id, list_id) SELECT company_id, id FROM two
         RETURNING id, company_id),
     four AS (INSERT INTO caller_list_numbers (company_id, generation_id, number, expires_at)
         SELECT company_id, id, $3, now() + make_interval(secs => $4) FROM three)
SELECT one.id AS company_id, three.id AS generation_id, list_buckets FROM one, three
"""
CALLER = "+12125551212"


async def _listed(
    postgres: Postgres, redis: Redis, *, name: str, shard: int, left_s: float
) -> tuple[str, str]:
    """A company with one listed caller, in Postgres and in Redis; where Redis has it."""
    row = await postgres.fetchrow(LISTED, name, shard, CALLER, left_s)
    assert row is not None
    bucket, field = bucket_of(CALLER, row["list_buckets"])
    key = redis_keys.bucket(shard, row["company_id"], buckets=row["list_buckets"], number=bucket)
    await redis.command(shard, "HSET", key, field, row["generation_id"])
    return key, field


async def test_entries_that_run_out_are_taken_off_and_no_others(postgres: Postgres, redis: Redis) -> None:
    await warm(redis, SHARD)
    over = await _listed(postgres, redis, name="over", shard=SHARD, left_s=-1)
    live = await _listed(postgres, redis, name="live", shard=SHARD, left_s=60)
    job = ListExpiryJob(postgres, redis)
    assert await job.step() is True
    assert [await redis.command(SHARD, "HEXISTS", *where) for where in (over, live)] == [0, 1]
    assert await postgres.fetchval("SELECT count(*) FROM hot_sync") == 0
    assert await job.step() is False


async def test_what_runs_out_on_a_cold_shard_holds_up_no_other_and_stays_owed(
    postgres: Postgres, redis: Redis
) -> None:
    await _listed(postgres, redis, name="cold", shard=10, left_s=-1)
    over = await _listed(postgres, redis, name="warm", shard=SHARD, left_s=-1)
    await warm(redis, SHARD)
    with pytest.raises(Unavailable):
        await ListExpiryJob(postgres, redis).step()
    assert await redis.command(SHARD, "HEXISTS", *over) == 0
    assert await postgres.fetchval("SELECT array_agg(subject) FROM hot_sync") == [CALLER]


async def test_a_mirror_that_was_left_behind_is_mended(postgres: Postgres, redis: Redis) -> None:
    await warm(redis, SHARD)
    company = await postgres.fetchval(
        "INSERT INTO companies (name, shard) VALUES ('one', $1) RETURNING id", SHARD
    )
    await postgres.execute(
        "INSERT INTO cap_fills (company_id, subject, live_n, rev) VALUES ($1, 'b1', 2, 9)", company
    )
    before = _metric("ringpost_mirrors_mended_total")
    job = MirrorJob(postgres, redis)
    assert [await job.step() for _ in range(2)] == [False, False]
    text = await redis.command(SHARD, "HGET", redis_keys.fills(SHARD), "b1")
    assert text.decode() == mirror_text(Fill(live_n=2, rev=9))
    assert _metric("ringpost_mirrors_mended_total") == before + 1


AGED = (
    "INSERT INTO call_keys (provider, provider_call_id, company_id, call_uuid, created_at)"
    " VALUES ('p', $1::text, 1, gen_random_uuid(), $2)",
    "INSERT INTO idempotency_keys (key_id, value, fingerprint, status, answer, created_at)"
    " VALUES (1, $1::text, '', 200, '', $2)",
)
CHANGED = "INSERT INTO config_changes (company_id, version, scope, entity_id, changed_at) VALUES ($1, $2, 'company', $1, $3)"


async def test_short_lived_rows_go_after_their_time_and_not_before(postgres: Postgres) -> None:
    now = datetime.now(UTC)
    company = await postgres.fetchval("INSERT INTO companies (name, shard) VALUES ('one', 1) RETURNING id")
    for hours in (1, 47, 49, 500):
        for statement in AGED:
            await postgres.execute(statement, str(hours), now - timedelta(hours=hours))
        await postgres.execute(CHANGED, company, hours, now - timedelta(hours=hours))
    job = RetentionJob(postgres, Clock(), pings_days=60, calls_months=13)
    assert await job.step() is False
    for table in ("call_keys", "idempotency_keys"):
        assert await postgres.fetchval(f"SELECT count(*) FROM {table}") == 2
    assert await postgres.fetchval("SELECT array_agg(version) FROM config_changes") == [1]


async def test_the_log_is_kept_sixty_days_and_calls_thirteen_months(postgres: Postgres) -> None:
    now = datetime.now(UTC)
    clock = Clock()
    await PartitionsJob(postgres, clock).step()
    for days in (59, 62, 380, 480):
        async with postgres.transaction() as connection:
            await ensure(connection, now - timedelta(days=days))
    await RetentionJob(postgres, clock, pings_days=60, calls_months=13).step()
    kept = await load_partitions(postgres, ["pings", "calls"])
    first = {
        parent: min(each.first for each in kept if each.parent == parent) for parent in ("pings", "calls")
    }
    assert first["pings"] == (now - timedelta(days=60)).date()
    assert timedelta(days=380) < now.date() - first["calls"] < timedelta(days=480)


async def test_the_clocks_of_one_host_agree(postgres: Postgres) -> None:
    await SkewJob(postgres, Clock()).step()
    assert abs(_metric("ringpost_clock_skew_seconds")) < 1


async def test_stored_tags_that_ran_out_are_deleted(postgres: Postgres) -> None:
    await postgres.execute("INSERT INTO companies (name, shard) VALUES ('Acme', 1)")
    job = TagExpiryJob(postgres)
    for caller in ("+13105551212", "+13105551213"):
        await keep(postgres, Writing(company_id=1, caller=caller, key_id=1, tags={"zip": "10001"}))
    await postgres.execute(
        "UPDATE stored_tags SET expires_at = now() - interval '1 hour' WHERE caller LIKE '%2'"
    )
    assert not await job.step(), "no more at once"
    assert [row["caller"] for row in await postgres.fetch("SELECT caller FROM stored_tags")] == [
        "+13105551213"
    ]
