"""The rtb service over stores that no other test empties."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.services.rtb.bench import Bench, Loop, running_bench
from tests.services.rtb.cases import read_account
from tests.support.engines import Engine, fresh_database_of, running_redis

_numbers = count(400)  # those below are the exemplary cases' own

Applied = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def bench(postgres_engine: Engine, loop: Loop) -> Iterator[Bench]:
    with (
        fresh_database_of(postgres_engine.url) as dsn,
        running_redis() as redis,
        running_bench(loop, dsn, redis.url) as bench,
    ):
        yield bench


@pytest.fixture(scope="session")
def apply(bench: Bench, loop: Loop) -> Applied:
    """Stores a shared account, with changes, as a company of its own."""

    def apply(name: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
        account = read_account(name, next(_numbers), changes or {})
        loop.run(bench.apply(account))
        return account

    return apply


@pytest.fixture(scope="session")
def key(apply: Applied) -> str:
    """A key that could ping if only the request were right."""
    token: str = apply("one_buyer")["postback_keys"][0]["token"]
    return token
