"""Hot copies that are owed: today's truth is written, upwards only, and nothing is lost when Redis is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.caps import Fill, mirror_text
from shared.errors import Unavailable
from shared.stores import config, hot_sync, redis_keys
from shared.stores.config import Change
from shared.stores.hot_company import SCRIPTS, Cold, HotCompany, take_turn
from shared.stores.redis import Redis
from shared.stores.scripts import Script
from shared.stores.stored_tags import Writing, keep
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL
from tests.support.engines import Engine
from tests.support.waiting import eventually

COMPANY, SHARD = 1, 1
HEAD = redis_keys.head(SHARD)
FILLS = redis_keys.fills(SHARD)
CALLER = redis_keys.caller(SHARD, COMPANY, e164="+12125551212")


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, SCRIPTS) as each:
        await each.apply(SMALL)
        await each.warm()
        await each.sync(COMPANY)
        yield each


async def bump(store: AccountStore) -> int:
    async with store.postgres.transaction() as connection:
        return await config.bump(connection, COMPANY, changes=[Change(scope="key", entity_id=1)])


async def note(store: AccountStore, *subjects: str, kind: str) -> None:
    async with store.postgres.transaction() as connection:
        await hot_sync.note(connection, COMPANY, *subjects, kind=kind)


async def write(store: AccountStore, work: Callable[[HotCompany], Awaitable[None]]) -> None:
    """Write by hand, in a turn of one's own."""
    async with store.postgres.transaction() as connection:
        hot = await take_turn(connection, store.redis, company_id=COMPANY)
        assert hot is not None
        await work(hot)


async def owed(store: AccountStore) -> list[tuple[Any, ...]]:
    return await store.rows("SELECT kind, subject FROM hot_sync ORDER BY id")


async def test_a_raised_version_reaches_redis(store: AccountStore) -> None:
    version = await bump(store)
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == str(version - 1)
    assert await store.sync(COMPANY) == 1
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == str(version)
    assert await owed(store) == []
    assert await store.sync(COMPANY) == 0


async def test_changes_are_named_once_each(store: AccountStore) -> None:
    changes = [
        Change(scope="key", entity_id=3),
        Change(scope="campaign", entity_id=3),
        Change(scope="key", entity_id=3),
    ]
    async with store.postgres.transaction() as connection:
        version = await config.bump(connection, COMPANY, changes=changes)
    assert await store.changes(COMPANY, version - 1) == {("key", 3), ("campaign", 3)}


async def test_a_version_never_goes_back(store: AccountStore) -> None:
    await store.redis.command(SHARD, "HSET", HEAD, f"v:{COMPANY}", 1_000)
    await bump(store)
    await store.sync(COMPANY)
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == "1000"


async def test_the_newest_truth_is_written_whatever_was_noted(store: AccountStore) -> None:
    await bump(store)
    await store.postgres.execute("UPDATE companies SET config_version = 77")
    await store.sync(COMPANY)
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == "77"


async def test_a_shard_of_another_redis_is_not_written(store: AccountStore) -> None:
    await store.redis.command(SHARD, "HSET", HEAD, "epoch", "another")
    before = await store.head(SHARD)
    await bump(store)
    with pytest.raises(Cold):
        await store.sync(COMPANY)
    assert await store.head(SHARD) == before
    assert await owed(store) == [("version", "")]


async def test_an_empty_shard_is_not_written(store: AccountStore) -> None:
    await store.redis.command(SHARD, "DEL", HEAD)
    await bump(store)
    with pytest.raises(Unavailable):
        await store.sync(COMPANY)
    assert await store.head(SHARD) == {}
    assert await owed(store) == [("version", "")]


async def test_a_company_that_is_gone_owes_nothing(store: AccountStore) -> None:
    assert await store.sync(99) == 0


async def test_who_owes_is_found_in_order(store: AccountStore) -> None:
    await store.apply({"company": {"name": "Two"}})
    await bump(store)
    assert await hot_sync.find_owing(store.postgres) == [1, 2]
    assert await hot_sync.find_owing(store.postgres, limit=1) == [1]
    assert await hot_sync.find_owing(store.postgres, after=1) == [2]


async def test_redis_away_leaves_the_notes_and_they_are_settled_later(
    store: AccountStore, own_redis: Engine
) -> None:
    async with opened(store.dsn, own_redis.url) as later:
        await later.warm()
        version = await bump(store)
        own_redis.pause()
        try:
            with pytest.raises(Unavailable):
                await later.sync(COMPANY)
        finally:
            own_redis.resume()
        assert await owed(store) == [("version", "")]
        await eventually(lambda: is_back(later), what="Redis is reached again")
        assert await later.sync(COMPANY) == 1
        assert (await later.head(SHARD))[f"v:{COMPANY}"] == str(version)


