"""Drill: workers are killed again and again under a stream that is being written. No row is missing, none is twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from shared.clock import Clock
from shared.stores import redis_keys
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.engines import Engine
from tests.support.processes import running_service, worker_settings
from tests.support.streams import Fields, append, confirmation, event, no_target, repeat, reserved
from tests.support.waiting import eventually, give_way

PATIENT = Limits(deadline_ms=5_000, silence_ms=10_000, waiting=4_096)
SHARDS = (0, 9, 17, 63)
KILLS = 12


@pytest.fixture
async def redis(own_redis: Engine) -> AsyncIterator[Redis]:
    redis = await Redis.open(own_redis.url, limits=PATIENT)
    yield redis
    await redis.close()


class Publishers:
    """Writes pings and confirmations, and remembers what the log must say of each."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.expected: dict[str, str] = {}
        self.enough = False
        self._redis = redis
        self._dice = random.Random(seed)

    async def run(self) -> None:
        while not self.enough:
            for shard in SHARDS:
                await self._round(shard)
            await give_way()

    async def _round(self, shard: int) -> None:
        """Some pings, each maybe repeated, and confirmations of some of them, in one go or the next."""
        now_ms = Clock().now_ms()
        entries: list[Fields] = []
        later: list[Fields] = []
        for _ in range(self._dice.randint(1, 12)):
            ping = event(now_ms, shard)
            if self._dice.random() < 0.3:
                entries.append(no_target(ping))
                self.expected[ping.uuid] = "no-target"
                continue
            entries.append(reserved(ping, expires_ms=now_ms + 600_000))
            self.expected[ping.uuid] = "reserved"
            if self._dice.random() < 0.4:
                confirmed = confirmation(ping.uuid, now_ms, "b12")
                (entries if self._dice.random() < 0.5 else later).append(confirmed)
                self.expected[ping.uuid] = "confirmed"
            if self._dice.random() < 0.2:
                again = event(now_ms, shard)
                entries.append(repeat(again, ping.uuid, expires_ms=now_ms + 600_000))
                self.expected[again.uuid] = "reserved"
        await append(self._redis, shard, entries, at_ms=now_ms)
        await append(self._redis, shard, later, at_ms=now_ms)


@pytest.mark.timeout(180)
async def test_no_ping_is_lost_or_doubled(fresh_database: str, own_redis: Engine, redis: Redis) -> None:
    environment = worker_settings(fresh_database, own_redis.url, RINGPOST_DRAIN_BATCH="97")
    publishers = Publishers(redis, seed=7)
    dice = random.Random(11)
    postgres = await Postgres.open(fresh_database, deadline_s=15)
    with ExitStack() as stack:
        workers = [stack.enter_context(running_service("worker", environment)) for _ in range(2)]
        writing = asyncio.ensure_future(publishers.run())
        for kill in range(KILLS):
            worker = workers[kill % 2]
            seen = await postgres.fetchval("SELECT count(*) FROM pings")

            async def moved(seen: int = seen) -> bool:
                stored = await postgres.fetchval("SELECT count(*) FROM pings")
                return bool(stored > seen + dice.randint(0, 500))

            await eventually(moved, within_s=20, what="rows are stored")
            await asyncio.to_thread(worker.kill9)
            await asyncio.to_thread(worker.spawn)
        publishers.enough = True
        await writing

        async def all_stored() -> bool:
            lengths = [await redis.command(shard, "XLEN", redis_keys.events(shard)) for shard in SHARDS]
            return not any(lengths)

        await eventually(all_stored, within_s=30, what="the streams are empty")
    rows = await postgres.fetch("SELECT uuid::text AS uuid, status, confirmed_at FROM pings")
    assert len(rows) == len(publishers.expected)
    assert {row["uuid"]: row["status"] for row in rows} == publishers.expected
    assert all((row["confirmed_at"] is None) == (row["status"] != "confirmed") for row in rows)
    await postgres.close()
