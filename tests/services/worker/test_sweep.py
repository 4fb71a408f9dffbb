"""sweep.lua beside a small model of it: each hold goes once, and only when its time is over."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.worker.holds import SWEEP, HoldsJob
from shared.clock import Clock
from shared.stores import redis_keys
from shared.stores.redis import Redis
from tests.support.engines import empty_redis, run_apart
from tests.support.streams import warm

SHARD = 3
SUBJECTS = ("b1", "b12", "g3", "g45")
Hold = tuple[str, int, tuple[str, ...]]  # member's uuid, expiry from now in ms, subjects

holds = st.lists(
    st.tuples(
        st.uuids().map(str),
        st.sampled_from([-60_000, -1_000, 600_000, 700_000]),
        st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=3, unique=True).map(tuple),
    ),
    max_size=150,
    unique_by=lambda hold: hold[0],
)


def swept(taken: Sequence[Hold], limit: int) -> tuple[int, Mapping[str, int]]:
    """The model: how many holds one sweep gives back, and what is left on each subject."""
    over = [hold for hold in taken if hold[1] < 0]
    given_back = min(len(over), -(-limit // 64) * 64)
    over.sort(key=lambda hold: (hold[1], f"{hold[0]}|{','.join(hold[2])}"))
    left = Counter(subject for hold in taken for subject in hold[2])
    left.subtract(subject for hold in over[:given_back] for subject in hold[2])
    return given_back, +left


async def _take(redis: Redis, taken: Sequence[Hold], now_ms: int) -> None:
    for uuid, left_ms, subjects in taken:
        member = f"{uuid}|{','.join(subjects)}"
        await redis.command(SHARD, "ZADD", redis_keys.due(SHARD), now_ms + left_ms, member)
        for subject in subjects:
            await redis.command(SHARD, "HINCRBY", redis_keys.fills(SHARD), f"h:{subject}", 1)


async def _left(redis: Redis) -> dict[str, int]:
    flat = await redis.command(SHARD, "HGETALL", redis_keys.fills(SHARD))
    return {name.decode()[2:]: int(n) for name, n in zip(flat[::2], flat[1::2], strict=True)}


@pytest.mark.timeout(120)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(taken=holds, limit=st.sampled_from([1, 64, 100, 1_024]))
def test_the_script_does_what_the_model_does(fresh_redis: str, taken: list[Hold], limit: int) -> None:
    async def compare() -> None:
        redis = await Redis.open(fresh_redis, scripts=(SWEEP,))
        await warm(redis, SHARD)
        await _take(redis, taken, Clock().now_ms())
        keys = (redis_keys.head(SHARD), redis_keys.due(SHARD), redis_keys.fills(SHARD))
        reply = await redis.script(SWEEP, SHARD, keys=keys, args=(redis.run_id, limit))
        given_back, left = swept(taken, limit)
        assert reply == [b"ok", given_back]
        assert await _left(redis) == left
        assert await redis.command(SHARD, "ZCARD", keys[1]) == len(taken) - given_back
        await redis.close()

    empty_redis(fresh_redis)
    run_apart(compare())


async def test_the_job_sweeps_warm_shards_and_knows_the_cold_ones(fresh_redis: str) -> None:
    redis = await Redis.open(fresh_redis, scripts=(SWEEP,))
    job = HoldsJob(redis)
    await _take(redis, [("u1", -1_000, ("b1",)), ("u2", 60_000, ("b1",))], Clock().now_ms())
    await job.step()
    assert (job.cold, await _left(redis)) == (frozenset(range(64)), {"b1": 2})
    await warm(redis, *range(1, 64))
    await job.step()
    assert (job.cold, await _left(redis)) == (frozenset({0}), {"b1": 1})
    await redis.close()
