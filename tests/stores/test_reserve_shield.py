"""reserve.lua as the ping shield: repeats, duplicates, numbers, rates, tests."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.keys import RtbSettings
from shared.domain.reservations import Reservation
from shared.pinging.store import PingStore
from shared.pinging.store.replies import (
    Doubled,
    Judged,
    Limited,
    Nobody,
    Taken,
)
from shared.stores import redis_keys
from tests.support.asks import CALLER, Offer, a_key, candidates, flat
from tests.support.models import SHARD
from tests.support.ping_bench import (
    CAMPAIGN_WIDE,
    HOLD,
    OTHER,
    PUBLISHER,
    TEST,
    Bench,
    caller,
    open_bench,
)
from tests.support.shards import COMPANY, now_ms, put

LONG_CAMPAIGN_WIDE = RtbSettings(ping_shield_scope="campaign", ttl_seconds=60)


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as bench:
        yield bench


async def test_the_same_caller_again_gets_the_same_fields(bench: Bench) -> None:
    taken = await bench.taken(Offer(buyer_id=4), settings=HOLD)
    again = await bench.ping(Offer(buyer_id=5))
    assert isinstance(again, Reservation)
    assert (again.expires_ms, again.number, again.status) == (taken.expires_ms, taken.number, "reserved")
    assert (again.winner.buyer_id, again.winner.dba, again.caller) == (4, "A|B\nC", CALLER)
    state = await bench.state()
    assert state.reservations.keys() == {again.uuid}


async def test_another_publisher_learns_that_it_is_a_duplicate_only(bench: Bench) -> None:
    await bench.taken()
    (uuid,) = (await bench.state()).reservations
    assert await bench.ping(publisher_id=OTHER) == Doubled(original_uuid=uuid)


async def test_a_key_shields_itself_or_its_whole_campaign(bench: Bench) -> None:
    await bench.taken(numbers="+1,+2,+3")
    await bench.taken(numbers="+1,+2,+3", key=a_key(11), publisher_id=OTHER)
    doubled = await bench.ping(
        numbers="+1,+2,+3", key=a_key(12), publisher_id=PUBLISHER, settings=CAMPAIGN_WIDE
    )
    assert isinstance(doubled, Doubled)
    repeat = await bench.ping(numbers="+1,+2,+3", key=a_key(12), publisher_id=OTHER, settings=CAMPAIGN_WIDE)
    assert isinstance(repeat, Reservation)
    assert repeat.key_id == 11
    await bench.taken(numbers="+1,+2,+3", key=a_key(12), campaign_id=200, settings=CAMPAIGN_WIDE)


async def test_a_campaigns_shield_outlives_its_keys_next_reservation_elsewhere(bench: Bench) -> None:
    """A publisher's key pings into two campaigns, each of which is shielded by itself."""
    said: dict[str, Any] = {"numbers": "+1,+2,+3", "settings": CAMPAIGN_WIDE}
    await bench.taken(**said)
    await bench.taken(**said, campaign_id=200)
    for key_id, campaign_id in ((10, 100), (10, 200), (11, 100), (11, 200)):
        again = await bench.ping(**said, campaign_id=campaign_id, key=a_key(key_id))
        assert isinstance(again, Reservation)
        assert again.campaign_id == campaign_id


async def test_a_shorter_reservation_of_a_key_that_shields_itself_ends_no_campaigns_shield(
    bench: Bench,
) -> None:
    """Else a second key would hold the caller too, where the first one's reservation still lives."""
    said: dict[str, Any] = {"numbers": "+1,+2,+3"}
    first = await bench.reserved(**said, settings=LONG_CAMPAIGN_WIDE)
    await bench.taken(**said, key=a_key(11), settings=RtbSettings(ttl_seconds=10))
    await bench.later(11_000)
    again = await bench.ping(**said, key=a_key(12), settings=CAMPAIGN_WIDE)
    assert isinstance(again, Reservation)
    assert again.uuid == first.uuid
    await bench.taken(**said, key=a_key(13), settings=RtbSettings(ttl_seconds=90))
    await bench.later(55_000)
    after = await bench.ping(**said, key=a_key(12), settings=CAMPAIGN_WIDE)
    assert isinstance(after, Reservation)
    assert after.key_id == 13, "the one that lives longest"


async def test_an_expired_reservation_shields_nothing(bench: Bench) -> None:
    await bench.taken()
    await put(bench.redis, (await bench.state()).older(15_001))
    await bench.taken()


async def test_one_number_never_carries_two_reservations_of_a_caller(bench: Bench) -> None:
    keys = [a_key(number) for number in (10, 11, 12)]
    outcomes = [await bench.ping(key=key, numbers="+1,+2") for key in keys]
    assert [getattr(one, "number", one) for one in outcomes] == ["+1", "+2", Nobody(verdicts="N", shadow="")]
    assert (await bench.taken(caller=caller(2), numbers="+1,+2")).number == "+1"


async def test_without_a_number_only_a_sip_address_is_left(bench: Bench) -> None:
    assert await bench.ping(numbers="") == Nobody(verdicts="N", shadow="")
    nobody = candidates([])
    assert await bench.ping(numbers="", candidates=nobody) == Nobody(verdicts="", shadow="")
    bench.store = PingStore(bench.redis, soft=1_000, hard=2_000, has_sip=True)
    assert (await bench.taken(numbers="")).number == ""
    assert "n" not in (await bench.state()).hashes[redis_keys.caller(SHARD, COMPANY, e164=CALLER)]


