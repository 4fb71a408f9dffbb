"""Connections between two uses: nobody is forgotten, none is lost, and none that is closed is handed out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.errors import Unavailable
from shared.stores.postgres import Postgres
from tests.support.waiting import eventually, give_way


@pytest.fixture
async def postgres(empty_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(empty_database, max_size=2, deadline_s=5)
    yield pool
    await pool.close()


async def test_many_share_few(postgres: Postgres) -> None:
    answers = await asyncio.gather(*(postgres.fetchval("SELECT $1::int", each) for each in range(200)))
    assert answers == list(range(200))
    assert (postgres.size, postgres.idle) == (2, 2)


async def test_who_gives_up_waiting_takes_nothing_with_him(empty_database: str) -> None:
    postgres = await Postgres.open(empty_database, max_size=1, deadline_s=5)
    async with postgres.transaction():
        waiting = [asyncio.ensure_future(postgres.fetchval("SELECT $1::int", each)) for each in range(20)]
        await give_way()
        for each in waiting[::2]:
            each.cancel()
    assert await asyncio.gather(*waiting[1::2]) == list(range(1, 20, 2))
    assert await postgres.fetchval("SELECT 1") == 1
    await postgres.close()


async def test_who_gives_up_when_it_is_given_hands_it_on(empty_database: str) -> None:
    postgres = await Postgres.open(empty_database, max_size=1, deadline_s=5)
    async with postgres.transaction():
        first, second = (asyncio.ensure_future(postgres.fetchval("SELECT 1")) for _ in range(2))
        await give_way()
    first.cancel()  # the connection has been given to it, and it has not run since
    assert await second == 1
    assert first.cancelled()
    assert (postgres.size, postgres.idle) == (1, 1)
    await postgres.close()


async def test_a_connection_that_the_server_ended_is_not_handed_out(empty_database: str) -> None:
    postgres, other = [await Postgres.open(empty_database, max_size=1) for _ in range(2)]
    backends: set[int] = set()

    async def is_another() -> bool:
        try:
            backend = await postgres.fetchval("SELECT pg_backend_pid()")
        except Unavailable:
            return False
        return backend not in backends

    for _ in range(3):  # more often than the pool has places
        await eventually(is_another, what="a new connection answers")
        backend = await postgres.fetchval("SELECT pg_backend_pid()")
        backends.add(backend)
        await other.execute("SELECT pg_terminate_backend($1, 1000)", backend)
        await give_way()
    await eventually(is_another, what="a new connection answers")
    assert (postgres.size, postgres.idle) == (1, 1)
    await postgres.close()
    await other.close()


async def test_a_closed_pool_waits_for_what_is_in_use(empty_database: str) -> None:
    postgres = await Postgres.open(empty_database, max_size=2)
    await postgres.fetchval("SELECT 1")
    running = asyncio.ensure_future(postgres.fetchval("SELECT 1 FROM pg_sleep(0.2)"))
    await give_way()
    await postgres.close()
    assert await running == 1
    assert postgres.size == 0
