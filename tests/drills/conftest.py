"""Stages for drills: on the session's stores, or on one that the drill may hurt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.paths import MIGRATIONS
from shared.stores.schema import prepare
from tests.support.account_stage import Stage
from tests.support.engines import Engine, run_apart


@pytest.fixture
def stage(fresh_database: str, fresh_redis: str, tmp_path: Path) -> Iterator[Stage]:
    """On stores that must not be hurt."""
    with Stage(fresh_database, fresh_redis, tmp_path) as stage:
        yield stage


@pytest.fixture
def redis_stage(fresh_database: str, own_redis: Engine, tmp_path: Path) -> Iterator[Stage]:
    """On a Redis that may be hurt: own_redis."""
    with Stage(fresh_database, own_redis.url, tmp_path) as stage:
        yield stage
        own_redis.resume()  # a drill that failed may have left it hanging


@pytest.fixture
def postgres_stage(own_postgres: Engine, fresh_redis: str, tmp_path: Path) -> Iterator[Stage]:
    """On a Postgres that may be hurt: own_postgres."""
    run_apart(prepare(own_postgres.url, MIGRATIONS))
    with Stage(own_postgres.url, fresh_redis, tmp_path) as stage:
        yield stage
        own_postgres.resume()
