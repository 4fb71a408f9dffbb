"""Caller lists: who stands on them in Postgres, and that Redis says the same."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest

from shared.domain.keys import Level
from shared.domain.lists import bucket_of
from shared.errors import Unavailable
from shared.stores import lists, redis_keys
from shared.stores.config import Change
from shared.stores.hot_company import SCRIPTS, Cold
from shared.stores.list_buckets import rewrite_company_lists
from shared.stores.lists import CallerList
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL

COMPANY, SHARD = 1, 1
A, B, C = "+12125551001", "+12125551002", "+442079460003"


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, SCRIPTS) as each:
        await each.apply(SMALL)
        await each.warm()
        await each.sync(COMPANY)
        yield each


async def new_list(store: AccountStore, name: str = "suppressed", expires: int | None = None) -> CallerList:
    async with store.postgres.transaction() as connection:
        return await lists.create_list(
            connection,
            COMPANY,
            level=Level.COMPANY,
            entity_id=COMPANY,
            name=name,
            expires_after_seconds=expires,
        )


async def add(store: AccountStore, to: CallerList, *numbers: str) -> list[str]:
    async with store.postgres.transaction() as connection:
        return await lists.add_numbers(connection, to, numbers=numbers)


async def remove(store: AccountStore, of: CallerList, *numbers: str) -> list[str]:
    async with store.postgres.transaction() as connection:
        return await lists.remove_numbers(connection, of, numbers=numbers)


async def replace(store: AccountStore, of: CallerList, numbers: Sequence[str]) -> int:
    async with store.postgres.transaction() as connection:
        return await lists.replace_numbers(connection, of, numbers=numbers)


async def on(store: AccountStore, number: str) -> set[int]:
    await store.sync(COMPANY)
    return await store.lists_of(COMPANY, number)


async def again(store: AccountStore, known: CallerList) -> CallerList:
    async with store.postgres.transaction() as connection:
        found = await lists.find_list(
            connection, known.company_id, level=known.level, entity_id=known.entity_id, name=known.name
        )
    assert found is not None
    return found


async def test_numbers_are_added_and_taken_off(store: AccountStore) -> None:
    made = await new_list(store)
    assert await add(store, made, A, C) == [A, C]
    assert await on(store, A) == await on(store, C) == {made.id}
    assert await on(store, B) == set()
    assert await remove(store, made, A, B) == [A]
    assert await on(store, A) == set()
    assert await on(store, C) == {made.id}


async def test_adding_twice_is_adding_once(store: AccountStore) -> None:
    made = await new_list(store)
    await add(store, made, A)
    await store.sync(COMPANY)
    assert await add(store, made, A) == []
    assert await store.rows("SELECT count(*) FROM hot_sync") == [(0,)]


async def test_a_caller_may_stand_on_several_lists(store: AccountStore) -> None:
    one, two = await new_list(store, "suppressed_1"), await new_list(store, "accepted_2")
    await add(store, one, A)
    await add(store, two, A)
    assert await on(store, A) == {one.id, two.id}
    await remove(store, one, A)
    assert await on(store, A) == {two.id}


async def test_many_numbers_are_noted_a_hundred_at_a_time(store: AccountStore) -> None:
    made = await new_list(store)
    await store.sync(COMPANY)
    numbers = [f"+1212555{last:04d}" for last in range(3_000)]
    await add(store, made, *numbers)
    notes = await store.rows("SELECT kind, subject FROM hot_sync ORDER BY id")
    assert {kind for kind, _ in notes} == {"list_number"}
    assert len(notes) == 30
    assert sorted(number for _, subject in notes for number in subject.split(",")) == numbers
    await store.sync(COMPANY)
    for number in (numbers[0], numbers[1_777], numbers[-1]):
        assert await store.lists_of(COMPANY, number) == {made.id}


async def test_a_swap_shows_the_old_list_or_the_new_one(store: AccountStore) -> None:
    made = await new_list(store)
    await add(store, made, A, B)
    await store.sync(COMPANY)
    await replace(store, made, [B, C, C])
    assert await store.lists_of(COMPANY, A) == {made.id}, "nothing has changed before the notes are settled"
    assert [await on(store, number) for number in (A, B, C)] == [set(), {made.id}, {made.id}]


async def test_a_dead_generation_is_dropped_bit_by_bit(store: AccountStore) -> None:
    made = await new_list(store)
    await add(store, made, A, B)
    new = await replace(store, made, [B])
    async with store.postgres.transaction() as connection:
        assert await lists.drop_some(connection, COMPANY, generation_id=made.generation_id)
        assert not await lists.drop_some(connection, COMPANY, generation_id=made.generation_id)
    assert await on(store, B) == {made.id}
    rows = await store.rows("SELECT id FROM caller_list_generations WHERE list_id = $1", made.id)
    assert rows == [(new,)]
    bucket, field = bucket_of(A, 64)
    assert field not in await store.hash(SHARD, redis_keys.bucket(SHARD, COMPANY, buckets=64, number=bucket))


async def test_a_live_generation_is_not_dropped(store: AccountStore) -> None:
    made = await new_list(store)
    async with store.postgres.transaction() as connection:
        assert not await lists.drop_some(connection, COMPANY, generation_id=made.generation_id)
    assert (await again(store, made)).generation_id == made.generation_id


async def test_a_list_is_deleted_with_its_numbers(store: AccountStore) -> None:
    made = await new_list(store)
    await add(store, made, A)
    await store.sync(COMPANY)
    async with store.postgres.transaction() as connection:
        await lists.delete_list(connection, made)
    assert await on(store, A) == set()
    assert f"g:{made.generation_id}" not in await store.head(SHARD)
    bucket, field = bucket_of(A, 64)
    assert field not in await store.hash(SHARD, redis_keys.bucket(SHARD, COMPANY, buckets=64, number=bucket))


async def test_a_number_may_expire(store: AccountStore) -> None:
    made = await new_list(store, expires=60)
    await add(store, made, A, B)
    await store.sync(COMPANY)
    expire = "UPDATE caller_list_numbers SET expires_at = now() - interval '1 s' WHERE number = $1"
    await store.postgres.execute(expire, A)
    assert await lists.expire_numbers(store.postgres) == {COMPANY}
    assert await lists.expire_numbers(store.postgres) == set()
    assert [await on(store, number) for number in (A, B)] == [set(), {made.id}]


async def test_a_number_that_had_expired_is_added_as_new(store: AccountStore) -> None:
    made = await new_list(store, expires=60)
    await add(store, made, A)
    await store.postgres.execute("UPDATE caller_list_numbers SET expires_at = now() - interval '1 s'")
    assert await add(store, made, A) == [A]
    assert await on(store, A) == {made.id}


async def test_an_expired_number_is_not_written(store: AccountStore) -> None:
    made = await new_list(store, expires=60)
    await add(store, made, A)
    await store.postgres.execute("UPDATE caller_list_numbers SET expires_at = now() - interval '1 s'")
    assert await on(store, A) == set()


async def test_how_long_numbers_stay_can_be_set(store: AccountStore) -> None:
    made = await new_list(store)
    async with store.postgres.transaction() as connection:
        await lists.set_expiry(connection, made.id, expires_after_seconds=60)
    await add(store, await again(store, made), A)
    assert (await store.rows("SELECT expires_at > now() FROM caller_list_numbers WHERE number = $1", A)) == [
        (True,)
    ]


@pytest.mark.parametrize(
    ("level", "name", "expected"),
    [
        (Level.COMPANY, "suppressed", {("company", 1)}),
        (Level.CAMPAIGN, "Accepted", {("campaign", 2)}),
        (Level.BUYER, "suppressed", {("campaign", 1)}),
        (Level.CAMPAIGN, "notes", set()),
    ],
)
async def test_what_a_list_changes_is_named(
    store: AccountStore, level: Level, name: str, expected: set[tuple[str, int]]
) -> None:
    entity_id = 2 if level is Level.CAMPAIGN else 1
    made = CallerList(
        id=9,
        company_id=COMPANY,
        level=level,
        entity_id=entity_id,
        name=name,
        expires_after_seconds=None,
        generation_id=9,
    )
    async with store.postgres.transaction() as connection:
        changes = await lists.changes_of(connection, made)
    assert changes == {Change(scope=scope, entity_id=found) for scope, found in expected}  # type: ignore[arg-type]


async def test_changes_at_once_end_in_the_truth(store: AccountStore) -> None:
    made = await new_list(store)
    dice = Random(5)

    async def change(turn: int) -> None:
        number = dice.choice([A, B, C])
        await (add if turn % 2 else remove)(store, made, number)
        await store.sync(COMPANY)

    await asyncio.gather(*(change(turn) for turn in range(40)))
    query = "SELECT number FROM caller_list_numbers WHERE generation_id = $1"
    truth = {row[0] for row in await store.rows(query, made.generation_id)}
    for number in (A, B, C):
        assert (await store.lists_of(COMPANY, number) == {made.id}) == (number in truth)


async def rewrite(store: AccountStore) -> None:
    async with store.postgres.transaction() as connection:
        await rewrite_company_lists(connection, store.redis, company_id=COMPANY)


async def test_all_lists_are_rewritten_and_what_is_stale_goes(store: AccountStore) -> None:
    made = await new_list(store)
    await add(store, made, A, C)
    bucket, field = bucket_of(B, 64)
    await store.redis.command(
        SHARD, "HSET", redis_keys.bucket(SHARD, COMPANY, buckets=64, number=bucket), field, made.generation_id
    )
    await rewrite(store)
    assert [await store.lists_of(COMPANY, number) for number in (A, B, C)] == [{made.id}, set(), {made.id}]
    assert await store.lists_of(COMPANY, "+12125550199") == {1}


async def test_lists_are_rewritten_in_a_rebuild_with_its_token(store: AccountStore) -> None:
    made = await new_list(store)
    await add(store, made, A)
    head = redis_keys.head(SHARD)
    await store.redis.command(SHARD, "DEL", head)
    with pytest.raises(Cold):
        await rewrite(store)
    await store.redis.command(SHARD, "HSET", head, "rebuild", "token-of-a-rebuild")
    await rewrite(store)
    assert await store.lists_of(COMPANY, A) == {made.id}
    with pytest.raises(Unavailable):
        await store.sync(COMPANY)


async def test_a_company_that_is_gone_has_no_lists(store: AccountStore) -> None:
    async with store.postgres.transaction() as connection:
        await rewrite_company_lists(connection, store.redis, company_id=99)
