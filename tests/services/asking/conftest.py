"""The rtb service over stores that no other test empties."""

from collections.abc import Iterator

import pytest

from tests.services.asking.stage import Stage, running_stage
from tests.support.engines import Engine, fresh_database_of, running_redis


@pytest.fixture(scope="session")
def stage(postgres_engine: Engine) -> Iterator[Stage]:
    with (
        fresh_database_of(postgres_engine.url) as dsn,
        running_redis() as redis,
        running_stage(dsn, redis) as stage,
    ):
        yield stage
