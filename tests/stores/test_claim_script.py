"""claim.lua and held_for.lua: a reservation is found by its call, marked once, and its hold given back once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.caps import Fill, mirror_text
from shared.domain.keys import RtbSettings
from shared.domain.reservations import Reservation
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.claims import claim, find_held
from shared.stores.reservations import find_reservation
from tests.support import place_models
from tests.support.asks import CALLER, Offer, flat
from tests.support.models import AWAY, SHARD
from tests.support.ping_bench import CAMPAIGN_WIDE, HOLD, PLAIN, TEST, Bench, caller, open_bench
from tests.support.shards import COMPANY, now_ms, put

CAPS = flat("b1", daily=5) + flat("g3", hourly=5)
OFFER = Offer(caps=CAPS)
CAMPAIGN = 100


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as each:
        yield each


async def held_for(bench: Bench, number: str, who: str = CALLER) -> str | None:
    return await find_held(
        bench.redis, SHARD, company_id=COMPANY, campaign_id=CAMPAIGN, caller=who, number=number
    )


async def test_a_claim_marks_gives_back_and_mirrors(bench: Bench) -> None:
    held = await bench.reserved(OFFER, settings=HOLD)
    other = await bench.reserved(OFFER, settings=HOLD, caller=caller(2))
    mirror = {"b1": mirror_text(Fill(hard_n=1, live_n=1, rev=4)), "g3": mirror_text(Fill(live_n=1, rev=2))}
    assert await claim(bench.redis, SHARD, held=held, mirror=mirror)
    state = await bench.state()
    assert state.fills == {"b1": Fill(hard_n=1, live_n=1, rev=4), "g3": Fill(live_n=1, rev=2)}
    assert (state.holds, list(state.due)) == ({"b1": 1, "g3": 1}, [f"{other.uuid}|b1,g3"])
    claimed = replace(held, status="claimed")
    assert await find_reservation(bench.redis, held.uuid, shard=SHARD) == claimed
    assert await bench.ping() == claimed, "its repeats know"


async def test_the_last_hold_leaves_no_count(bench: Bench) -> None:
    held = await bench.reserved(OFFER, settings=HOLD)
    await claim(bench.redis, SHARD, held=held, mirror={})
    assert ((await bench.state()).holds, (await bench.state()).due) == ({}, {})


async def test_a_hold_of_the_confirmation_is_given_back_too(bench: Bench) -> None:
    held = await bench.reserved(OFFER)
    await bench.confirm(held, CAPS)
    assert await claim(bench.redis, SHARD, held=held, mirror={})
    assert (await bench.state()).holds == {}
    assert (await bench.confirm(held, CAPS)).status == "claimed"
    assert (await bench.state()).holds == {}, "a late confirmation takes none"


async def test_fifty_at_once_have_one_winner_and_one_hold_is_given_back(bench: Bench) -> None:
    held = await bench.reserved(OFFER, settings=HOLD)
    await bench.reserved(OFFER, settings=HOLD, caller=caller(2))
    won = await asyncio.gather(*(claim(bench.redis, SHARD, held=held, mirror={}) for _ in range(50)))
    assert sum(won) == 1
    assert (await bench.state()).holds == {"b1": 1, "g3": 1}


async def test_what_is_known_or_gone_only_mirrors(bench: Bench) -> None:
    held = await bench.reserved(OFFER, settings=HOLD)
    await claim(bench.redis, SHARD, held=held, mirror={})
    newer, older = {"b1": mirror_text(Fill(rev=3))}, {"b1": mirror_text(Fill(rev=2))}
    assert not await claim(bench.redis, SHARD, held=held, mirror=newer)
    assert not await claim(bench.redis, SHARD, held=replace(held, uuid="gone"), mirror=older)
    assert (await bench.state()).fills == {"b1": Fill(rev=3)}


async def test_a_hold_that_fell_away_is_not_given_back_again(bench: Bench) -> None:
    held = await bench.reserved(OFFER, settings=HOLD)
    await bench.later(15_001)
    await bench.reserved(OFFER, settings=HOLD, caller=caller(2))
    assert await claim(bench.redis, SHARD, held=held, mirror={})
    assert (await bench.state()).holds == {"b1": 1, "g3": 1}


async def test_a_later_reservation_of_the_caller_is_left_alone(bench: Bench) -> None:
    first = await bench.reserved(OFFER, settings=CAMPAIGN_WIDE, numbers="+1,+2")
    second = await bench.reserved(settings=CAMPAIGN_WIDE, numbers="+1,+2", campaign_id=200)
    await claim(bench.redis, SHARD, held=first, mirror={})
    again = await bench.ping(settings=CAMPAIGN_WIDE, campaign_id=200)
    assert isinstance(again, Reservation)
    assert (again.uuid, again.status) == (second.uuid, "reserved")


@pytest.mark.parametrize(("own", "who"), [(TEST, CALLER), (PLAIN, "")])
async def test_a_tests_and_an_anonymous_reservation_are_marked(
    bench: Bench, own: RtbSettings, who: str
) -> None:
    held = await bench.reserved(OFFER, settings=own, caller=who)
    assert await claim(bench.redis, SHARD, held=held, mirror={})
    hashes = (await bench.state()).hashes.values()
    assert all("reserved" not in text for fields in hashes for text in fields.values())


async def test_it_lives_no_longer_for_it(bench: Bench) -> None:
    held = await bench.reserved(OFFER)
    key = redis_keys.reservation(SHARD, held.uuid)
    await bench.redis.command(SHARD, "PEXPIRE", key, 70_000)
    await claim(bench.redis, SHARD, held=held, mirror={})
    assert 60_000 < await bench.ttl_ms(key) <= 70_000


async def test_a_caller_is_told_apart_from_others_of_the_same_number(bench: Bench) -> None:
    ours = await bench.reserved(numbers="+1")
    theirs = await bench.reserved(numbers="+1", caller=caller(2))
    assert await held_for(bench, "+1") == ours.uuid
    assert await held_for(bench, "+1", caller(2)) == theirs.uuid
    assert await held_for(bench, "+1", caller(3)) is None
    assert await held_for(bench, "+2") is None
    await bench.later(15_001)
    assert await held_for(bench, "+1") is None


async def test_a_lease_names_whoever_calls_the_number_while_its_reservation_lives(bench: Bench) -> None:
    leased = await bench.reserved(numbers="+1", caller="")
    for who in (CALLER, "", caller(2)):
        assert await held_for(bench, "+1", who) == leased.uuid
    own = await bench.reserved(numbers="+1")
    assert await held_for(bench, "+1") == own.uuid, "the caller's own comes first"
    await bench.later(15_001)
    assert await held_for(bench, "+1", caller(2)) is None, (
        "the lease goes on for 30 s, the reservation does not"
    )


async def test_nothing_is_done_on_a_shard_that_cannot_be_trusted(bench: Bench) -> None:
    held = await bench.reserved(OFFER, settings=HOLD)
    state = await bench.state()
    for epoch in ("", "another"):
        state.epoch = epoch
        await put(bench.redis, state)
        with pytest.raises(Unavailable):
            await claim(bench.redis, SHARD, held=held, mirror={"b1": mirror_text(Fill(rev=9))})
        with pytest.raises(Unavailable):
            await held_for(bench, "+18005550000")
        assert await bench.state() == state


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dice=st.randoms(use_true_random=True))
async def test_the_scripts_do_what_their_models_do(bench: Bench, dice: Random) -> None:
    await bench.begin()
    known: list[Reservation] = []
    for place in range(dice.randint(1, 5)):
        who, own = dice.choice((caller(1), caller(2), caller(place + 3), "")), dice.choice((HOLD, PLAIN))
        await bench.ping(OFFER, settings=own, caller=who, numbers="+1,+2,+3")
        known += [
            held
            for uuid in (await bench.state()).reservations
            if (held := await find_reservation(bench.redis, uuid, shard=SHARD)) is not None
        ]
    await bench.later(dice.choice((0, 0, 16_000)))
    for _ in range(8):
        state = await bench.state()
        state.epoch = dice.choice(("ours",) * 5 + ("another",))
        await put(bench.redis, state)
        mirror = {
            subject: mirror_text(Fill(rev=dice.randint(0, 5)))
            for subject in ("b1", "g3")
            if dice.random() < 0.5
        }
        held = dice.choice(known)
        expected, left = place_models.claim(state, held, mirror)
        assert await _answer(claim(bench.redis, SHARD, held=held, mirror=mirror)) == expected
        assert await bench.state() == left
        who, number = dice.choice((caller(1), caller(2), "")), dice.choice(("+1", "+2", "+9"))
        wanted = place_models.find_held(
            left, who, company_id=COMPANY, campaign_id=CAMPAIGN, number=number, now=await now_ms(bench.redis)
        )
        assert await _answer(held_for(bench, number, who)) == wanted
        left.epoch = "ours"
        await put(bench.redis, left)


async def _answer(call: Awaitable[object]) -> object:
    try:
        return await call
    except Unavailable:
        return AWAY
