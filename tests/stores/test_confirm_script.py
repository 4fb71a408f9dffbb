"""confirm.lua and read.lua on a real Redis: one behaviour each."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from services.rtb.store import GONE
from shared.domain.ping_log import read_entry
from shared.domain.pings import Confirmation
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.fence import ClockOff, Stale
from shared.stores.reservations import find_reservation
from tests.support.asks import CALLER, VERSION, Offer, a_key, flat
from tests.support.models import SHARD
from tests.support.ping_bench import CAMPAIGN_WIDE, HOLD, PLAIN, TEST, Bench, caller, open_bench
from tests.support.shards import COMPANY, now_ms, put

CAPS = flat("b1", hard=1) + flat("g3", hard=5)
ONE = Offer(caps=CAPS)


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as bench:
        yield bench


async def test_a_place_is_taken_at_the_confirmation(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    assert (await bench.state()).holds == {}
    confirmed = await bench.confirm(held, CAPS)
    assert confirmed == replace(held, status="confirmed", subjects="b1,g3")
    state = await bench.state()
    assert state.holds == {"b1": 1, "g3": 1}
    assert state.due == {f"{held.uuid}|b1,g3": held.expires_ms}
    assert await find_reservation(bench.redis, held.uuid, shard=SHARD) == confirmed


async def test_a_place_held_at_reserve_is_not_taken_again(bench: Bench) -> None:
    """Whatever the key's setting has become meanwhile."""
    held = await bench.reserved(ONE, settings=HOLD)
    for own in (HOLD, PLAIN):
        confirmed = await bench.confirm(held, CAPS, own=own)
        assert (confirmed.status, confirmed.subjects) == ("confirmed", "b1,g3")
    assert (await bench.state()).holds == {"b1": 1, "g3": 1}


async def test_a_setting_that_came_later_takes_the_place_now(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    await bench.confirm(held, CAPS, own=HOLD)
    assert (await bench.state()).holds == {"b1": 1, "g3": 1}


async def test_a_confirmation_again_changes_nothing(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    first = await bench.confirm(held, CAPS)
    before = await bench.state()
    assert await bench.confirm(held, CAPS) == first
    assert await bench.state() == before


async def test_caps_that_filled_meanwhile_refuse(bench: Bench) -> None:
    one = await bench.reserved(ONE)
    other = await bench.reserved(ONE, caller=caller(2))
    await bench.confirm(one, CAPS)
    before = await bench.state()
    assert await bench.confirm(other, CAPS) == GONE
    assert await bench.state() == before


async def test_the_caps_of_now_count(bench: Bench) -> None:
    held = await bench.reserved()
    assert await bench.confirm(held, flat("b1", hard=0)) == GONE
    assert (await bench.confirm(held, ())).status == "confirmed"
    assert (await bench.state()).due == {}


async def test_a_winner_that_left_the_campaign_takes_nobody(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    assert await bench.confirm(held, None) == GONE


async def test_an_expired_reservation_is_no_target_and_its_place_is_free(bench: Bench) -> None:
    held = await bench.reserved(ONE, settings=HOLD)
    await bench.later(15_001)
    assert await bench.confirm(held, CAPS) == GONE
    state = await bench.state()
    assert (state.holds, state.due) == ({}, {})


async def test_a_claimed_reservation_stays_claimed(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    claimed = replace(held, status="claimed")
    state = await bench.state()
    state.reservations[held.uuid] = write_reservation(claimed).decode()
    await put(bench.redis, state.older(20_000))
    now_old = replace(claimed, expires_ms=held.expires_ms - 20_000)
    assert await bench.confirm(held, CAPS) == now_old
    assert (await bench.state()).holds == {}


async def test_what_is_gone_or_anothers_is_none(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    assert await bench.confirm(replace(held, key_id=11), CAPS) is None
    assert await bench.confirm(replace(held, uuid="unknown"), CAPS) is None
    assert (await bench.state()).holds == {}


async def test_the_callers_repeat_is_confirmed_too(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    confirmed = await bench.confirm(held, CAPS)
    assert await bench.ping() == confirmed


async def test_a_later_reservation_of_the_caller_is_left_alone(bench: Bench) -> None:
    """Another key's, or this key's in another campaign."""
    first = await bench.reserved(ONE, settings=CAMPAIGN_WIDE, numbers="+1,+2")
    second = await bench.reserved(settings=CAMPAIGN_WIDE, numbers="+1,+2", campaign_id=200)
    await bench.confirm(first, CAPS)
    for held, status in ((first, "confirmed"), (second, "reserved")):
        again = await bench.ping(settings=CAMPAIGN_WIDE, campaign_id=held.campaign_id, key=a_key(12))
        assert isinstance(again, Reservation)
        assert (again.uuid, again.status) == (held.uuid, status)


async def test_the_reservation_lives_no_longer_for_it(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    key = redis_keys.reservation(SHARD, held.uuid)
    await bench.redis.command(SHARD, "PEXPIRE", key, 70_000)
    await bench.confirm(held, CAPS)
    assert 60_000 < await bench.redis.command(SHARD, "PTTL", key) <= 70_000


async def test_a_test_confirms_and_counts_nowhere(bench: Bench) -> None:
    held = await bench.reserved(ONE, settings=TEST)
    confirmed = await bench.confirm(held, CAPS, own=TEST)
    assert (confirmed.status, confirmed.subjects) == ("confirmed", "")
    state = await bench.state()
    assert state.holds == {}
    texts = state.hashes[redis_keys.test_caller(SHARD, 10, e164=CALLER)]
    assert read_reservation(texts["k10"].encode()) == confirmed


async def test_an_anonymous_reservation_confirms(bench: Bench) -> None:
    held = await bench.reserved(ONE, caller="", numbers="+1")
    before = (await bench.state()).hashes
    assert (await bench.confirm(held, CAPS)).status == "confirmed"
    assert (await bench.state()).hashes == before


async def test_the_log_is_told(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    before = await now_ms(bench.redis)
    await bench.confirm(held, CAPS)
    told = read_entry(*await bench.last_entry())
    assert isinstance(told, Confirmation)
    assert (told.uuid, told.subjects) == (held.uuid, "b1,g3")
    assert before <= told.at_ms <= await now_ms(bench.redis)


async def test_nothing_is_applied_on_a_shard_that_cannot_be_trusted(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    for epoch, version, late_ms, answer in (
        ("ours", VERSION + 1, 0, Stale()),
        ("ours", VERSION, 1_500, ClockOff()),
        ("older", VERSION, 0, None),
        ("", VERSION, 0, None),
    ):
        state = await bench.state()
        state.epoch, state.versions = epoch, {COMPANY: version}
        await put(bench.redis, state)
        if answer is None:
            with pytest.raises(Unavailable):
                await bench.confirm(held, CAPS)
            with pytest.raises(Unavailable):
                await find_reservation(bench.redis, held.uuid, shard=SHARD)
        else:
            assert await bench.confirm(held, CAPS, late_ms=late_ms) == answer
        assert await bench.state() == state


async def test_a_reservation_is_found_while_it_is_kept(bench: Bench) -> None:
    held = await bench.reserved(ONE)
    assert await find_reservation(bench.redis, held.uuid, shard=SHARD) == held
    assert await find_reservation(bench.redis, "unknown", shard=SHARD) is None
    await bench.redis.command(SHARD, "DEL", redis_keys.reservation(SHARD, held.uuid))
    assert await find_reservation(bench.redis, held.uuid, shard=SHARD) is None
