"""Fixtures that start engines, once a session and only when a test asks for them."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.engines import (
    Engine,
    empty_redis,
    fresh_database_of,
    make_template,
    running_postgres,
    running_redis,
)

# How fast examples are drawn says what else the machine does.
settings.register_profile("shared machine", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def postgres_engine() -> Iterator[Engine]:
    """The session's Postgres, with the migrated template. Tests must not hurt it: see own_postgres."""
    with running_postgres() as engine:
        make_template(engine.url)
        yield engine


@pytest.fixture(scope="session")
def redis_engine() -> Iterator[Engine]:
    """The session's Redis. Tests must not hurt it: see own_redis."""
    with running_redis() as engine:
        yield engine


@pytest.fixture(scope="session")
def postgres_dsn(postgres_engine: Engine) -> Iterator[str]:
    """A migrated database that the whole session shares."""
    with fresh_database_of(postgres_engine.url) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def redis_url(redis_engine: Engine) -> str:
    """The session's Redis, with whatever the tests before left in it."""
    return redis_engine.url


@pytest.fixture
def fresh_database(postgres_engine: Engine) -> Iterator[str]:
    """The DSN of a migrated database of the test's own."""
    with fresh_database_of(postgres_engine.url) as dsn:
        yield dsn


@pytest.fixture
def empty_database(postgres_engine: Engine) -> Iterator[str]:
    """The DSN of a database without any table."""
    with fresh_database_of(postgres_engine.url, template="template0") as dsn:
        yield dsn


@pytest.fixture
def fresh_redis(redis_url: str) -> str:
    """The session's Redis, emptied."""
    empty_redis(redis_url)
    return redis_url


@pytest.fixture
def own_postgres() -> Iterator[Engine]:
    """A Postgres of the test's own, to be killed, paused and restarted; its database is empty."""
    with running_postgres() as engine:
        yield engine


@pytest.fixture
def own_redis() -> Iterator[Engine]:
    """A Redis of the test's own, to be killed, paused and restarted."""
    with running_redis() as engine:
        yield engine
