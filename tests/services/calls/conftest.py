"""The calls service over stores that no other test empties."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.services.calls.bench import Bench, Switch, running_bench
from tests.services.calls.cases import account_of
from tests.services.rtb.bench import Loop
from tests.support.engines import Engine, fresh_database_of, running_redis

_numbers = count(400)  # those below are the exemplary cases' own

Opened = Callable[..., Switch]


@pytest.fixture(scope="session")
def bench(postgres_engine: Engine, loop: Loop) -> Iterator[Bench]:
    with (
        fresh_database_of(postgres_engine.url) as dsn,
        running_redis() as redis,
        running_bench(loop, dsn, redis.url) as bench,
    ):
        yield bench


@pytest.fixture(scope="session")
def open_company(bench: Bench, loop: Loop) -> Opened:
    """Stores a shared account, with changes, as a company of its own with switches that are known."""

    def open_company(
        account: str, changes: dict[str, Any] | None = None, number: int | None = None
    ) -> Switch:
        stored = account_of(account, next(_numbers) if number is None else number, changes or {})
        switch = loop.run(bench.open_company(stored))
        bench.until_known(switch)
        return switch

    return open_company


@pytest.fixture(scope="session")
def stranger(open_company: Opened) -> Switch:
    """Another company's switch."""
    return open_company("three_buyers")
