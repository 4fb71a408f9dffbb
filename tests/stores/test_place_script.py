"""place.lua: who has a place left for a call, beside the holds of others."""

from collections.abc import AsyncIterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.caps import Fill
from shared.domain.routing.subjects import FlatCaps
from shared.errors import Unavailable
from shared.stores.fence import ClockOff, Stale
from shared.stores.free_places import Wanted, free_places
from tests.support import place_models
from tests.support.asks import VERSION, Offer, flat
from tests.support.models import AWAY, SHARD, Shard
from tests.support.ping_bench import HOLD, Bench, caller, open_bench
from tests.support.shards import COMPANY, now_ms, put

ONE = Offer(caps=flat("b1", daily=1) + flat("g3", hourly=1))


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as each:
        yield each


async def look(
    bench: Bench, *candidates: FlatCaps, own: str = "", version: int = VERSION, late_ms: int = 0
) -> str | Stale | ClockOff:
    wanted = Wanted(
        shard=SHARD,
        company_id=COMPANY,
        version=version,
        now_ms=await now_ms(bench.redis) - late_ms,
        own_uuid=own,
        candidates=candidates,
    )
    return await free_places(bench.redis, wanted)


async def test_every_candidate_gets_its_letter(bench: Bench) -> None:
    await bench.begin(fills={"b1": Fill(live_n=2), "g3": Fill(hard_n=5)})
    free, capped = flat("b2", hard=1), flat("b1", concurrency=2)
    of_full_group = flat("b2", hard=1) + flat("g3", hard=5)
    assert await look(bench, capped, free, of_full_group, (), capped + of_full_group) == "ckgkc"
    assert await look(bench) == ""


async def test_the_first_64_are_looked_at(bench: Bench) -> None:
    none, some = flat("b1", hard=0), flat("b2", hard=1)
    assert await look(bench, *[none] * 63, *[some] * 10) == "c" * 63 + "k"


async def test_a_hold_counts_for_all_but_its_own_call(bench: Bench) -> None:
    held = await bench.reserved(ONE, settings=HOLD)
    candidates = (ONE.caps, flat("b1", daily=1), flat("b2", daily=1) + flat("g3", hourly=1))
    assert await look(bench, *candidates) == "ccg"
    assert await look(bench, *candidates, own="somebody else's") == "ccg"
    assert await look(bench, *candidates, own=held.uuid) == "kkk"
    state = await bench.state()
    state.fills = {"b1": Fill(day_at=2_000, day_n=1)}
    await put(bench.redis, state)
    assert await look(bench, *candidates, own=held.uuid) == "cck", "what is committed counts for everybody"


async def test_a_hold_taken_at_the_confirmation_is_the_calls_own(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    await bench.confirm(held, ONE.caps)
    assert await look(bench, ONE.caps) == "c"
    assert await look(bench, ONE.caps, own=held.uuid) == "k"


async def test_another_hold_beside_the_own_one_counts(bench: Bench) -> None:
    roomy = Offer(caps=flat("b1", daily=2))
    held = await bench.reserved(roomy, settings=HOLD)
    assert await look(bench, flat("b1", daily=1), own=held.uuid) == "k"
    await bench.reserved(roomy, settings=HOLD, caller=caller(2))
    assert await look(bench, flat("b1", daily=1), own=held.uuid) == "c"


async def test_a_hold_that_is_over_is_given_back(bench: Bench) -> None:
    held = await bench.reserved(ONE, settings=HOLD)
    await bench.later(15_001)
    assert await look(bench, ONE.caps) == "k"
    assert await look(bench, ONE.caps, own=held.uuid) == "k", "and not once more"
    assert ((await bench.state()).holds, (await bench.state()).due) == ({}, {})


async def test_nothing_is_said_of_a_shard_that_cannot_be_trusted(bench: Bench) -> None:
    assert await look(bench, (), version=VERSION - 1) == Stale()
    assert await look(bench, (), late_ms=1_500) == ClockOff()
    for epoch in ("", "another"):
        await put(bench.redis, Shard(epoch=epoch))
        with pytest.raises(Unavailable):
            await look(bench, ())


def some_caps(dice: Random) -> FlatCaps:
    caps: FlatCaps = ()
    for subject in dice.choice(((), ("b1",), ("b2",), ("b1", "g3"), ("b2", "g3"))):
        limits = [dice.choice((-1, -1, 0, 1, 2, 3, 4)) for _ in range(5)]
        caps += (subject, *limits, *(dice.choice((1_000, 2_000, 3_000)) for _ in range(3)))
    return caps


def some_fill(dice: Random) -> Fill:
    at, n = [dice.choice((1_000, 2_000, 3_000)) for _ in range(3)], [dice.randint(0, 3) for _ in range(5)]
    return Fill(
        hour_at=at[0],
        hour_n=n[0],
        day_at=at[1],
        day_n=n[1],
        month_at=at[2],
        month_n=n[2],
        hard_n=n[3],
        live_n=n[4],
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dice=st.randoms(use_true_random=True), trouble=st.sampled_from(["", "", "", "stale", "clock", "older"])
)
async def test_the_script_does_what_the_model_does(bench: Bench, dice: Random, trouble: str) -> None:
    await bench.begin()
    offers = [Offer(caps=flat("b1", hard=9)), Offer(caps=flat("b2", hard=9) + flat("g3", hard=9))]
    uuids = [
        (await bench.reserved(dice.choice(offers), settings=HOLD, caller=caller(number))).uuid
        for number in range(dice.randint(1, 4))
    ]
    await bench.later(dice.choice((0, 9_000, 16_000)))
    state = await bench.state()
    state.fills = {subject: some_fill(dice) for subject in ("b1", "b2", "g3") if dice.random() < 0.7}
    state.epoch = "older" if trouble == "older" else "ours"
    await put(bench.redis, state)
    now = await now_ms(bench.redis)
    wanted = Wanted(
        shard=SHARD,
        company_id=COMPANY,
        version=VERSION - (trouble == "stale"),
        now_ms=now - 1_500 * (trouble == "clock"),
        own_uuid=dice.choice((*uuids, "")),
        candidates=[some_caps(dice) for _ in range(dice.choice((0, 1, 7, 8, 9, 70)))],
    )
    expected, left = place_models.free_places(state, wanted, now)
    try:
        assert await free_places(bench.redis, wanted) == expected
    except Unavailable:
        assert expected == AWAY
    assert await bench.state() == left