async def is_back(store: AccountStore) -> bool:
    try:
        await store.redis.command(SHARD, "PING")
    except Unavailable:
        return False
    return True


async def test_applies_at_once_settle_every_note_once(store: AccountStore) -> None:
    for _ in range(5):
        await bump(store)
    settled = await asyncio.gather(*(store.sync(COMPANY) for _ in range(3)))
    assert sum(settled) == 5
    assert (await store.head(SHARD))[f"v:{COMPANY}"] == str(await store.version())


async def test_turns_grow_in_the_order_of_the_locks(store: AccountStore) -> None:
    turns: list[int] = []

    async def take() -> None:
        async with store.postgres.transaction() as connection:
            hot = await take_turn(connection, store.redis, company_id=COMPANY)
            assert hot is not None
            turns.append(hot.turn)

    await asyncio.gather(*(take() for _ in range(12)))
    assert turns == sorted(turns)


async def test_a_writer_that_was_overtaken_writes_nothing(store: AccountStore) -> None:
    stale: list[HotCompany] = []

    async def keep(hot: HotCompany) -> None:
        stale.append(hot)

    async def set_live(hot: HotCompany) -> None:
        await hot.set_generations({8: 3})

    await write(store, keep)
    await write(store, set_live)
    with pytest.raises(Cold):
        await stale[0].set_generations({8: 0})
    assert (await store.head(SHARD))["g:8"] == "3"


async def test_turns_of_other_companies_do_not_matter(store: AccountStore) -> None:
    await store.redis.command(SHARD, "HSET", HEAD, "s:65", 10**12)
    await bump(store)
    assert await store.sync(COMPANY) == 1


async def put_fill(store: AccountStore, subject: str, fill: Fill) -> None:
    columns = ("hour_at", "hour_n", "day_at", "day_n", "month_at", "month_n", "hard_n", "live_n", "rev")
    names, places = ", ".join(columns), ", ".join(f"${place}" for place in range(3, 12))
    await store.postgres.execute(
        f"INSERT INTO cap_fills (company_id, subject, {names}) VALUES ($1, $2, {places}) "
        "ON CONFLICT (company_id, subject) DO UPDATE SET rev = excluded.rev, hard_n = excluded.hard_n",
        COMPANY,
        subject,
        *(getattr(fill, name) for name in columns),
    )


async def test_fills_are_mirrored_and_holds_left_alone(store: AccountStore) -> None:
    await store.redis.command(SHARD, "HSET", FILLS, "h:b1", 2)
    fill = Fill(
        hour_at=3600, hour_n=1, day_at=3600, day_n=2, month_at=0, month_n=3, hard_n=4, live_n=1, rev=7
    )
    await put_fill(store, "b1", fill)
    await note(store, "b1", "b2", kind=hot_sync.FILLS)
    await store.sync(COMPANY)
    assert await store.hash(SHARD, FILLS) == {"h:b1": "2", "b1": mirror_text(fill)}


async def test_an_older_fill_does_not_replace_a_newer_mirror(store: AccountStore) -> None:
    newer = mirror_text(Fill(hard_n=9, rev=9))
    await store.redis.command(SHARD, "HSET", FILLS, "b1", newer)
    await put_fill(store, "b1", Fill(hard_n=8, rev=8))
    await note(store, "b1", kind=hot_sync.FILLS)
    await store.sync(COMPANY)
    assert (await store.hash(SHARD, FILLS))["b1"] == newer


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(revs=st.lists(st.integers(0, 50), min_size=1, max_size=8))
async def test_the_mirror_ends_at_the_newest_revision(store: AccountStore, revs: list[int]) -> None:
    await store.redis.command(SHARD, "DEL", FILLS)
    for rev in revs:
        text = mirror_text(Fill(hard_n=rev, rev=rev))

        async def assign(hot: HotCompany, text: str = text) -> None:
            await hot.set_fills({"b1": text})

        await write(store, assign)
    newest = max(revs)
    expected = {"b1": mirror_text(Fill(hard_n=newest, rev=newest))} if newest else {}
    assert await store.hash(SHARD, FILLS) == expected


async def store_tags(store: AccountStore, caller: str, tags: dict[str, str]) -> None:
    writing = Writing(company_id=COMPANY, caller=caller, key_id=1, tags=tags)
    await keep(store.postgres, writing)


