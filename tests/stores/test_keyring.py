"""A key for a request: what is in memory is trusted only as far as Redis's config version allows."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.clock import Clock
from shared.domain.keys import Key, Kind
from shared.domain.reasons import Reason
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.clock_sampler import ClockSampler
from shared.stores.config_cache import ConfigCache
from shared.stores.fence import ClockOff, Stale
from shared.stores.key_lookup import KeyLookup
from shared.stores.keyring import AGAIN, Again, Denied, Keyring
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.versions import RedisVersions
from tests.support.accounts import PEPPER, a_company, a_key, a_token, barrier_at, changed, of_key

SHARD = 1
CLIENT = "192.0.2.1"
PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000)


class Desk:
    """A keyring, and the hot copy that it must not outlive."""

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self.postgres = postgres
        self.redis = redis
        clock = Clock(monotonic=lambda: 0.0, wall=lambda: 1_772_461_800.0)
        self.config = ConfigCache(postgres, lambda plan: None, keys=100, plans=100)
        self.lookup = KeyLookup(postgres, self.config, pepper=PEPPER, clock=clock)
        sampler = ClockSampler(clock, redis)
        versions = RedisVersions(redis)
        self.keyring = Keyring(self.lookup, self.config, versions=versions, clock=clock, sampler=sampler)

    async def redis_knows(self, company_id: int, version: int) -> None:
        head = redis_keys.head(SHARD)
        fields = ("epoch", self.redis.run_id_of(SHARD), f"v:{company_id}", version)
        await self.redis.command(SHARD, "HSET", head, *fields)

    async def known(self, **columns: object) -> tuple[str, Key]:
        """A token whose key is in memory, Redis being of its version."""
        token = a_token()
        company_id = await a_company(self.postgres)
        await a_key(self.postgres, company_id, token, **columns)
        await self.redis_knows(company_id, 1)
        key = await self.lookup.find(token, CLIENT)
        assert key is not None
        return token, key


@pytest.fixture
async def desk(postgres_dsn: str, fresh_redis: str) -> AsyncIterator[Desk]:
    postgres = await Postgres.open(postgres_dsn, max_size=4, deadline_s=20)
    redis = await Redis.open(fresh_redis, limits=PATIENT)
    desk = Desk(postgres, redis)
    yield desk
    await desk.lookup.close()
    await desk.config.close()
    await redis.close()
    await postgres.close()


async def test_a_hot_key_costs_nothing(desk: Desk) -> None:
    token, key = await desk.known()
    before = desk.redis.calls, desk.postgres.queries
    assert await desk.keyring.key(token, Kind.RTB, client=CLIENT) is key
    assert (desk.redis.calls, desk.postgres.queries) == before


async def test_who_is_nobody_is_denied(desk: Desk) -> None:
    token = a_token()
    await desk.lookup.find(token, CLIENT)
    assert await desk.keyring.key(token, Kind.RTB, client=CLIENT) == Denied(reason=Reason.KEY_UNKNOWN)
    for _ in range(4):
        await asyncio.gather(*(desk.lookup.find(a_token(), CLIENT) for _ in range(25)))
    flooding = await desk.keyring.key(token, Kind.RTB, client=CLIENT)
    assert flooding == Denied(reason=Reason.TOO_MANY_UNKNOWN_KEYS)


async def test_a_key_that_came_into_memory_is_looked_at_again(desk: Desk) -> None:
    token = a_token()
    key_id = await a_key(desk.postgres, await a_company(desk.postgres), token)
    while (found := await _patiently(desk, token)) is AGAIN:
        assert desk.keyring.known(token) is not None
    assert isinstance(found, Key)
    assert found.id == key_id


async def _patiently(desk: Desk, token: str) -> Key | Denied | Again:
    """Once more when this machine was too slow to wait for."""
    try:
        return await desk.keyring.key(token, Kind.RTB, client=CLIENT)
    except Unavailable:
        await desk.lookup.find(token, CLIENT)
        return AGAIN


async def test_a_refusal_from_memory_is_sent_while_it_is_current(desk: Desk) -> None:
    token, key = await desk.known(paused=True)
    before = desk.redis.round_trips
    denied = await desk.keyring.key(token, Kind.RTB, client=CLIENT)
    assert denied == Denied(reason=Reason.KEY_PAUSED, key_id=key.id)
    assert desk.redis.round_trips - before == 1


async def test_a_resumed_key_is_never_refused_from_memory(desk: Desk) -> None:
    token, key = await desk.known(paused=True)
    statement = f"UPDATE postback_keys SET paused = false WHERE id = {key.id}"
    await changed(desk.postgres, key.company_id, statement, of_key(key.id))
    await desk.redis_knows(key.company_id, 2)
    assert await desk.keyring.key(token, Kind.RTB, client=CLIENT) is AGAIN
    assert desk.keyring.known(token) is None, "it was forgotten"
    await desk.lookup.find(token, CLIENT)
    again = await desk.keyring.key(token, Kind.RTB, client=CLIENT)
    assert isinstance(again, Key)
    assert not again.paused


async def test_a_company_that_redis_knows_nothing_newer_of_is_current(desk: Desk) -> None:
    _, key = await desk.known()
    assert await desk.keyring.is_current(key, 1)
    await desk.redis_knows(key.company_id, 0)
    assert await desk.keyring.is_current(key, 1)
    await desk.redis.command(SHARD, "HDEL", redis_keys.head(SHARD), f"v:{key.company_id}")
    assert await desk.keyring.is_current(key, 1)


@pytest.mark.parametrize("epoch", [None, "another"])
async def test_on_a_cold_shard_nobody_is_refused(desk: Desk, epoch: str | None) -> None:
    token, _ = await desk.known(paused=True)
    await desk.redis.command(SHARD, "HDEL", redis_keys.head(SHARD), "epoch")
    if epoch is not None:
        await desk.redis.command(SHARD, "HSET", redis_keys.head(SHARD), "epoch", epoch)
    with pytest.raises(Unavailable, match="redis"):
        await desk.keyring.key(token, Kind.RTB, client=CLIENT)


async def test_what_a_script_found_out_of_date_is_brought_up(desk: Desk) -> None:
    token, key = await desk.known()
    await changed(desk.postgres, key.company_id, "", of_key(key.id))
    assert await desk.keyring.catch_up(key, Stale()) is AGAIN
    assert desk.config.version(key.company_id) == 2
    assert desk.keyring.known(token) is None
    before = desk.redis.calls
    assert await desk.keyring.catch_up(key, ClockOff()) is AGAIN
    assert desk.redis.calls > before, "the time was read anew"


async def test_nobody_waits_long_for_a_key(desk: Desk, postgres_dsn: str) -> None:
    """The look-up goes on, and the next request finds the key."""
    token = a_token()
    await a_key(desk.postgres, await a_company(desk.postgres), token)
    async with barrier_at(postgres_dsn, "postback_keys") as barrier:
        with pytest.raises(Unavailable, match="postgres"):
            await desk.keyring.key(token, Kind.RTB, client=CLIENT)
        await barrier.reached()
        waiting = asyncio.ensure_future(desk.lookup.find(token, CLIENT))
        await barrier.lift()
        assert await waiting is desk.keyring.known(token) is not None
