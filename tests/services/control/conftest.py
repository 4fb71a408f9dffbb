"""The control service over stores that no other test empties."""

from collections.abc import Iterator

import pytest

from tests.services.calls.bench import running_bench
from tests.services.control.bench import ControlBench, running_control
from tests.services.rtb.bench import Loop
from tests.support.engines import Engine, fresh_database_of, running_redis


@pytest.fixture(scope="session")
def bench(postgres_engine: Engine, loop: Loop) -> Iterator[ControlBench]:
    with (
        fresh_database_of(postgres_engine.url) as dsn,
        running_redis() as redis,
        running_bench(loop, dsn, redis.url) as calls,
        running_control(calls, loop, dsn=dsn, redis_url=redis.url) as bench,
    ):
        yield bench
