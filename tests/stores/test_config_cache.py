"""The account in memory: what is dropped, what is read again, and how often Postgres is asked."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.domain.keys import Key
from shared.domain.plan import Plan
from shared.errors import Unavailable
from shared.stores.config_cache import Bounded, ConfigCache, SingleFlight
from shared.stores.key_lookup import find_key
from shared.stores.postgres import Postgres
from tests.support.accounts import (
    PEPPER,
    a_campaign,
    a_company,
    a_key,
    a_token,
    barrier_at,
    changed,
    company_wide,
    insert,
    of_campaign,
    of_key,
)
from tests.support.engines import Engine

Cache = ConfigCache[str]


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(postgres_dsn, max_size=4, deadline_s=20)
    yield pool
    await pool.close()


def compiled(plan: Plan) -> str:
    return f"{plan.cid} of version {plan.version}"


@pytest.fixture
async def cache(postgres: Postgres) -> AsyncIterator[Cache]:
    cache = ConfigCache(postgres, compiled, keys=100, plans=100)
    yield cache
    await cache.close()


async def read_key(postgres: Postgres, token: str) -> Key:
    key = await find_key(postgres, PEPPER, token=token)
    assert key is not None
    return key


async def test_what_is_known_costs_nothing(postgres: Postgres, cache: Cache) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id, cid="camp")
    first = await cache.plan(company_id, campaign_id)
    before = postgres.queries
    assert first is not None
    assert first.compiled == "camp of version 1"
    assert await cache.plan(company_id, campaign_id) is first
    assert await cache.company(company_id) is first.plan.company
    assert cache.known_plan(company_id, campaign_id) is first
    assert cache.known_company(company_id) is first.plan.company
    assert postgres.queries == before
    assert cache.version(company_id) == 1
    assert cache.version(company_id + 1) == 0


async def test_a_hundred_at_once_are_one_load(postgres: Postgres, cache: Cache) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    before = postgres.queries
    plans = await asyncio.gather(*(cache.plan(company_id, campaign_id) for _ in range(100)))
    assert postgres.queries - before == 2, "the company, and the plan"
    assert len({id(plan) for plan in plans}) == 1


async def test_what_is_not_there_is_none_and_not_kept(postgres: Postgres, cache: Cache) -> None:
    company_id = await a_company(postgres)
    assert await cache.company(10**12) is None
    assert await cache.plan(10**12, 1) is None
    assert await cache.plan(company_id, 10**12) is None


async def test_another_companys_campaign_is_none_though_it_is_known(postgres: Postgres, cache: Cache) -> None:
    company_id, other = await a_company(postgres), await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    assert await cache.plan(other, campaign_id) is None
    assert cache.known_plan(company_id, campaign_id) is None
    assert await cache.plan(company_id, campaign_id) is not None
    assert await cache.plan(other, campaign_id) is None
    assert cache.known_plan(other, campaign_id) is None


class Kept:
    """A company with two plans and two keys in memory."""

    def __init__(self, postgres: Postgres, cache: Cache) -> None:
        self.postgres = postgres
        self.cache = cache
        self.company_id = 0
        self.campaigns: list[int] = []
        self.keys: dict[str, int] = {}

    async def load(self) -> None:
        self.company_id = await a_company(self.postgres)
        for _ in range(2):
            self.campaigns.append(await a_campaign(self.postgres, self.company_id))
            await self.cache.plan(self.company_id, self.campaigns[-1])
            token = a_token()
            self.keys[token] = await a_key(self.postgres, self.company_id, token)
            assert await self.cache.adopt_key(await read_key(self.postgres, token), token)

    async def left(self) -> tuple[list[bool], list[bool], bool]:
        """Which plans, which keys, and whether the company is still in memory."""
        plans = [self.cache.plans.get(campaign) is not None for campaign in self.campaigns]
        keys = [self.cache.keys.get(token) is not None for token in self.keys]
        before = self.postgres.queries
        await self.cache.company(self.company_id)
        return plans, keys, self.postgres.queries == before


@pytest.fixture
async def kept(postgres: Postgres, cache: Cache) -> Kept:
    kept = Kept(postgres, cache)
    await kept.load()
    return kept


async def test_only_what_changed_is_dropped(postgres: Postgres, cache: Cache, kept: Kept) -> None:
    one, _ = kept.campaigns
    await changed(
        postgres, kept.company_id, f"UPDATE campaigns SET seconds = 5 WHERE id = {one}", of_campaign(one)
    )
    await cache.refresh(kept.company_id)
    assert await kept.left() == ([False, True], [True, True], True)
    assert cache.version(kept.company_id) == 2
    plan = await cache.plan(kept.company_id, one)
    assert plan is not None
    assert (plan.plan.seconds, plan.plan.version) == (5, 2)


async def test_a_changed_key_is_dropped_alone(postgres: Postgres, cache: Cache, kept: Kept) -> None:
    await changed(postgres, kept.company_id, "", of_key(list(kept.keys.values())[1]))
    await cache.refresh(kept.company_id)
    assert await kept.left() == ([True, True], [True, False], True)


async def test_a_change_of_the_company_drops_all_of_it(postgres: Postgres, cache: Cache, kept: Kept) -> None:
    other = Kept(postgres, cache)
    await other.load()
    await changed(postgres, kept.company_id)
    await cache.refresh(kept.company_id)
    assert await kept.left() == ([False, False], [False, False], False)
    assert await other.left() == ([True, True], [True, True], True)


async def test_several_versions_at_once_are_all_looked_at(
    postgres: Postgres, cache: Cache, kept: Kept
) -> None:
    await changed(postgres, kept.company_id, "", of_campaign(kept.campaigns[0]))
    await changed(postgres, kept.company_id, "", of_key(next(iter(kept.keys.values()))))
    await cache.refresh(kept.company_id)
    assert await kept.left() == ([False, True], [False, True], True)
    assert cache.version(kept.company_id) == 3


async def test_a_version_that_nobody_explains_drops_all(postgres: Postgres, cache: Cache, kept: Kept) -> None:
    """Old changes may have been swept meanwhile."""
    for _ in range(3):
        await changed(postgres, kept.company_id, "", of_campaign(kept.campaigns[0]))
    await postgres.execute(
        "DELETE FROM config_changes WHERE company_id = $1 AND version = 3", kept.company_id
    )
    await cache.refresh(kept.company_id)
    assert await kept.left() == ([False, False], [False, False], False)
    assert cache.version(kept.company_id) == 4


async def test_without_a_change_nothing_is_dropped(postgres: Postgres, cache: Cache, kept: Kept) -> None:
    before = postgres.queries
    await asyncio.gather(*(cache.refresh(kept.company_id) for _ in range(100)))
    assert postgres.queries - before == 1
    assert await kept.left() == ([True, True], [True, True], True)


async def test_what_is_newer_than_the_rest_brings_the_rest_up(
    postgres: Postgres, cache: Cache, kept: Kept
) -> None:
    token = a_token()
    await a_key(postgres, kept.company_id, token)
    await changed(postgres, kept.company_id, "", of_campaign(kept.campaigns[0]))
    assert await cache.adopt_key(await read_key(postgres, token), token)
    assert cache.version(kept.company_id) == 2
    assert await kept.left() == ([False, True], [True, True], True)


async def test_what_is_older_than_the_rest_is_not_kept(postgres: Postgres, cache: Cache, kept: Kept) -> None:
    token = a_token()
    await a_key(postgres, kept.company_id, token)
    older = await read_key(postgres, token)
    await changed(postgres, kept.company_id, "", of_key(older.id))
    await cache.refresh(kept.company_id)
    assert not await cache.adopt_key(older, token)
    assert cache.keys.get(token) is None


async def test_a_plan_read_before_a_change_is_read_again(
    postgres: Postgres, postgres_dsn: str, cache: Cache
) -> None:
    """The change is known here before the load, which began before it, has ended."""
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    await cache.company(company_id)
    async with barrier_at(postgres_dsn, "conversion_criteria") as barrier:
        loading = asyncio.ensure_future(cache.plan(company_id, campaign_id))
        await barrier.reached()
        statement = f"UPDATE campaigns SET paused = true WHERE id = {campaign_id}"
        await changed(postgres, company_id, statement, of_campaign(campaign_id))
        await cache.refresh(company_id)
        await barrier.lift()
        plan = await loading
    assert plan is not None
    assert (plan.plan.paused, plan.plan.version) == (True, 2)


async def test_a_plan_never_stands_on_a_company_that_changed(postgres: Postgres, cache: Cache) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    await cache.company(company_id)
    await changed(postgres, company_id, f"UPDATE companies SET list_buckets = 512 WHERE id = {company_id}")
    plan = await cache.plan(company_id, campaign_id)
    assert plan is not None
    assert (plan.plan.company.list_buckets, plan.plan.version, cache.version(company_id)) == (512, 2, 2)
    assert plan.plan.company is await cache.company(company_id)


async def test_who_gives_up_does_not_end_the_load_for_the_others(
    postgres: Postgres, postgres_dsn: str, cache: Cache
) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    async with barrier_at(postgres_dsn, "conversion_criteria") as barrier:
        callers = [asyncio.ensure_future(cache.plan(company_id, campaign_id)) for _ in range(3)]
        await barrier.reached()
        callers[0].cancel()
        await asyncio.wait(callers[:1])
        await barrier.lift()
        assert await callers[1] is await callers[2]
    assert callers[0].cancelled()


async def test_closing_leaves_no_task(postgres: Postgres, postgres_dsn: str) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    cache = ConfigCache(postgres, compiled, keys=1, plans=1)
    others = asyncio.all_tasks()
    async with barrier_at(postgres_dsn, "conversion_criteria") as barrier:
        caller = asyncio.ensure_future(cache.plan(company_id, campaign_id))
        await barrier.reached()
        ours = asyncio.all_tasks() - others
        await cache.close()
        await asyncio.wait([caller])
    assert len(ours) == 2
    assert all(task.done() for task in ours)


async def test_memory_is_bounded(postgres: Postgres) -> None:
    cache = ConfigCache(postgres, compiled, keys=3, plans=2)
    company_id = await a_company(postgres)
    campaigns = [await a_campaign(postgres, company_id) for _ in range(4)]
    for campaign_id in campaigns:
        await cache.plan(company_id, campaign_id)
    assert [cache.plans.get(campaign_id) is not None for campaign_id in campaigns] == [
        False,
        False,
        True,
        True,
    ]
    tokens = [a_token() for _ in range(5)]
    for token in tokens:
        await a_key(postgres, company_id, token)
        await cache.adopt_key(await read_key(postgres, token), token)
    assert [cache.keys.get(token) is not None for token in tokens] == [False, False, True, True, True]
    await cache.close()


async def test_the_longest_unused_is_forgotten_first() -> None:
    memory: Bounded[str, int] = Bounded(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert [memory.get(name) for name in "abc"] == [1, None, 3]
    memory.put("a", 9)
    memory.put("d", 4)
    assert [memory.get(name) for name in "acd"] == [9, None, 4]
    memory.drop(lambda name, value: value == 9)
    assert memory.get("a") is None


async def test_a_load_that_fails_fails_for_all_and_is_tried_anew() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    tries = 0

    async def load() -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unavailable("postgres")
        return tries

    outcomes = await asyncio.gather(*(flights.run("a", load) for _ in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert await flights.run("a", load) == 2
    assert len(flights) == 0


async def test_without_postgres_what_is_known_goes_on(own_postgres: Engine, postgres: Postgres) -> None:
    """Away is Unavailable, never None: nobody must take it for a refusal."""
    pool = await Postgres.open(own_postgres.url, min_size=0)
    cache = ConfigCache(pool, compiled, keys=9, plans=9)
    own_postgres.kill9()
    for work in (cache.company(1), cache.plan(1, 1), cache.refresh(1)):
        with pytest.raises(Unavailable):
            await work
    company_id = await a_company(postgres)
    token = a_token()
    await a_key(postgres, company_id, token)
    assert await cache.adopt_key(await read_key(postgres, token), token)
    assert cache.keys.get(token) is not None
    await cache.close()
    await pool.close()


async def test_a_new_campaign_is_seen_once_its_company_changed(
    postgres: Postgres, cache: Cache, kept: Kept
) -> None:
    before = await cache.company(kept.company_id)
    campaign_id = await insert(postgres, "campaigns", company_id=kept.company_id, cid="new")
    await changed(postgres, kept.company_id, "", *company_wide(kept.company_id), of_campaign(campaign_id))
    await cache.refresh(kept.company_id)
    after = await cache.company(kept.company_id)
    assert before is not None
    assert after is not None
    assert "new" not in before.campaigns_by_cid
    assert after.campaigns_by_cid["new"] == campaign_id
