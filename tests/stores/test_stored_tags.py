"""Tags written before their call: merged, put on one call, never on another publisher's, and seen by the next ping."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.rtb.store import SCRIPTS
from shared.domain.stored_tags import StoredTags
from shared.errors import Unavailable
from shared.pinging.store import SCRIPTS as PING_SCRIPTS
from shared.stores import redis_keys
from shared.stores.hot_tags import TAGS, assign
from shared.stores.owed_tags import OwedTags
from shared.stores.postgres import Postgres
from shared.stores.stored_tags import (
    HotTags,
    Kept,
    Used,
    Writing,
    expire_tags,
    keep,
    load_hot_tags,
    use_up,
)
from tests.support.account_store import AccountStore, opened
from tests.support.asks import CALLER
from tests.support.engines import Engine
from tests.support.ping_bench import OTHER, PUBLISHER, Bench
from tests.support.shards import now_ms
from tests.support.waiting import eventually

COMPANY, SHARD = 1, 1
HASH = redis_keys.caller(SHARD, COMPANY, e164=CALLER)
DAY_MS = 86_400_000


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, (TAGS, *PING_SCRIPTS, *SCRIPTS)) as each:
        await each.postgres.execute("INSERT INTO companies (name, shard) VALUES ('Acme', 1)")
        await each.warm()
        yield each


async def write(store: AccountStore, tags: Mapping[str, str], publisher_id: int = 0, **more: Any) -> Kept:
    said = {"company_id": COMPANY, "caller": CALLER, "key_id": 1, **more}
    return await keep(store.postgres, Writing(tags=tags, publisher_id=publisher_id, **said))


async def call(store: AccountStore, publisher_id: int = 0, caller: str = CALLER) -> Used:
    async with store.postgres.transaction() as connection:
        return await use_up(connection, COMPANY, caller=caller, publisher_id=publisher_id)


def tags_of(owed: Kept | Used, publisher_id: int = 0) -> dict[str, str]:
    found: dict[str, str] = json.loads(owed.hot[publisher_id].text.split("|", 2)[2])
    return found


def rev_of(owed: Kept | Used, publisher_id: int = 0) -> int:
    return int(owed.hot[publisher_id].text.split("|")[0])


async def notes(store: AccountStore) -> list[int]:
    rows = await store.rows("SELECT id, kind, subject FROM hot_sync ORDER BY id")
    assert {row[1:] for row in rows} <= {("tags", CALLER)}
    return [row[0] for row in rows]


async def test_tags_wait_for_the_next_call_and_only_for_it(store: AccountStore) -> None:
    await write(store, {"zip": "10001"})
    assert (await call(store)).tags == {"zip": "10001"}
    assert (await call(store)).tags == {}


async def test_a_writers_tags_add_up_and_the_last_value_of_a_name_wins(store: AccountStore) -> None:
    first = await write(store, {"zip": "10001", "age": "40"})
    second = await write(store, {"age": "41", "odd | name": "a'\"|\n"})
    assert tags_of(second) == {"zip": "10001", "age": "41", "odd | name": "a'\"|\n"}
    assert rev_of(second) > rev_of(first)
    assert (await call(store)).tags == tags_of(second)


async def test_a_hundred_tags_stay_the_newest_of_them_first(store: AccountStore) -> None:
    await write(store, {f"old{number:03d}": "1" for number in range(60)})
    newest = {f"new{number:03d}": "2" for number in range(90)}
    kept = tags_of(await write(store, newest))
    assert len(kept) == 100
    assert newest.items() <= kept.items()


async def test_a_publishers_tags_win_and_are_never_anothers(store: AccountStore) -> None:
    await write(store, {"age": "40", "zip": "10001"})
    await write(store, {"age": "41"}, PUBLISHER)
    await write(store, {"secret": "of the other"}, OTHER)
    assert (await call(store, PUBLISHER)).tags == {"age": "41", "zip": "10001"}
    assert (await call(store, PUBLISHER)).tags == {}
    assert (await call(store, OTHER)).tags == {"secret": "of the other"}


async def test_other_callers_companies_and_anonymous_ones_have_none(store: AccountStore) -> None:
    await store.postgres.execute("INSERT INTO companies (name, shard) VALUES ('Two', 2)")
    await write(store, {"zip": "1"}, company_id=2)
    await write(store, {"zip": "2"}, caller="+13105550000")
    for caller in (CALLER, ""):
        assert await call(store, caller=caller) == Used()


async def test_tags_to_be_reused_stay_until_the_newest_writing_says_otherwise(store: AccountStore) -> None:
    await write(store, {"zip": "10001"}, reuse=True)
    for _ in range(2):
        assert await call(store) == Used(tags={"zip": "10001"})
    await write(store, {"age": "40"})
    assert (await call(store)).tags == {"zip": "10001", "age": "40"}
    assert (await call(store)).tags == {}


async def test_what_ran_out_is_neither_used_nor_merged_and_goes(store: AccountStore) -> None:
    await write(store, {"zip": "10001"}, PUBLISHER)
    await write(store, {"zip": "10001"})
    assert await expire_tags(store.postgres, limit=10) == 0
    await store.postgres.execute("UPDATE stored_tags SET expires_at = now() - interval '2 minutes'")
    assert await call(store, PUBLISHER) == Used()
    assert tags_of(await write(store, {"age": "40"})) == {"age": "40"}
    assert await expire_tags(store.postgres, limit=10) == 1
    assert await store.rows("SELECT publisher_id FROM stored_tags") == [(0,)]


async def test_no_more_go_at_a_time_than_asked(store: AccountStore) -> None:
    for number in range(5):
        await write(store, {}, number)
    await store.postgres.execute("UPDATE stored_tags SET expires_at = now() - interval '2 minutes'")
    assert [await expire_tags(store.postgres, limit=3) for _ in range(3)] == [3, 2, 0]


async def test_an_expiry_never_moves_back(store: AccountStore) -> None:
    long = await write(store, {"zip": "10001"})
    short = await write(store, {"zip": "10002"}, seconds=60)
    assert short.hot[0].until_ms == long.hot[0].until_ms
    used = await call(store)
    assert used.hot[0].until_ms == long.hot[0].until_ms, "an empty row outlives every text that it must outdo"


async def test_each_change_notes_what_redis_is_owed(store: AccountStore) -> None:
    kept = await write(store, {"zip": "10001"})
    assert await notes(store) == [kept.note_id]
    used = await call(store, PUBLISHER)
    assert await notes(store) == [kept.note_id, used.note_id]
    assert used.hot[0].text == f"{rev_of(used)}|0|{{}}"
    assert rev_of(used) > rev_of(kept)
    assert (await call(store)).note_id == 0
    assert len(await notes(store)) == 2


async def test_a_call_that_is_rolled_back_has_used_up_nothing(store: AccountStore) -> None:
    await write(store, {"zip": "10001"})
    with pytest.raises(RuntimeError, match="no such call"):  # noqa: PT012 - the block is what is tested
        async with store.postgres.transaction() as connection:
            await use_up(connection, COMPANY, caller=CALLER, publisher_id=0)
            raise RuntimeError("no such call")
    assert (await call(store)).tags == {"zip": "10001"}


async def test_writers_at_once_lose_nothing(store: AccountStore) -> None:
    kept = await asyncio.gather(*(write(store, {f"tag{number}": str(number)}) for number in range(20)))
    last = max(kept, key=rev_of)
    assert tags_of(last) == {f"tag{number}": str(number) for number in range(20)}
    assert len({rev_of(each) for each in kept}) == 20


async def test_of_calls_at_once_one_gets_the_tags(store: AccountStore) -> None:
    await write(store, {"zip": "10001"})
    await write(store, {"age": "40"}, PUBLISHER)
    used = await asyncio.gather(*(call(store, PUBLISHER) for _ in range(10)))
    assert sorted(len(each.tags) for each in used) == [0] * 9 + [2]


async def test_every_tag_is_used_once_whoever_writes_meanwhile(store: AccountStore) -> None:
    async def write_some(first: int) -> None:
        for number in range(first, first + 10):
            await write(store, {f"tag{number}": "1"})

    async def call_some() -> list[str]:
        return [name for _ in range(10) for name in (await call(store)).tags]

    found = await asyncio.gather(call_some(), call_some(), write_some(0), write_some(10), call_some())
    names = [name for each in found if each for name in each] + list((await call(store)).tags)
    assert sorted(names) == sorted(f"tag{number}" for number in range(20))


async def test_the_next_ping_sees_what_was_told(store: AccountStore) -> None:
    owed = OwedTags(store.postgres, store.redis)
    bench = Bench(store.redis)
    for tags, publisher in (
        ({"age": "40", "zip": "10001"}, 0),
        ({"age": "41"}, PUBLISHER),
        ({"x": "y"}, OTHER),
    ):
        kept = await write(store, tags, publisher)
        assert await owed.tell(SHARD, kept, company_id=COMPANY, caller=CALLER)
    asked = await bench.ping()
    assert isinstance(asked, StoredTags)
    assert asked.tags == {"age": "41", "zip": "10001"}
    used = await call(store, PUBLISHER)
    assert await owed.tell(SHARD, used, company_id=COMPANY, caller=CALLER)
    await bench.taken()
    assert 0 < await bench.ttl_ms(HASH) <= DAY_MS


async def test_notes_of_what_was_told_are_taken_back_and_the_others_stay(store: AccountStore) -> None:
    owed = OwedTags(store.postgres, store.redis)
    told, other = await write(store, {"zip": "10001"}), await write(store, {"zip": "10002"})
    assert await owed.tell(SHARD, Used(), company_id=COMPANY, caller=CALLER), "nothing is owed"
    await owed.tell(SHARD, told, company_id=COMPANY, caller=CALLER)
    running = asyncio.create_task(owed.run())
    await eventually(lambda: _is(notes(store), [other.note_id]), what="the note is taken back")
    running.cancel()
    assert await store.sync(COMPANY) == 1


async def _is(found: Any, expected: object) -> bool:
    return bool(await found == expected)


async def test_a_cold_shard_and_a_lost_postgres_leave_it_to_the_worker(
    store: AccountStore, own_postgres: Engine
) -> None:
    owed = OwedTags(store.postgres, store.redis)
    kept = await write(store, {"zip": "10001"})
    await store.redis.command(SHARD, "HDEL", redis_keys.head(SHARD), "epoch")
    assert not await owed.tell(SHARD, kept, company_id=COMPANY, caller=CALLER)
    await owed.take_back()
    assert await notes(store) == [kept.note_id]
    with pytest.raises(Unavailable):
        await assign(store.redis, SHARD, company_id=COMPANY, caller=CALLER, hot=kept.hot)
    await store.warm()
    away = await Postgres.open(own_postgres.url, deadline_s=0.5)
    own_postgres.kill9()
    lost = OwedTags(away, store.redis)
    assert await lost.tell(SHARD, kept, company_id=COMPANY, caller=CALLER)
    await lost.take_back()
    await away.close()
    assert await notes(store) == [kept.note_id]


async def test_the_worker_tells_what_nobody_did_an_empty_row_too(store: AccountStore) -> None:
    kept = await write(store, {"zip": "10001"})
    used = await call(store)
    await store.sync(COMPANY)
    assert (await store.hash(SHARD, HASH))["t0"] == used.hot[0].text
    await assign(store.redis, SHARD, company_id=COMPANY, caller=CALLER, hot=kept.hot)
    assert (await store.hash(SHARD, HASH))["t0"] == used.hot[0].text, "what came late stays away"
    async with store.postgres.transaction() as connection:
        assert await load_hot_tags(connection, COMPANY, callers=[CALLER]) == {CALLER: dict(used.hot)}


texts = st.dictionaries(
    st.sampled_from([0, 7, 8]),
    st.tuples(st.integers(1, 9), st.sampled_from([-5_000, 30_000, 60_000])),
    max_size=3,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(texts, min_size=1, max_size=5),
    epoch=st.sampled_from(["ours", "ours", "another", ""]),
)
async def test_the_script_does_what_the_model_does(
    store: AccountStore, steps: list[dict[int, tuple[int, int]]], epoch: str
) -> None:
    await store.redis.command(SHARD, "DEL", HASH, redis_keys.head(SHARD))
    if epoch:
        ours = store.redis.run_id_of(SHARD) if epoch == "ours" else epoch
        await store.redis.command(SHARD, "HSET", redis_keys.head(SHARD), "epoch", ours)
    model: dict[str, str] = {}
    longest = 0
    for step in steps:
        now = await now_ms(store.redis)
        hot = {
            publisher: HotTags(text=f"{rev}|{now + left}|{{}}", until_ms=now + left)
            for publisher, (rev, left) in step.items()
        }
        newer = 0
        for publisher, tags in hot.items():
            standing = int(model.get(f"t{publisher}", "0").split("|")[0])
            if epoch == "ours" and step[publisher][1] > 0 and standing < step[publisher][0]:
                model[f"t{publisher}"] = tags.text
                longest = max(longest, tags.until_ms)
                newer += 1
        try:
            assert await assign(store.redis, SHARD, company_id=COMPANY, caller=CALLER, hot=hot) == newer
        except Unavailable:
            assert epoch != "ours"
        assert await store.hash(SHARD, HASH) == model
    left_ms = await store.redis.command(SHARD, "PTTL", HASH)
    assert (left_ms == -2) if not model else (0 <= longest - now - left_ms < 5_000)
