"""From a token to its key: how often Postgres is asked, and how a flood is slowed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.paths import MIGRATIONS
from shared.clock import Clock
from shared.domain.keys import Kind, Level, RtbSettings
from shared.errors import Overloaded, Unavailable
from shared.stores.config_cache import ConfigCache
from shared.stores.key_lookup import Flood, KeyLookup
from shared.stores.migrations import migrate
from shared.stores.postgres import Postgres
from tests.support.accounts import PEPPER, a_company, a_key, a_token, barrier_at, changed, of_key
from tests.support.engines import Engine

CLIENT, OTHER = "192.0.2.1", "192.0.2.2"
NOW_MS = 1_772_461_800_000


class Hand:
    """The hand of a clock."""

    def __init__(self) -> None:
        self.s = 0.0
        self.clock = Clock(monotonic=lambda: self.s, wall=lambda: NOW_MS / 1000)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(postgres_dsn, max_size=4, deadline_s=20)
    yield pool
    await pool.close()


@pytest.fixture
async def lookup(postgres: Postgres, hand: Hand) -> AsyncIterator[KeyLookup[None]]:
    lookup = a_lookup(postgres, hand)
    yield lookup
    await lookup.close()


def a_lookup(postgres: Postgres, hand: Hand) -> KeyLookup[None]:
    cache = ConfigCache(postgres, lambda plan: None, keys=1_000, plans=10)
    return KeyLookup(postgres, cache, pepper=PEPPER, clock=hand.clock)


async def test_a_key_is_found_whole_and_then_known(postgres: Postgres, lookup: KeyLookup[None]) -> None:
    company_id = await a_company(postgres, shard=9)
    token = a_token()
    settings = '{"ttl_seconds": 60, "tag_prefix": "acme_"}'
    key_id = await a_key(
        postgres, company_id, token, name="ours", level="publisher", entity_id=7, settings=settings
    )
    assert lookup.known(token) is None
    key = await lookup.find(token, CLIENT)
    assert key is not None
    assert (key.id, key.company_id, key.shard, key.name) == (key_id, company_id, 9, "ours")
    assert (key.kind, key.level, key.entity_id) == (Kind.RTB, Level.PUBLISHER, 7)
    assert (key.paused, key.deleted, key.feature_on, key.version) == (False, False, True, 1)
    assert key.settings == RtbSettings(ttl_seconds=60, tag_prefix="acme_")
    before = postgres.queries
    assert await lookup.find(token, CLIENT) is key
    assert lookup.known(token) is key
    assert postgres.queries == before


async def test_a_hundred_at_once_are_one_query(postgres: Postgres, lookup: KeyLookup[None]) -> None:
    token, nobodys = a_token(), a_token()
    await a_key(postgres, await a_company(postgres), token)
    for asked, found in ((token, True), (nobodys, False)):
        before = postgres.queries
        keys = await asyncio.gather(*(lookup.find(asked, CLIENT) for _ in range(100)))
        assert postgres.queries - before == 1
        assert [key is not None for key in keys] == [found] * 100


async def test_what_cannot_be_a_token_reaches_no_store(postgres: Postgres, lookup: KeyLookup[None]) -> None:
    before = postgres.queries
    for text in ("", "short", "a" * 129, "no token at all!", "pbk_rtb_" + "0" * 36):
        assert await lookup.find(text, CLIENT) is None
    assert postgres.queries == before
    assert not lookup.flood.is_on(CLIENT, NOW_MS)


async def test_an_unknown_token_is_remembered_for_a_second(
    postgres: Postgres, lookup: KeyLookup[None], hand: Hand
) -> None:
    token = a_token()
    assert await lookup.find(token, CLIENT) is None
    await a_key(postgres, await a_company(postgres), token)
    before = postgres.queries
    hand.s = 0.999
    assert await lookup.find(token, CLIENT) is None
    assert postgres.queries == before
    hand.s = 1.0
    assert await lookup.find(token, CLIENT) is not None


async def test_a_deleted_key_comes_back_as_deleted(postgres: Postgres, lookup: KeyLookup[None]) -> None:
    company_id = await a_company(postgres)
    token, paused = a_token(), a_token()
    key_id = await a_key(postgres, company_id, token)
    await a_key(postgres, company_id, paused, paused=True)
    await postgres.execute("UPDATE postback_keys SET deleted_at = now() WHERE id = $1", key_id)
    key = await lookup.find(token, CLIENT)
    assert key is not None
    assert key.deleted
    key = await lookup.find(paused, CLIENT)
    assert key is not None
    assert (key.paused, key.deleted) == (True, False)


async def test_a_key_whose_feature_is_off_says_so(postgres: Postgres, lookup: KeyLookup[None]) -> None:
    company_id = await a_company(postgres, features='{"real_time_bidding": false}')
    token = a_token()
    await a_key(postgres, company_id, token)
    key = await lookup.find(token, CLIENT)
    assert key is not None
    assert not key.feature_on


async def test_another_pepper_finds_nothing(postgres: Postgres, hand: Hand) -> None:
    token = a_token()
    await a_key(postgres, await a_company(postgres), token)
    cache = ConfigCache(postgres, lambda plan: None, keys=10, plans=10)
    lookup = KeyLookup(postgres, cache, pepper=b"another", clock=hand.clock)
    assert await lookup.find(token, CLIENT) is None


async def test_a_paused_key_is_seen_once_its_version_is(postgres: Postgres, hand: Hand) -> None:
    company_id = await a_company(postgres)
    token = a_token()
    key_id = await a_key(postgres, company_id, token)
    cache = ConfigCache(postgres, lambda plan: None, keys=10, plans=10)
    lookup = KeyLookup(postgres, cache, pepper=PEPPER, clock=hand.clock)
    await lookup.find(token, CLIENT)
    statement = f"UPDATE postback_keys SET paused = true WHERE id = {key_id}"
    await changed(postgres, company_id, statement, of_key(key_id))
    await cache.refresh(company_id)
    assert lookup.known(token) is None
    again = await lookup.find(token, CLIENT)
    assert again is not None
    assert (again.paused, again.version) == (True, 2)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:DB8:0:0:1::", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "unknown", True),
        ("unknown", "", False),
    ],
)
def test_a_flood_is_one_addresses_or_one_networks(one: str, other: str, same: bool) -> None:
    flood = Flood()
    for _ in range(100):
        flood.note(one, NOW_MS)
    assert not flood.is_on(one, NOW_MS), "a hundred are not more than a hundred"
    flood.note(one, NOW_MS)
    assert flood.is_on(one, NOW_MS)
    assert flood.is_on(other, NOW_MS) is same


def test_a_flood_is_over_in_the_next_ten_seconds() -> None:
    flood = Flood()
    begin = NOW_MS - NOW_MS % 10_000
    for _ in range(200):
        flood.note(CLIENT, begin)
    assert flood.is_on(CLIENT, begin + 9_999)
    assert not flood.is_on(CLIENT, begin + 10_000)
    flood.note(CLIENT, begin + 10_000)
    assert not flood.is_on(CLIENT, begin + 10_000)


def test_a_flood_from_everywhere_is_remembered_in_bounds() -> None:
    flood = Flood()
    for number in range(11_000):
        flood.note(f"10.0.{number >> 8}.{number & 255}", NOW_MS)
    assert len(flood._counts._kept) == 10_000  # the bound is what is tested


async def flooded(lookup: KeyLookup[None], client: str) -> None:
    """Make an address a flooder."""
    for _ in range(4):
        await asyncio.gather(*(lookup.find(a_token(), client) for _ in range(26)))


async def test_only_what_reached_a_store_makes_a_flood(lookup: KeyLookup[None]) -> None:
    token = a_token()
    for _ in range(3):
        await asyncio.gather(*(lookup.find(token, CLIENT) for _ in range(100)))
    assert not lookup.flood.is_on(CLIENT, NOW_MS)
    await flooded(lookup, CLIENT)
    assert lookup.flood.is_on(CLIENT, NOW_MS)
    assert not lookup.flood.is_on(OTHER, NOW_MS)


async def test_a_valid_key_is_found_even_from_a_flooding_address(
    postgres: Postgres, lookup: KeyLookup[None]
) -> None:
    token = a_token()
    await a_key(postgres, await a_company(postgres), token)
    await flooded(lookup, CLIENT)
    assert await lookup.find(token, CLIENT) is not None


async def test_a_flood_waits_behind_itself_only(
    postgres: Postgres, postgres_dsn: str, lookup: KeyLookup[None]
) -> None:
    token = a_token()
    await a_key(postgres, await a_company(postgres), token)
    await flooded(lookup, CLIENT)
    async with barrier_at(postgres_dsn, "postback_keys") as barrier:
        waiting = [asyncio.ensure_future(lookup.find(a_token(), CLIENT)) for _ in range(64)]
        await barrier.reached(2)
        with pytest.raises(Overloaded):
            await lookup.find(a_token(), CLIENT)
        neighbour = asyncio.ensure_future(lookup.find(token, OTHER))
        await barrier.reached(3)
        await barrier.lift()
        assert await neighbour is not None
        assert await asyncio.gather(*waiting) == [None] * 64


async def test_too_many_at_once_are_refused_and_those_known_go_on(
    postgres: Postgres, postgres_dsn: str, lookup: KeyLookup[None]
) -> None:
    token = a_token()
    await a_key(postgres, await a_company(postgres), token)
    await lookup.find(token, CLIENT)
    async with barrier_at(postgres_dsn, "postback_keys") as barrier:
        waiting = [asyncio.ensure_future(lookup.find(a_token(), f"10.0.0.{i}")) for i in range(256)]
        await barrier.reached(4)
        with pytest.raises(Overloaded):
            await lookup.find(a_token(), OTHER)
        assert await lookup.find(token, CLIENT) is not None
        await barrier.lift()
        await asyncio.gather(*waiting)


async def test_who_gives_up_does_not_end_the_look_up_for_the_others(
    postgres: Postgres, postgres_dsn: str, lookup: KeyLookup[None]
) -> None:
    token = a_token()
    await a_key(postgres, await a_company(postgres), token)
    async with barrier_at(postgres_dsn, "postback_keys") as barrier:
        callers = [asyncio.ensure_future(lookup.find(token, CLIENT)) for _ in range(3)]
        await barrier.reached()
        callers[0].cancel()
        await asyncio.wait(callers[:1])
        await barrier.lift()
        assert await callers[1] is await callers[2] is not None


async def test_closing_leaves_no_task(postgres: Postgres, postgres_dsn: str, hand: Hand) -> None:
    lookup = a_lookup(postgres, hand)
    others = asyncio.all_tasks()
    async with barrier_at(postgres_dsn, "postback_keys") as barrier:
        caller = asyncio.ensure_future(lookup.find(a_token(), CLIENT))
        await barrier.reached()
        ours = asyncio.all_tasks() - others
        await lookup.close()
        await asyncio.wait([caller])
    assert len(ours) == 2
    assert all(task.done() for task in ours)


async def test_without_postgres_nobody_is_called_unknown(own_postgres: Engine, hand: Hand) -> None:
    await migrate(own_postgres.url, MIGRATIONS)
    pool = await Postgres.open(own_postgres.url)
    lookup = a_lookup(pool, hand)
    token = a_token()
    await a_key(pool, await a_company(pool), token)
    own_postgres.stop()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await lookup.find(token, CLIENT)
    own_postgres.start()
    assert await lookup.find(token, CLIENT) is not None, "it was not remembered as unknown"
    own_postgres.stop()
    assert await lookup.find(token, CLIENT) is not None, "what is hot goes on"
    await lookup.close()
    await pool.close()
