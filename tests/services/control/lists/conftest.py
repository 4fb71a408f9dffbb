"""The control service over stores that no other test empties."""

from collections.abc import Iterator

import pytest

from tests.services.control.lists.bench import Bench, running_bench
from tests.services.rtb.bench import Loop
from tests.support.engines import Engine, fresh_database_of, running_redis


@pytest.fixture(scope="session")
def bench(postgres_engine: Engine, loop: Loop) -> Iterator[Bench]:
    with (
        fresh_database_of(postgres_engine.url) as dsn,
        running_redis() as redis,
        running_bench(loop, dsn, redis.url) as bench,
    ):
        yield bench
