"""Partitions: there in time, gone in time, whoever looks after them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.paths import MIGRATIONS
from shared.stores.migrations import migrate
from shared.stores.partitions import BY_DAY, BY_MONTH, drop_before, ensure, load_partitions, partition_of
from shared.stores.postgres import Postgres

NEW_YEAR = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
INSERT_PING = """
INSERT INTO pings (company_id, created_at, uuid, key_id, campaign_id, status)
VALUES (1, $1, gen_random_uuid(), 1, 1, 'no-target')
"""


@pytest.fixture
async def postgres(empty_database: str) -> AsyncIterator[Postgres]:
    await migrate(empty_database, MIGRATIONS)
    pool = await Postgres.open(empty_database, max_size=4, deadline_s=15)
    yield pool
    await pool.close()


async def _names(postgres: Postgres, *parents: str) -> list[str]:
    return [partition.name for partition in await load_partitions(postgres, parents)]


async def _ensure(postgres: Postgres, now: datetime) -> int:
    async with postgres.transaction() as connection:
        return await ensure(connection, now)


async def test_what_the_next_days_and_months_need_is_made_once(postgres: Postgres) -> None:
    assert await _ensure(postgres, NEW_YEAR) == 5 + 4 * len(BY_MONTH)
    assert await _names(postgres, "pings") == [
        f"pings_{day}" for day in (20251230, 20251231, 20260101, 20260102, 20260103)
    ]
    assert await _names(postgres, "calls") == [f"calls_{month}" for month in (202511, 202512, 202601, 202602)]
    assert await _ensure(postgres, NEW_YEAR) == 0
    assert await _ensure(postgres, NEW_YEAR + timedelta(seconds=1)) == 1 + len(BY_MONTH)


async def test_every_range_partitioned_table_is_looked_after(postgres: Postgres) -> None:
    rows = await postgres.fetch(
        "SELECT partrelid::regclass::text AS name FROM pg_partitioned_table WHERE partstrat = 'r'"
    )
    assert {row["name"] for row in rows} == {*BY_DAY, *BY_MONTH}


async def test_a_partition_takes_its_own_day_in_utc_and_no_other(postgres: Postgres) -> None:
    await postgres.execute("SET timezone = 'Asia/Tokyo'")
    async with postgres.transaction() as connection:
        await connection.execute("SET LOCAL timezone = 'Asia/Tokyo'")
        await ensure(connection, NEW_YEAR)
    for moment in (NEW_YEAR, NEW_YEAR + timedelta(seconds=1)):
        await postgres.execute(INSERT_PING, moment)
    rows = await postgres.fetch("SELECT tableoid::regclass::text AS name FROM pings ORDER BY created_at")
    assert [row["name"] for row in rows] == ["pings_20251231", "pings_20260101"]


async def test_a_partition_has_every_index_of_its_parent(postgres: Postgres) -> None:
    await _ensure(postgres, NEW_YEAR)
    rows = await postgres.fetch(
        "SELECT tablename, count(*) AS n FROM pg_indexes WHERE tablename IN ('pings', 'pings_20251231') GROUP BY 1"
    )
    assert len({row["n"] for row in rows}) == 1
    left = await postgres.fetchval(
        "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname LIKE 'pings%' AND NOT indisvalid"
    )
    assert left == 0


async def test_many_at_once_take_turns(postgres: Postgres) -> None:
    made = await asyncio.gather(*(_ensure(postgres, NEW_YEAR) for _ in range(4)))
    assert sorted(made) == [0, 0, 0, 5 + 4 * len(BY_MONTH)]


async def test_old_days_are_dropped_whole_and_young_ones_kept(postgres: Postgres) -> None:
    for days in (0, 58, 59, 60, 61, 62):
        await _ensure(postgres, NEW_YEAR - timedelta(days=days))
        await postgres.execute(INSERT_PING, NEW_YEAR - timedelta(days=days))
    dropped, busy = await drop_before(postgres, BY_DAY, kept_from=NEW_YEAR - timedelta(days=60))
    assert (dropped, busy) == (3, 0)  # of 63, 62 and 61 days ago
    assert min(await _names(postgres, "pings")) == "pings_20251101"
    assert await postgres.fetchval("SELECT count(*) FROM pings") == 4
    assert await postgres.fetchval("SELECT count(*) FROM pg_class WHERE relname = 'pings_20251030'") == 0


async def test_a_partition_in_use_stays_until_the_next_time(postgres: Postgres) -> None:
    await _ensure(postgres, NEW_YEAR)
    async with postgres.transaction() as reader:
        await reader.fetch("SELECT uuid FROM pings_20251230")
        dropped, busy = await drop_before(postgres, BY_DAY, kept_from=NEW_YEAR)
        assert (dropped, busy) == (0, 1)
    assert await drop_before(postgres, BY_DAY, kept_from=NEW_YEAR) == (1, 0)


def test_a_month_is_known_by_any_of_its_days() -> None:
    partition = partition_of("calls", datetime(2025, 12, 31, tzinfo=UTC))
    assert (partition.name, str(partition.first), str(partition.until)) == (
        "calls_202512",
        "2025-12-01",
        "2026-01-01",
    )
