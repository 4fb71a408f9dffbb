"""The hot mirror of cap places: mirror.lua beside its model, and what is refreshed from Postgres."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.caps import Fill, mirror_text, read_mirror
from shared.stores import redis_keys
from shared.stores.mirror import MIRROR, assign, refresh
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL

SHARD, COMPANY = 1, 1
FILLS, HEAD = redis_keys.fills(SHARD), redis_keys.head(SHARD)
PUT = """
INSERT INTO cap_fills (company_id, subject, hard_n, rev, changed_at)
VALUES ($1, $2, $3, $4, now() - make_interval(secs => $5))
ON CONFLICT (company_id, subject) DO UPDATE SET hard_n = excluded.hard_n, rev = excluded.rev, changed_at = excluded.changed_at
"""
mirrors = st.dictionaries(
    st.sampled_from(["b1", "b12", "g3"]),
    st.builds(
        lambda n, rev: mirror_text(Fill(hour_at=3_600, hard_n=n, rev=rev)),
        st.integers(0, 9),
        st.integers(0, 12),
    ),
    max_size=3,
)


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis, (MIRROR,)) as each:
        await each.apply(SMALL)
        await each.warm()
        yield each


@pytest.fixture
async def bare(postgres_dsn: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(postgres_dsn, fresh_redis, (MIRROR,)) as each:
        yield each


def assigned(known: dict[str, str], mirror: dict[str, str], warm: bool) -> tuple[int, dict[str, str]]:
    """The model: how many were newer, and what the hash then holds."""
    newer = {
        subject: text
        for subject, text in mirror.items()
        if read_mirror(text).rev > (read_mirror(known[subject]).rev if subject in known else 0)
    }
    return (len(newer), {**known, **newer}) if warm else (0, known)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=mirrors, mirror=mirrors, epoch=st.sampled_from(["ours", "ours", "another", ""]))
async def test_the_script_does_what_the_model_does(
    bare: AccountStore, known: dict[str, str], mirror: dict[str, str], epoch: str
) -> None:
    await bare.redis.command(SHARD, "DEL", FILLS, HEAD)
    await bare.redis.command(
        SHARD, "HSET", FILLS, "h:b1", 2, *(part for pair in known.items() for part in pair)
    )
    if epoch:
        ours = bare.redis.run_id_of(SHARD)
        await bare.redis.command(SHARD, "HSET", HEAD, "epoch", ours if epoch == "ours" else epoch)
    count, left = assigned(known, mirror, epoch == "ours")
    assert await assign(bare.redis, SHARD, mirror=mirror) == count
    assert await bare.hash(SHARD, FILLS) == {"h:b1": "2", **left}


async def put(store: AccountStore, subject: str, *, n: int, rev: int, ago_s: float = 0) -> str:
    await store.postgres.execute(PUT, COMPANY, subject, n, rev, ago_s)
    return mirror_text(Fill(hard_n=n, rev=rev))


async def test_what_changed_lately_is_assigned_and_nothing_older(store: AccountStore) -> None:
    fresh = await put(store, "b1", n=3, rev=7)
    await put(store, "b2", n=3, rev=7, ago_s=60)
    await store.redis.command(SHARD, "HSET", FILLS, "h:b1", 2)
    assert await refresh(store.postgres, store.redis, within_s=10) == 1
    assert await store.hash(SHARD, FILLS) == {"h:b1": "2", "b1": fresh}
    assert await refresh(store.postgres, store.redis, within_s=10) == 0, "it stands there already"
    fresh = await put(store, "b1", n=2, rev=8)
    assert await refresh(store.postgres, store.redis, within_s=10) == 1
    assert await store.hash(SHARD, FILLS) == {"h:b1": "2", "b1": fresh}


async def test_more_than_one_script_takes(store: AccountStore) -> None:
    insert = "INSERT INTO cap_fills (company_id, subject, hard_n) SELECT $1, 'b' || n, n FROM generate_series(1, 1200) n"
    await store.postgres.execute(insert, COMPANY)
    assert await refresh(store.postgres, store.redis, within_s=10) == 1_200
    assert len(await store.hash(SHARD, FILLS)) == 1_200


async def test_a_cold_shard_is_left_to_its_rebuild_and_holds_up_no_other(store: AccountStore) -> None:
    other = await store.postgres.fetchval(
        "INSERT INTO companies (name, shard) VALUES ('cold', 9) RETURNING id"
    )
    await store.redis.command(9, "DEL", redis_keys.head(9))
    await store.postgres.execute(PUT, other, "b77", 1, 5, 0)
    await put(store, "b1", n=3, rev=7)
    assert await refresh(store.postgres, store.redis, within_s=10) == 1
    assert await store.hash(9, redis_keys.fills(9)) == {}
