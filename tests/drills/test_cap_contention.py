"""Never one over a cap, whatever the number of workers; and the naive way, which must fail."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.pinging.store import RESERVE
from shared.stores.redis import Redis
from tests.drills.cap_contender import PATIENT, reserve
from tests.support.asks import VERSION
from tests.support.models import Shard
from tests.support.shards import COMPANY, put, take

PROCESSES, EACH, CAP = 4, 125, 50
_ROOT = Path(__file__).parents[2]


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(fresh_redis, scripts=(RESERVE,), limits=PATIENT)
    await put(redis, Shard(epoch="ours", versions={COMPANY: VERSION}))
    yield redis
    await redis.close()


async def contend(url: str, way: str) -> list[int]:
    """What each process got, all having begun together."""
    contenders = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.drills.cap_contender", url, way),
            *(str(1_000 * place), str(EACH), str(CAP)),
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for place in range(PROCESSES)
    ]
    for one in contenders:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    outcomes = await asyncio.gather(*(one.communicate(b"go\n") for one in contenders))
    assert [one.returncode for one in contenders] == [0] * PROCESSES
    return [int(said) for said, _ in outcomes]


async def test_four_processes_never_go_over_a_cap(redis: Redis, fresh_redis: str) -> None:
    got = await contend(fresh_redis, "reserve")
    assert sum(got) == CAP
    state = await take(redis)
    assert state.holds == {"b1": CAP, "g1": CAP}
    assert len(state.due) == len(state.reservations) == CAP
    assert len(state.events) == PROCESSES * EACH
    await put(redis, state.older(999_001))
    assert await reserve(redis, 9_000, EACH, CAP) == CAP, "all places fell away by themselves, and no more"
    assert (await take(redis)).holds == {"b1": CAP, "g1": CAP}


async def test_the_naive_way_goes_over(redis: Redis, fresh_redis: str) -> None:
    """The control: were this to hold, the drill above would prove nothing."""
    got = await contend(fresh_redis, "read_then_increment")
    assert sum(got) > CAP
    assert (await take(redis)).holds == {"b1": sum(got)}
