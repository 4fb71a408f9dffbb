"""A database that was just migrated takes rows at once, before any worker has looked at it."""

from pathlib import Path

import asyncpg
from click.testing import CliRunner

from deploy.local.cluster_file import HOME, POSTGRES_DSN, REDIS_URL
from deploy.local.local_cluster import LocalCluster
from deploy.local.paths import MIGRATIONS
from ringpost.cli import cli
from shared.stores.partitions import BY_DAY, BY_MONTH
from shared.stores.schema import prepare
from tests.support.engines import run_apart, throw_away_folder
from tests.support.homes import Home

WITHOUT = """
SELECT parent FROM unnest($1::text[], $2::text[]) AS wanted (parent, form)
WHERE to_regclass(parent || '_' || to_char(now() AT TIME ZONE 'UTC', form)) IS NULL
"""
INSERT_PING = """
INSERT INTO pings (company_id, created_at, uuid, key_id, campaign_id, status)
VALUES (1, now(), gen_random_uuid(), 1, 1, 'no-target')
"""


async def takes_rows_of_today(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(INSERT_PING)
    forms = ["YYYYMMDD"] * len(BY_DAY) + ["YYYYMM"] * len(BY_MONTH)
    assert await connection.fetch(WITHOUT, [*BY_DAY, *BY_MONTH], forms) == []
    await connection.close()


def test_after_the_command(empty_database: str) -> None:
    settings = {HOME: "/nonexistent", POSTGRES_DSN: empty_database}
    assert CliRunner().invoke(cli, ["migrate"], env=settings).exit_code == 0
    run_apart(takes_rows_of_today(empty_database))


def test_in_a_local_cluster(empty_database: str, fresh_redis: str) -> None:
    with throw_away_folder() as folder:
        home = Home(folder)
        home.path.mkdir()
        given = {POSTGRES_DSN: empty_database, REDIS_URL: fresh_redis}
        cluster = LocalCluster(Path(home.path), given, say=lambda _line: None)
        cluster.start_engines(home.offset)
        cluster.stop_engines()
    run_apart(takes_rows_of_today(empty_database))


def test_in_the_tests_own_databases(fresh_database: str) -> None:
    run_apart(takes_rows_of_today(fresh_database))


def test_preparing_again_and_beside_another_changes_nothing(fresh_database: str) -> None:
    async def again() -> None:
        assert await prepare(fresh_database, MIGRATIONS) == ()

    run_apart(again())
    run_apart(takes_rows_of_today(fresh_database))
