"""Caller lists changed by holders of a key: in force at once, owed to Redis when it is cold, written down."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.domain.key_settings import CallerListManagementSettings
from shared.domain.keys import Key, Kind, Level
from shared.domain.lists import CallerList, Listed, Place
from shared.domain.reasons import Reason
from shared.stores import lists, redis_keys
from shared.stores.hot_company import SCRIPTS
from shared.stores.list_access import find_access
from shared.stores.list_desk import ListDesk
from shared.stores.list_looks import find_listed, load_listed, load_names
from shared.stores.list_upload_turns import drop_dead
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL, a_tree

COMPANY, SHARD = 1, 1
A, B = "+12125551001", "+12125551002"
PLACE = Place(company_id=COMPANY, shard=SHARD, level=Level.COMPANY, entity_id=COMPANY, key_id=1)
AT_AUTO = Place(company_id=COMPANY, shard=SHARD, level=Level.CAMPAIGN, entity_id=1, key_id=1)


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, SCRIPTS) as each:
        await each.apply(SMALL)
        await each.warm()
        await each.sync(COMPANY)
        yield each


@pytest.fixture
def desk(store: AccountStore) -> ListDesk:
    return ListDesk(store.postgres, store.redis)


async def made(desk: ListDesk, name: str = "suppressed", place: Place = PLACE) -> CallerList:
    outcome = await desk.create(place, name)
    assert isinstance(outcome, CallerList)
    return outcome


async def owed(store: AccountStore) -> int:
    ((count,),) = await store.rows("SELECT count(*) FROM hot_sync")
    return int(count)


async def test_numbers_stand_in_redis_when_the_answer_is_given(store: AccountStore, desk: ListDesk) -> None:
    of = await made(desk)
    first = await desk.add(PLACE, "suppressed", number=A)
    again = await desk.add(PLACE, "suppressed", number=A)
    assert isinstance(first, Listed)
    assert isinstance(again, Listed)
    assert (first.is_new, again.is_new, first.created_ms) == (True, False, again.created_ms)
    assert await store.lists_of(COMPANY, A) == {of.id}
    assert isinstance(await desk.remove(PLACE, "suppressed", number=A), Listed)
    assert await desk.remove(PLACE, "suppressed", number=A) is Reason.NOT_FOUND
    assert await store.lists_of(COMPANY, A) == set()
    assert await owed(store) == 0


async def test_what_is_not_there_is_not_changed(store: AccountStore, desk: ListDesk) -> None:
    assert await desk.find(PLACE, "nothing") is None
    assert await desk.add(PLACE, "nothing", number=A) is Reason.NOT_FOUND
    assert await desk.remove(PLACE, "nothing", number=A) is Reason.NOT_FOUND
    assert await desk.rename(PLACE, "nothing", to="else") is Reason.NOT_FOUND
    assert await desk.delete(PLACE, "nothing") is Reason.NOT_FOUND
    assert await load_names(store.postgres, PLACE, page=1) == []


@pytest.mark.parametrize(("name", "grows"), [("suppressed", True), ("notes", False)])
async def test_only_lists_with_effect_raise_the_version(
    store: AccountStore, desk: ListDesk, name: str, grows: bool
) -> None:
    before = await store.version()
    await made(desk, name, AT_AUTO)
    assert await store.changes(COMPANY, before) == ({("campaign", 1)} if grows else set())
    middle = await store.version()
    await desk.rename(AT_AUTO, name, to="notes_2")
    assert (await store.version() > middle) is grows
    last = await store.version()
    await desk.rename(AT_AUTO, "notes_2", to="accepted")
    assert await store.version() == last + 1
    await desk.delete(AT_AUTO, "accepted")
    assert await store.version() == last + 2
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == str(last + 2)


async def test_a_name_is_taken_once(desk: ListDesk) -> None:
    await made(desk, "one")
    await made(desk, "two")
    assert await desk.create(PLACE, "one") is Reason.LIST_NAME_TAKEN
    assert await desk.rename(PLACE, "two", to="one") is Reason.LIST_NAME_TAKEN
    outcomes = await asyncio.gather(*(desk.create(PLACE, "three") for _ in range(8)))
    assert outcomes.count(Reason.LIST_NAME_TAKEN) == 7
    assert isinstance(await desk.create(AT_AUTO, "one"), CallerList)


async def test_a_deleted_list_is_off_at_once_and_dropped_later(store: AccountStore, desk: ListDesk) -> None:
    of = await made(desk)
    await desk.add(PLACE, "suppressed", number=A)
    assert await desk.delete(PLACE, "suppressed") == of
    assert await store.lists_of(COMPANY, A) == set()
    again = await made(desk)
    assert await find_listed(store.postgres, again, number=A) is None
    assert await drop_dead(store.postgres) == COMPANY
    assert await drop_dead(store.postgres) == COMPANY
    assert await drop_dead(store.postgres) == 0
    assert await store.rows("SELECT number FROM caller_list_numbers WHERE number = $1", A) == []


async def test_a_cold_redis_is_owed_what_was_answered(store: AccountStore, desk: ListDesk) -> None:
    of = await made(desk)
    await store.redis.command(SHARD, "HDEL", redis_keys.head(SHARD), "epoch")
    listed = await desk.add(PLACE, "suppressed", number=A)
    assert isinstance(listed, Listed)
    assert listed.is_new
    assert await owed(store) == 1
    await store.warm()
    await store.sync(COMPANY)
    assert await store.lists_of(COMPANY, A) == {of.id}


async def test_pages_have_one_more_than_they_show(store: AccountStore, desk: ListDesk) -> None:
    of = await made(desk)
    numbers = [f"+1212555{place:04d}" for place in range(30)]
    async with store.postgres.transaction() as connection:
        await lists.add_numbers(connection, of, numbers=numbers)
    pages = [[row.number for row in await load_listed(store.postgres, of, page=page)] for page in (1, 2, 3)]
    assert pages == [numbers[:26], numbers[25:], []]


async def test_each_change_of_a_list_is_written_down(store: AccountStore, desk: ListDesk) -> None:
    await made(desk, "one")
    await desk.rename(PLACE, "one", to="two")
    await desk.delete(PLACE, "two")
    query = (
        "SELECT action, actor FROM audit_log WHERE entity = 'caller_list' AND actor LIKE 'key:%' ORDER BY id"
    )
    assert await store.rows(query) == [("create", "key:1"), ("update", "key:1"), ("delete", "key:1")]


async def test_an_id_that_is_also_anothers_name_means_the_keys_own(store: AccountStore) -> None:
    await store.apply(a_tree(campaigns=[*SMALL["campaigns"], {"cid": "1"}]))
    ((third,),) = await store.rows("SELECT id FROM campaigns WHERE cid = '1'")
    company = Key(
        id=1,
        company_id=COMPANY,
        shard=SHARD,
        kind=Kind.CALLER_LIST_MANAGEMENT,
        level=Level.COMPANY,
        entity_id=COMPANY,
        name="lists",
        settings=CallerListManagementSettings(),
    )
    own = Key(
        id=1,
        company_id=COMPANY,
        shard=SHARD,
        kind=Kind.CALLER_LIST_MANAGEMENT,
        level=Level.CAMPAIGN,
        entity_id=third,
        name="own",
        settings=CallerListManagementSettings(),
    )
    named = [("1", company), ("1", own), ("home", own), ("nowhere", company)]
    found = [
        (await find_access(store.postgres, key, level=Level.CAMPAIGN, named=name)).entity_id
        for name, key in named
    ]
    assert found == [1, third, 2, 0]