async def test_stored_tags_of_callers_are_written_where_they_are_newer(store: AccountStore) -> None:
    await store.redis.command(SHARD, "HSET", CALLER, "k1", "a reservation", "t9", "2|1|{}", "t0", "0|1|{}")
    await store_tags(store, "+12125551212", {"zip": "10001"})
    await store_tags(store, "+12125551213", {"age": "40"})
    assert await owed(store) == [("tags", "+12125551212"), ("tags", "+12125551213")]
    assert await store.sync(COMPANY) == 2
    found = await store.hash(SHARD, CALLER)
    assert set(found) == {"k1", "t0", "t9"}
    assert json.loads(found["t0"].split("|", 2)[2]) == {"zip": "10001"}
    other = redis_keys.caller(SHARD, COMPANY, e164="+12125551213")
    assert set(await store.hash(SHARD, other)) == {"t0"}
    await store.redis.command(SHARD, "HSET", CALLER, "t0", "9999|1|{}")
    await note(store, "+12125551212", kind=hot_sync.TAGS)
    await store.sync(COMPANY)
    assert (await store.hash(SHARD, CALLER))["t0"] == "9999|1|{}"


async def test_who_has_just_written_tags_is_given_time_to_tell_redis(store: AccountStore) -> None:
    await store_tags(store, "+12125551212", {"zip": "10001"})
    assert await hot_sync.find_owing(store.postgres) == []
    await store.postgres.execute("UPDATE hot_sync SET created_at = created_at - interval '1 second'")
    assert await hot_sync.find_owing(store.postgres) == [COMPANY]


async def test_tags_for_a_cold_shard_stay_owed(store: AccountStore) -> None:
    await store_tags(store, "+12125551212", {"zip": "10001"})
    await store.redis.command(SHARD, "HDEL", HEAD, "epoch")
    with pytest.raises(Cold):
        await store.sync(COMPANY)
    assert await owed(store) == [("tags", "+12125551212")]


async def test_what_is_taken_back_is_owed_no_more_and_nothing_else(store: AccountStore) -> None:
    await note(store, "b1", "b2", "b3", kind=hot_sync.FILLS)
    ids = [row[0] for row in await store.rows("SELECT id FROM hot_sync ORDER BY id")]
    async with store.postgres.transaction() as connection:
        await connection.execute("SELECT FROM hot_sync WHERE id = $1 FOR UPDATE", ids[0])
        await hot_sync.take_back(store.postgres, [ids[2], ids[0], 10**12])
    assert await owed(store) == [("fills", "b1"), ("fills", "b2")], "what another one settles is left to it"


async def test_many_notes_are_settled_in_turns(store: AccountStore) -> None:
    await note(store, *(f"b{number}" for number in range(2_500)), kind=hot_sync.FILLS)
    assert await store.sync(COMPANY) == 2_500
    assert await owed(store) == []


async def test_callers_are_settled_some_five_thousand_a_turn(store: AccountStore) -> None:
    """Whoever changes a list waits for the turn under way, not for all that is owed."""
    async with store.postgres.transaction() as connection:
        numbers = [f"+1{number}" for number in range(2_125_550_000, 2_125_570_000)]
        await hot_sync.note_numbers(connection, COMPANY, numbers=numbers)
    ((before,),) = await store.rows("SELECT last_value FROM hot_sync_id_seq")
    assert await store.sync(COMPANY) == 200
    ((after,),) = await store.rows("SELECT last_value FROM hot_sync_id_seq")
    assert after - before in (4, 5)
    assert await owed(store) == []


class Watched:
    """A Redis that remembers which scripts it ran."""

    def __init__(self, redis: Redis) -> None:
        self.ran: list[str] = []
        self._redis = redis

    def run_id_of(self, shard: int) -> str:
        return self._redis.run_id_of(shard)

    async def script(self, script: Script, shard: int, **more: Any) -> Any:
        self.ran.append(script.name)
        return await self._redis.script(script, shard, **more)


async def test_callers_stand_there_before_their_list_is_swapped_and_the_version_comes_last(
    store: AccountStore,
) -> None:
    await bump(store)
    async with store.postgres.transaction() as connection:
        await hot_sync.note(connection, COMPANY, "1", kind=hot_sync.LIST)
        await hot_sync.note_numbers(connection, COMPANY, numbers=["+12125550199"])
    watched = Watched(store.redis)
    await hot_sync.apply(store.postgres, cast(Redis, watched), company_id=COMPANY)
    assert [name.rpartition("/")[2] for name in watched.ran] == [
        "set_callers",
        "set_generations",
        "set_version",
    ]


async def test_a_note_goes_with_its_transaction(store: AccountStore) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):  # noqa: PT012 - the block is what is tested
        async with store.postgres.transaction() as connection:
            await config.bump(connection, COMPANY, changes=[Change(scope="key", entity_id=1)])
            raise RuntimeError("changed my mind")
    assert await owed(store) == []
