"""Uploads of caller lists: applied chunk by chunk, rejected row by row, whole after a crash, and swapped at once."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from services.worker.list_upload import ListUploadJob
from shared.domain.keys import Level
from shared.domain.lists import CallerList
from shared.errors import Unavailable
from shared.stores import list_uploads as uploads
from shared.stores import lists, redis_keys
from shared.stores.hot_company import SCRIPTS
from shared.stores.list_widening import make_room
from tests.support.account_store import PEPPER, AccountStore, opened
from tests.support.account_trees import SMALL
from tests.support.list_uploads import done, upload
from tests.support.processes import running_service, worker_settings
from tests.support.waiting import eventually

COMPANY = 1
OLD, KEPT = "+13105550101", "+13105550102"
MANY = [f"+1313{555 + place // 10_000}{place % 10_000:04d}" for place in range(40_000)]
GOOD = [f"+1212{555 + place // 10_000}{place % 10_000:04d}" for place in range(12_000)]


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, SCRIPTS) as each:
        await each.apply(SMALL)
        await each.warm()
        await each.sync(COMPANY)
        yield each


async def a_list(store: AccountStore, *numbers: str, name: str = "suppressed_up") -> CallerList:
    async with store.postgres.transaction() as connection:
        made = await lists.create_list(connection, COMPANY, level=Level.COMPANY, entity_id=COMPANY, name=name)
        await lists.add_numbers(connection, made, numbers=numbers)
    await store.sync(COMPANY)
    return made


async def work(store: AccountStore) -> None:
    job = ListUploadJob(store.postgres, store.redis)
    while await job.step():
        pass


async def standing(store: AccountStore, of: CallerList) -> set[str]:
    """Who stands on a list, as Postgres has it."""
    query = (
        "SELECT n.number FROM caller_list_numbers n JOIN caller_lists l USING (generation_id) WHERE l.id = $1"
    )
    return {row[0] for row in await store.rows(query, of.id)}


async def test_rows_are_applied_and_bad_ones_told_by_their_number(store: AccountStore) -> None:
    made = await a_list(store, OLD)
    rows = [number if place % 10 else f"bad {place}" for place, number in enumerate(GOOD)]
    upload_id = await upload(store, made, "\n".join(rows))
    await work(store)
    told = await done(store, made, upload_id)
    assert (told.status, told.rows_read, told.rows_applied, told.rows_rejected) == (
        "Completed",
        12_000,
        10_800,
        1_200,
    )
    assert [row["row"] for row in told.rejected] == list(range(1, 12_000, 10))
    assert {row["reason"] for row in told.rejected} == {"caller_number_invalid"}
    good = {number for place, number in enumerate(GOOD) if place % 10}
    assert await standing(store, made) == good | {OLD}
    for number in (GOOD[1], GOOD[-1], OLD):
        assert await store.lists_of(COMPANY, number) == {made.id}
    assert await store.rows("SELECT count(*) FROM hot_sync") == [(0,)]


async def test_rejected_rows_are_told_up_to_two_thousand(store: AccountStore) -> None:
    made = await a_list(store)
    upload_id = await upload(store, made, "\n".join(["a header", *["no number"] * 2_100, *GOOD]))
    await work(store)
    told = await done(store, made, upload_id)
    assert (told.rows_applied, told.rows_rejected) == (12_000, 2_101)
    assert [row["row"] for row in told.rejected] == list(range(1, 2_001))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
async def test_a_thousand_bad_rows_are_told_wherever_a_chunk_ends(store: AccountStore, ending: str) -> None:
    """Rows of many lengths, so that chunks end anywhere; one in forty is bad, some are blank."""
    dice, made = Random(9), await a_list(store)
    rows = [dice.choice(["{}", "1{}", "+1{}", '"+1{}",x,y', " {} "]).format(number[2:]) for number in MANY]
    bad = sorted(dice.sample(range(len(rows)), 1_000))
    for place in bad:
        rows[place] = dice.choice(["0", "+1", "12", "number", "x" * 200, "+1212555", "列表", "2125550100x"])
    for place in dice.sample(sorted(set(range(len(rows))) - set(bad)), 50):
        rows[place] = dice.choice(["", " ", '""'])
    upload_id = await upload(store, made, ending.join(rows))
    assert (await store.rows("SELECT count(*) > 5 FROM caller_list_upload_chunks")) == [(True,)]
    await work(store)
    told = await done(store, made, upload_id)
    assert (told.rows_read, told.rows_applied, told.rows_rejected) == (39_950, 38_950, 1_000)
    assert [row["row"] for row in told.rejected] == [place + 1 for place in bad]
    assert len(await standing(store, made)) == 38_950


@pytest.mark.parametrize(
    ("before", "clear", "buckets"), [(100, False, 307), (5_000, False, 431), (5_000, True, 307)]
)
async def test_room_is_made_for_all_rows_before_the_first(
    store: AccountStore, before: int, clear: bool, buckets: int
) -> None:
    """For those on the list and those to come; of a list that is replaced, for the larger of both."""
    made = await a_list(store, *MANY[-before:])
    upload_id = await upload(store, made, "\n".join(GOOD), clear=clear)
    job, seen = ListUploadJob(store.postgres, store.redis), set[int]()
    while (await done(store, made, upload_id)).rows_read < len(GOOD):
        await job.step()
        if (await done(store, made, upload_id)).rows_read:
            seen |= {row[0] for row in await store.rows("SELECT list_buckets FROM companies")}
    assert seen == {buckets}
    assert await store.rows("SELECT count(*) FROM list_widenings") == [(0,)]


async def test_room_is_made_even_when_less_is_being_made_already(store: AccountStore) -> None:
    made = await a_list(store, *MANY[:5_000])
    assert await make_room(store.postgres, store.redis, company_id=COMPANY)
    await upload(store, made, "\n".join(GOOD))
    await work(store)
    assert await store.rows("SELECT list_buckets FROM companies") == [(431,)]


async def test_taking_off_needs_no_room(store: AccountStore) -> None:
    made = await a_list(store, *GOOD[:100])
    await upload(store, made, "\n".join(GOOD), action="delete")
    await work(store)
    assert await store.rows("SELECT list_buckets FROM companies") == [(64,)]


async def test_rows_are_taken_off(store: AccountStore) -> None:
    made = await a_list(store, OLD, KEPT)
    await upload(store, made, f"{OLD}\n2125559999", action="delete")
    await work(store)
    assert await standing(store, made) == {KEPT}
    assert [await store.lists_of(COMPANY, number) for number in (OLD, KEPT)] == [set(), {made.id}]


async def test_a_clearing_upload_swaps_the_list_at_once(store: AccountStore) -> None:
    made = await a_list(store, OLD, KEPT)
    upload_id = await upload(store, made, "\n".join([*GOOD, KEPT]), clear=True)
    job, seen = ListUploadJob(store.postgres, store.redis), list[tuple[bool, ...]]()
    while (await done(store, made, upload_id)).status == "Processing":
        await job.step()
        both = (OLD, KEPT, GOOD[0], GOOD[-1])
        seen.append(tuple([bool(await store.lists_of(COMPANY, number)) for number in both]))
    assert set(seen) == {(True, True, False, False), (False, True, True, True)}
    assert await standing(store, made) == {*GOOD, KEPT}
    await work(store)
    assert await store.rows("SELECT count(*) FROM caller_list_generations WHERE dead") == [(0,)]
    assert await store.rows("SELECT count(*) FROM caller_list_numbers WHERE number = $1", OLD) == [(0,)]


async def test_what_is_added_while_a_list_is_replaced_stays(store: AccountStore) -> None:
    made = await a_list(store, OLD)
    await upload(store, made, KEPT, clear=True)
    async with store.postgres.transaction() as connection:
        await lists.add_numbers(connection, made, numbers=[GOOD[0]])
    await work(store)
    assert await standing(store, made) == {KEPT, GOOD[0]}
    assert await store.lists_of(COMPANY, GOOD[0]) == {made.id}


@pytest.mark.parametrize(("text", "left"), [("", set()), ("no\nnumbers", {OLD})])
async def test_only_an_upload_that_is_empty_on_purpose_empties_a_list(
    store: AccountStore, text: str, left: set[str]
) -> None:
    made = await a_list(store, OLD)
    upload_id = await upload(store, made, text, clear=True)
    await work(store)
    assert (await done(store, made, upload_id)).status == ("Failed" if left else "Completed")
    assert await standing(store, made) == left


async def test_uploads_of_a_list_take_turns(store: AccountStore) -> None:
    made = await a_list(store)
    await upload(store, made, "\n".join(GOOD), turn=1)
    await upload(store, made, GOOD[0], turn=2, action="delete")
    await upload(store, made, GOOD[1], turn=3, action="delete")
    await work(store)
    assert await standing(store, made) == set(GOOD[2:])


async def test_an_upload_to_a_cold_shard_holds_up_no_other(store: AccountStore) -> None:
    made = await a_list(store)
    await store.apply({"company": {"name": "Another"}})
    async with store.postgres.transaction() as connection:
        other = await lists.create_list(
            connection, COMPANY + 1, level=Level.COMPANY, entity_id=COMPANY + 1, name="suppressed"
        )
    cold = await upload(store, made, "\n".join(GOOD), turn=1)
    warm = await upload(store, other, GOOD[0], turn=2)
    await store.redis.command(COMPANY, "HDEL", redis_keys.head(COMPANY), "epoch")
    job, away = ListUploadJob(store.postgres, store.redis), 0
    for _ in range(6):
        try:
            await job.step()
        except Unavailable:
            away += 1
    assert away > 1, "it is tried again"
    assert (await done(store, other, warm)).status == "Completed"
    assert await store.lists_of(COMPANY + 1, GOOD[0]) == {other.id}
    await store.warm()
    while (await done(store, made, cold)).status == "Processing":
        await job.step()
    assert await standing(store, made) == set(GOOD)


async def test_a_deleted_list_takes_its_upload_with_it(store: AccountStore) -> None:
    made = await a_list(store)
    await upload(store, made, "\n".join(GOOD), clear=True)
    job = ListUploadJob(store.postgres, store.redis)
    await job.step()
    async with store.postgres.transaction() as connection:
        await lists.forget_list(connection, made)
    await work(store)
    for table in ("caller_list_uploads", "caller_list_upload_chunks"):
        assert await store.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert await store.rows("SELECT number FROM caller_list_numbers") == [("+12125550199",)]


async def test_a_body_that_never_became_whole_is_forgotten(store: AccountStore) -> None:
    made = await a_list(store)
    upload_id = "0199c82c-c000-7005-8000-000000000001"
    await uploads.open_upload(store.postgres, made, upload_id=upload_id, key_id=1)
    await work(store)
    assert await store.rows("SELECT status FROM caller_list_uploads") == [("Receiving",)]
    assert await uploads.find_upload(store.postgres, made, upload_id=upload_id) is None
    await store.postgres.execute("UPDATE caller_list_uploads SET created_at = now() - interval '2 hours'")
    await work(store)
    assert await store.rows("SELECT count(*) FROM caller_list_uploads") == [(0,)]


@pytest.mark.parametrize("clear", [False, True])
async def test_a_worker_that_is_killed_goes_on_where_it_was(
    store: AccountStore, fresh_redis: str, clear: bool
) -> None:
    made = await a_list(store, OLD)
    rows = [*GOOD, *("bad" for _ in range(5)), *(f"+1213555{place:04d}" for place in range(10_000))]
    environment = worker_settings(store.dsn, fresh_redis, RINGPOST_PEPPER=PEPPER)
    with running_service("worker", environment) as worker:
        upload_id = await upload(store, made, "\n".join(rows), clear=clear)

        async def begun() -> bool:
            return (await done(store, made, upload_id)).rows_read > 0

        await eventually(begun, within_s=10.0, what="the upload is begun")
        worker.kill9()
        worker.start()

        async def over() -> bool:
            return (await done(store, made, upload_id)).status != "Processing"

        await eventually(over, within_s=30.0, what="the upload is over")
        told = await done(store, made, upload_id)
    counts = (told.status, told.rows_read, told.rows_applied, told.rows_rejected)
    assert counts == ("Completed", 22_005, 22_000, 5)
    assert told.rejected[0] == {"row": 12_001, "reason": "caller_number_invalid"}
    expected = {row for row in rows if row != "bad"} | (set() if clear else {OLD})
    assert await standing(store, made) == expected
