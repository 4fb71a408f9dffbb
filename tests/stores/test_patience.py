"""How long a load is waited for: a silent Postgres not long, a slow one that answers others on and on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from shared.errors import Unavailable
from shared.stores.postgres import Postgres

SLOW = "SELECT 1 FROM pg_sleep(0.4)"


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, min_size=2, max_size=2, deadline_s=10)
    yield pool
    await pool.close()


async def test_who_is_answered_nothing_gives_up_and_the_load_goes_on(postgres: Postgres) -> None:
    load = asyncio.ensure_future(postgres.fetchval(SLOW))
    with pytest.raises(Unavailable):
        async with postgres.patience():
            await asyncio.shield(load)
    assert not load.done()
    assert await load == 1


async def test_a_query_that_was_given_up_is_no_answer(postgres: Postgres) -> None:
    async def give_up() -> None:
        while not told:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.03):
                    await postgres.fetchval(SLOW)

    told = False
    giving_up = asyncio.ensure_future(give_up())
    with pytest.raises(Unavailable):
        async with asyncio.timeout(5), postgres.patience():
            await asyncio.Event().wait()
    told = True
    await giving_up


async def test_a_server_that_answers_anybody_is_waited_for(postgres: Postgres) -> None:
    async def others() -> None:
        while not load.done():
            await postgres.fetchval("SELECT 1")

    load = asyncio.ensure_future(postgres.fetchval(SLOW))
    asking = asyncio.ensure_future(others())
    async with postgres.patience():
        assert await asyncio.shield(load) == 1
    await asking
