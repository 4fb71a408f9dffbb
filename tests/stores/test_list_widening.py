"""Wider buckets: as whole as the old ones before a plan reads them, whatever is changed, lost or ended in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

import pytest

from shared.clock import Clock
from shared.domain.keys import Level
from shared.domain.lists import CallerList, bucket_of
from shared.errors import Unavailable
from shared.stores import lists, redis_keys
from shared.stores.events import TRIM
from shared.stores.hot_company import SCRIPTS as HOT
from shared.stores.hot_company import Cold
from shared.stores.list_widening import Home, count_callers, make_room, widen_some
from shared.stores.rebuild import Rebuild
from shared.stores.rebuild_writes import SCRIPTS as REBUILD
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL
from tests.support.engines import empty_redis

COMPANY, SHARD = 1, 1
LISTED_BEFORE = "+12125550199"  # by the account
NEW, LAST = "+12015550100", "+19895550100"  # before and behind all others
MANY = [f"+1{area}555{last:04d}" for area in (212, 313, 414) for last in range(1_700)]


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, (*HOT, *REBUILD, TRIM)) as each:
        await each.apply(SMALL)
        await each.warm()
        await each.sync(COMPANY)
        yield each


async def a_full_list(store: AccountStore) -> CallerList:
    async with store.postgres.transaction() as connection:
        made = await lists.create_list(
            connection, COMPANY, level=Level.COMPANY, entity_id=COMPANY, name="suppressed"
        )
        await lists.add_numbers(connection, made, numbers=MANY)
    await store.sync(COMPANY)
    return made


async def change(store: AccountStore, of: CallerList, *, add: str = "", remove: str = "") -> None:
    """A change, as a request makes it: settled before it is answered."""
    async with store.postgres.transaction() as connection:
        if add:
            await lists.add_numbers(connection, of, numbers=[add])
        if remove:
            await lists.remove_numbers(connection, of, numbers=[remove])
    await store.sync(COMPANY)


async def begin(store: AccountStore, **room: int) -> bool:
    return await make_room(store.postgres, store.redis, company_id=COMPANY, **room)


async def step(store: AccountStore) -> bool:
    return await widen_some(store.postgres, store.redis, company_id=COMPANY)


async def to_the_end(store: AccountStore) -> None:
    while await step(store):
        pass


async def counts(store: AccountStore) -> tuple[int, int, bool]:
    """The buckets that plans read, those of the widening, and whether it is flipped."""
    query = """
    SELECT c.list_buckets, coalesce(w.buckets_to, 0), coalesce(w.flipped, false)
    FROM companies c LEFT JOIN list_widenings w ON w.company_id = c.id WHERE c.id = 1
    """
    ((now, to, flipped),) = await store.rows(query)
    return now, to, flipped


async def callers_in(store: AccountStore, buckets: int) -> dict[str, str]:
    """Who stands in the buckets of one count, and in which generations."""
    found: dict[str, str] = {}
    for bucket in range(buckets):
        key = redis_keys.bucket(SHARD, COMPANY, buckets=buckets, number=bucket)
        held = await store.hash(SHARD, key)
        found |= {f"+{int(field) * buckets + bucket}": text for field, text in held.items()}
    return found


async def truth(store: AccountStore) -> dict[str, str]:
    query = """
    SELECT number, string_agg(generation_id::text, ',' ORDER BY generation_id) FROM caller_list_numbers GROUP BY number
    """
    return dict(await store.rows(query))


async def test_wider_buckets_hold_the_same(store: AccountStore) -> None:
    made = await a_full_list(store)
    version = await store.version()
    assert await begin(store)
    assert not await begin(store), "one at a time"
    await to_the_end(store)
    assert not await begin(store)
    buckets = (await counts(store))[0]
    assert len(MANY) / 60 < buckets < len(MANY) / 30
    assert await store.version() == version + 1
    assert await store.changes(COMPANY, version) == {("company", COMPANY)}
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == str(version + 1)
    assert await callers_in(store, buckets) == await truth(store)
    assert await callers_in(store, 64) == {}
    for number in Random(3).sample(MANY, 50):
        assert await store.lists_of(COMPANY, number) == {made.id}


async def test_a_step_copies_two_thousand_and_lets_others_in(store: AccountStore) -> None:
    await a_full_list(store)
    await begin(store)
    await step(store)
    now, to, flipped = await counts(store)
    assert (now, flipped) == (64, False)
    assert len(await callers_in(store, to)) == 2_000
    assert await callers_in(store, now) == await truth(store)


@pytest.mark.parametrize(
    ("numbers", "room", "begun"),
    [
        (100, {}, False),
        (100, {"more": 3_600}, False),
        (100, {"more": 4_000}, True),
        (100, {"at_least": 4_000}, True),
    ],
)
async def test_room_is_made_for_what_will_come(
    store: AccountStore, numbers: int, room: dict[str, int], begun: bool
) -> None:
    made = await a_full_list(store)
    async with store.postgres.transaction() as connection:
        await lists.remove_numbers(connection, made, numbers=MANY[numbers:])
    await store.sync(COMPANY)
    assert await begin(store, **room) is begun
    await to_the_end(store)
    now, to, _ = await counts(store)
    assert to == 0
    assert (now >= 4_000 / 60) is begun


async def test_callers_are_counted_by_what_is_in_some_buckets(store: AccountStore) -> None:
    await a_full_list(store)
    home = Home(company_id=COMPANY, shard=SHARD, list_buckets=64)
    assert await count_callers(store.redis, home) == len(MANY)
    await begin(store, at_least=20_000)
    await to_the_end(store)
    home = Home(company_id=COMPANY, shard=SHARD, list_buckets=(await counts(store))[0])
    assert home.list_buckets > 300
    assert abs(await count_callers(store.redis, home) - len(MANY)) < len(MANY) / 8


@pytest.mark.parametrize("seed", range(4))
async def test_what_changes_meanwhile_stands_in_both(store: AccountStore, seed: int) -> None:
    made, dice = await a_full_list(store), Random(seed)
    await begin(store)
    open_ends = [NEW, LAST, MANY[0], MANY[1_999], MANY[2_000], MANY[-1], LISTED_BEFORE]
    for _ in range(8):
        if dice.random() < 0.6:
            await step(store)
        caller = dice.choice(open_ends)
        await change(store, made, **{dice.choice(["add", "remove"]): caller})
        now, to, _ = await counts(store)
        everyone = await truth(store)
        assert await callers_in(store, now) == everyone
        if to:
            assert (await callers_in(store, to)).items() <= everyone.items()
    await to_the_end(store)
    assert await callers_in(store, (await counts(store))[0]) == await truth(store)


async def test_changes_of_many_at_once_are_kept(store: AccountStore) -> None:
    made = await a_full_list(store)
    await begin(store)
    late = [f"+1515555{last:04d}" for last in range(20)]
    await asyncio.gather(to_the_end(store), *(change(store, made, add=number) for number in late))
    for number in late:
        assert await store.lists_of(COMPANY, number) == {made.id}
    assert await callers_in(store, (await counts(store))[0]) == await truth(store)


async def seen_by_a_plan(store: AccountStore, number: str) -> bool:
    """Whether a plan loaded now finds the caller on a list, or is told that it is stale."""
    ((version, buckets),) = await store.rows(
        "SELECT config_version, list_buckets FROM companies WHERE id = 1"
    )
    bucket, field = bucket_of(number, buckets)
    found = await store.redis.command(
        SHARD, "HGET", redis_keys.bucket(SHARD, COMPANY, buckets=buckets, number=bucket), field
    )
    newest = await store.redis.command(SHARD, "HGET", redis_keys.head(SHARD), f"v:{COMPANY}")
    return found is not None or int(newest) > version


async def test_no_plan_ever_misses_a_caller(store: AccountStore) -> None:
    await a_full_list(store)
    await begin(store)
    widening = asyncio.ensure_future(to_the_end(store))
    looks = 0
    while not widening.done():
        assert await seen_by_a_plan(store, MANY[-1])
        looks += 1
    await widening
    assert looks > 5
    assert await seen_by_a_plan(store, MANY[-1])


async def flipped(store: AccountStore) -> tuple[int, int]:
    """Widen up to the moment at which plans are to read the new buckets, and no further; the old count and the new one."""
    await a_full_list(store)
    old = (await counts(store))[0]
    await begin(store)
    while not (await counts(store))[2]:
        await step(store)
    return old, (await counts(store))[0]


async def test_old_buckets_stay_until_redis_calls_their_plans_stale(store: AccountStore) -> None:
    old, new = await flipped(store)
    head = redis_keys.head(SHARD)
    assert (
        await store.redis.command(SHARD, "HGET", head, f"v:{COMPANY}")
        == str(await store.version() - 1).encode()
    )
    assert await callers_in(store, old) == await callers_in(store, new)
    assert await step(store)
    assert not await step(store)
    assert (
        await store.redis.command(SHARD, "HGET", head, f"v:{COMPANY}") == str(await store.version()).encode()
    )
    assert await callers_in(store, old) == {}


async def test_a_change_after_the_flip_tells_redis_before_it_is_answered(store: AccountStore) -> None:
    _, new = await flipped(store)
    made = await found(store)
    await change(store, made, add=NEW)
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == str(await store.version())
    assert NEW in await callers_in(store, new)


async def found(store: AccountStore) -> CallerList:
    each = await lists.find_list(
        store.postgres, COMPANY, level=Level.COMPANY, entity_id=COMPANY, name="suppressed"
    )
    assert each is not None
    return each


async def test_what_an_earlier_redis_left_in_the_new_buckets_goes(store: AccountStore) -> None:
    made = await a_full_list(store)
    bucket, field = bucket_of(NEW, 127)
    stale = redis_keys.bucket(SHARD, COMPANY, buckets=127, number=bucket)
    await store.redis.command(SHARD, "HSET", stale, field, made.generation_id)
    await begin(store)
    assert (await counts(store))[1] == 127
    await to_the_end(store)
    assert await store.lists_of(COMPANY, NEW) == set()


async def lose(store: AccountStore, redis_url: str) -> None:
    """Redis forgets everything, and is rebuilt."""
    await asyncio.to_thread(empty_redis, redis_url)
    with suppress(Unavailable):  # the last step moves nothing
        await step(store)
    rebuild = Rebuild(store.postgres, store.redis, clock=Clock())
    assert SHARD in await rebuild.rebuild([SHARD])


@pytest.mark.parametrize("steps", range(5))
async def test_a_shard_that_is_lost_meanwhile_is_rebuilt_and_widened(
    store: AccountStore, fresh_redis: str, steps: int
) -> None:
    await a_full_list(store)
    await begin(store)
    for _ in range(steps):
        await step(store)
    assert (await counts(store))[1], "it is not over before the loss"
    await lose(store, fresh_redis)
    for _ in range(5):
        now = (await counts(store))[0]
        assert await callers_in(store, now) == await truth(store)
        await step(store)
    now, to, _ = await counts(store)
    assert (now > 64, to) == (True, 0)
    assert await callers_in(store, now) == await truth(store)


async def test_nothing_is_begun_or_moved_while_the_shard_is_cold(store: AccountStore) -> None:
    await a_full_list(store)
    await store.redis.command(SHARD, "HSET", redis_keys.head(SHARD), "epoch", "another")
    with pytest.raises(Cold):
        await begin(store)
    assert await counts(store) == (64, 0, False)
    await store.warm()
    await begin(store)
    await store.redis.command(SHARD, "HSET", redis_keys.head(SHARD), "epoch", "another")
    with pytest.raises(Cold):
        await step(store)
    assert await store.rows("SELECT copied_to FROM list_widenings") == [("",)]


async def test_a_company_that_is_gone_has_nothing_to_widen(store: AccountStore) -> None:
    assert not await make_room(store.postgres, store.redis, company_id=99)
    assert not await widen_some(store.postgres, store.redis, company_id=99)
