"""The list widening job: lists that grow number by number get their buckets, and a cold shard holds up no other."""

from collections.abc import AsyncIterator

import pytest

from services.worker.list_widening import ListWideningJob
from shared.domain.keys import Level
from shared.errors import Unavailable
from shared.stores import lists, redis_keys
from shared.stores.hot_company import SCRIPTS
from tests.support.account_store import AccountStore, opened
from tests.support.processes import running_service, worker_settings
from tests.support.waiting import eventually

MANY = [f"+1212555{place:04d}" for place in range(4_000)]


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, SCRIPTS) as each:
        for name in ("One", "Two", "Three"):
            await each.apply({"company": {"name": name}})
        await each.warm()
        yield each


async def a_list(store: AccountStore, company_id: int, *numbers: str) -> int:
    async with store.postgres.transaction() as connection:
        made = await lists.create_list(
            connection, company_id, level=Level.COMPANY, entity_id=company_id, name="suppressed"
        )
        await lists.add_numbers(connection, made, numbers=numbers)
    await store.sync(company_id)
    return made.id


async def work(store: AccountStore) -> None:
    """Until everybody has been looked at and nothing is left to do."""
    job = ListWideningJob(store.postgres, store.redis)
    for _ in range(3):
        while await job.step():
            pass


async def counts(store: AccountStore) -> list[int]:
    return [row[0] for row in await store.rows("SELECT list_buckets FROM companies ORDER BY id")]


async def test_lists_that_have_outgrown_their_buckets_get_more(store: AccountStore) -> None:
    await a_list(store, 1, *MANY[:3_800])
    two = await a_list(store, 2, *MANY)
    await work(store)
    assert await counts(store) == [64, 101, 64]
    assert await store.rows("SELECT count(*) FROM list_widenings") == [(0,)]
    for number in (MANY[0], MANY[-1]):
        assert await store.lists_of(2, number) == {two}


async def test_a_cold_shard_holds_up_no_other(store: AccountStore) -> None:
    for company_id in (1, 2):
        await a_list(store, company_id, *MANY)
    job = ListWideningJob(store.postgres, store.redis)
    await job.step()
    assert await store.rows("SELECT company_id FROM list_widenings ORDER BY 1") == [(1,), (2,)]
    await store.redis.command(1, "HDEL", redis_keys.head(1), "epoch")
    for _ in range(6):
        with pytest.raises(Unavailable):
            await job.step()
    assert await counts(store) == [64, 101, 64]
    await store.warm()
    await work(store)
    assert await counts(store) == [101, 101, 64]


async def test_a_company_whose_shard_is_cold_is_looked_at_later(store: AccountStore) -> None:
    for company_id in (1, 2):
        await a_list(store, company_id, *MANY)
    await store.redis.command(1, "HDEL", redis_keys.head(1), "epoch")
    job = ListWideningJob(store.postgres, store.redis)
    with pytest.raises(Unavailable):
        await job.step()
    assert await store.rows("SELECT company_id FROM list_widenings") == [(2,)]
    await store.warm()
    await work(store)
    assert await counts(store) == [101, 101, 64]


async def test_a_worker_looks_at_lists_by_itself(store: AccountStore, fresh_redis: str) -> None:
    made = await a_list(store, 2, *MANY)
    with running_service("worker", worker_settings(store.dsn, fresh_redis)):

        async def is_widened() -> bool:
            return await counts(store) == [64, 101, 64] and not await store.rows("TABLE list_widenings")

        await eventually(is_widened, within_s=20.0, what="the list has the buckets that it needs")
    assert await store.lists_of(2, MANY[-1]) == {made}