async def test_anonymous_callers_lease_half_of_the_pool_for_each_key(bench: Bench) -> None:
    said: dict[str, Any] = {"caller": "", "numbers": "+1,+2,+3,+4,+5"}
    numbers = [(await bench.taken(**said)).number for _ in range(2)]
    assert await bench.ping(**said) == Nobody(verdicts="N", shadow="")
    numbers += [(await bench.taken(**said, key=a_key(11))).number for _ in range(2)]
    assert numbers == ["+1", "+2", "+3", "+4"]
    assert (await bench.taken(**said, key=a_key(12))).number == "+5"
    assert await bench.ping(**said, key=a_key(13)) == Nobody(verdicts="N", shadow="")
    assert (await bench.taken(numbers="+1")).number == "+1", "a lease excludes only other leases"


async def test_a_lease_lasts_30_seconds_longer_than_its_reservation(bench: Bench) -> None:
    taken = await bench.taken(caller="", numbers="+1")
    leases = redis_keys.leases(SHARD, 100)
    state = await bench.state()
    (uuid,) = state.reservations
    assert state.hashes[leases] == {"n+1": f"{uuid}|{taken.expires_ms + 30_000}|10"}
    assert 44_000 < await bench.ttl_ms(leases) <= 45_000
    await put(bench.redis, state.older(44_000))
    assert await bench.ping(caller="", numbers="+1") == Nobody(verdicts="N", shadow="")
    await put(bench.redis, state.older(45_001))
    await bench.taken(caller="", numbers="+1")


async def within_a_second(bench: Bench, own: RtbSettings, n: int, key: int = 10) -> Judged:
    """A ping in a second in which n were counted already."""
    while True:
        second = await now_ms(bench.redis) // 1_000
        await bench.begin(rates={redis_keys.key_state(SHARD, key): (second, n)})
        outcome = await bench.ping(settings=own, key=a_key(key))
        if await now_ms(bench.redis) // 1_000 == second:
            return outcome


async def test_a_key_that_pings_too_fast_waits(bench: Bench) -> None:
    own = RtbSettings(rate_limit_per_second=5)
    limited = await within_a_second(bench, own, 5)
    assert isinstance(limited, Limited)
    assert 0 < limited.wait_ms <= 1_000
    state = await bench.state()
    assert (state.reservations, state.events) == ({}, [])
    assert {n for _, n in state.rates.values()} == {5}
    assert isinstance(await within_a_second(bench, own, 4), Taken)
    state = await bench.state()
    assert {n for _, n in state.rates.values()} == {5}


async def test_a_shadow_limit_only_counts(bench: Bench) -> None:
    outcome = await within_a_second(bench, RtbSettings(rate_limit_per_second=5, shadow=("rate_limit",)), 5)
    assert isinstance(outcome, Taken)
    assert outcome.shadow == "r"
    assert {n for _, n in (await bench.state()).rates.values()} == {6}


async def test_an_earlier_seconds_count_is_over(bench: Bench) -> None:
    second = await now_ms(bench.redis) // 1_000
    await bench.begin(rates={redis_keys.key_state(SHARD, 10): (second - 1, 99)})
    await bench.taken(settings=RtbSettings(rate_limit_per_second=1))
    assert 0 < await bench.ttl_ms(redis_keys.key_state(SHARD, 10)) <= 2_000


async def test_repeats_and_listed_callers_count_in_no_rate(bench: Bench) -> None:
    await bench.taken()
    own = RtbSettings(rate_limit_per_second=1)
    for _ in range(3):
        assert isinstance(await bench.ping(settings=own), Reservation)
        assert await bench.ping(settings=own, lists="A1") == Nobody(verdicts="A", shadow="")
    assert (await bench.state()).rates == {}


async def test_a_test_ping_counts_nowhere_and_has_a_shield_of_its_own(bench: Bench) -> None:
    offer = Offer(caps=flat("b1", hard=1))
    await bench.taken(offer, settings=TEST)
    assert isinstance(await bench.ping(offer, settings=TEST), Reservation)
    state = await bench.state()
    assert (state.holds, state.due) == ({}, {})
    assert state.hashes.keys() == {redis_keys.test_caller(SHARD, 10, e164=CALLER)}
    await bench.taken(offer, settings=HOLD)
    capped = await bench.ping(offer, settings=TEST, caller=caller(2))
    assert capped == Nobody(verdicts="c", shadow=""), "caps are judged all the same"


async def test_a_test_leases_no_number_of_the_pool(bench: Bench) -> None:
    await bench.taken(caller="", numbers="+1", settings=TEST)
    assert (await bench.taken(caller="", numbers="+1")).number == "+1"


async def test_a_paused_publishers_ping_is_only_logged(bench: Bench) -> None:
    await bench.taken()
    before = await bench.state()
    nobody = candidates([], decided="publisher_paused")
    answer = await bench.ping(candidates=nobody, lists="A1", settings=RtbSettings(rate_limit_per_second=1))
    assert answer == Nobody(verdicts="", shadow="")
    after = await bench.state()
    assert len(after.events) == len(before.events) + 1
    after.events = before.events
    assert after == before


async def test_a_paused_campaigns_ping_still_meets_its_shield(bench: Bench) -> None:
    await bench.taken()
    nobody = candidates([], decided="campaign_paused")
    assert isinstance(await bench.ping(candidates=nobody), Reservation)
    assert await bench.ping(candidates=nobody, caller=caller(2)) == Nobody(verdicts="", shadow="")
