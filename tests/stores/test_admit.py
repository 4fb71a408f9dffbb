"""admit.lua and settle.lua on a real Redis: who may be asked, how often, and what becomes of equal pings meanwhile."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.keys import RtbSettings
from shared.domain.plan import ListIds
from shared.domain.reservations import Reservation
from shared.pinging.store import Ask
from shared.pinging.store.replies import Admitted, Asking, Doubled, Free, Judged, Limited, Nobody, Over, Taken
from shared.stores import redis_keys
from shared.stores.fence import ClockOff, Stale
from tests.support.asks import CALLER, Offer, a_key, an_ask, flat
from tests.support.models import SHARD
from tests.support.ping_bench import CAMPAIGN_WIDE, HOLD, OTHER, PLAIN, Bench, caller, open_bench
from tests.support.shards import now_ms, put

FOR_MS = "800"
KEY = 10
GRANTS = redis_keys.grants(SHARD, KEY)


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as bench:
        yield bench


async def ask_of(bench: Bench, *offers: Offer, **said: Any) -> Ask:
    """A ping that wants its buyers asked; free ones when none are named."""
    now = await now_ms(bench.redis)
    offers = offers or (Offer(buyer_id=1), Offer(buyer_id=2))
    return an_ask(now, *offers, **{"then": FOR_MS, **said}).to(bench.store)


async def admit(bench: Bench, *offers: Offer, waited_for: str = "", **said: Any) -> Judged | Admitted:
    ask = await ask_of(bench, *offers, **said)
    return await bench.store.admit(replace(ask, noted=waited_for))


async def after_asking(bench: Bench, first: Ask, *offers: Offer, **changes: Any) -> Judged:
    """The same ping with what its buyers bid."""
    told = await ask_of(bench, *offers)
    asked = {"flags": "AL", "then": "no_bids", "candidates": told.candidates, **changes}
    return await bench.store.reserve(replace(first, **asked))


async def test_each_candidate_is_judged_before_it_is_asked(bench: Bench) -> None:
    await bench.begin(generations={11: 5}, listed={CALLER[1:]: [11]})
    offers = (
        Offer(buyer_id=1, caps=flat("b1", hard=0)),
        Offer(buyer_id=2, caps=flat("b2", hard=1) + flat("g1", hard=0)),
        Offer(buyer_id=3, lists=ListIds(deny=(5,))),
        Offer(buyer_id=4, lists=ListIds(admit=(6,))),
        Offer(buyer_id=5, lists=ListIds(admit=(5,))),
        Offer(buyer_id=6),
    )
    assert await admit(bench, *offers) == Free(letters="cgsakk", shadow="")
    state = await bench.state()
    assert (state.reservations, state.events, state.holds) == ({}, [], {}), (
        "nothing is promised or logged yet"
    )


async def test_an_equal_ping_waits_and_then_hears_of_the_reservation(bench: Bench) -> None:
    first = await ask_of(bench)
    assert isinstance(await bench.store.admit(first), Free)
    waits = await admit(bench)
    assert isinstance(waits, Asking)
    assert waits.uuid == first.uuid
    assert 0 < waits.until_ms - first.now_ms <= int(FOR_MS) + 1_000
    assert isinstance(await admit(bench, caller=caller(8)), Free), "another caller does not wait"
    taken = await after_asking(bench, first, Offer(buyer_id=2))
    assert isinstance(taken, Taken)
    told = await admit(bench, waited_for=first.uuid)
    assert isinstance(told, Reservation)
    assert told.uuid == first.uuid


async def test_an_equal_ping_hears_that_nobody_bid_and_the_next_one_asks_anew(bench: Bench) -> None:
    first = await ask_of(bench)
    await bench.store.admit(first)
    nobody = await after_asking(bench, first, candidates=(await no_candidates(bench)).candidates)
    assert isinstance(nobody, Nobody)
    assert await admit(bench, waited_for=first.uuid) == Over(reason="no_bids")
    assert isinstance(await admit(bench), Free)


async def no_candidates(bench: Bench) -> Ask:
    nobody = an_ask(await now_ms(bench.redis))
    return nobody.to(bench.store)


async def test_one_that_asks_no_more_is_waited_for_no_longer(bench: Bench) -> None:
    first = await ask_of(bench)
    await bench.store.admit(first)
    await put(bench.redis, (await bench.state()).older(int(FOR_MS) + 1))
    assert isinstance(await admit(bench), Free)


async def test_the_scope_says_who_waits_for_whom(bench: Bench) -> None:
    await bench.store.admit(await ask_of(bench, settings=CAMPAIGN_WIDE))
    assert isinstance(await admit(bench, settings=CAMPAIGN_WIDE, publisher_id=OTHER), Asking)
    assert isinstance(await admit(bench, settings=CAMPAIGN_WIDE, campaign_id=200), Free)
    assert isinstance(await admit(bench, settings=PLAIN), Free), "this key shields only itself"


async def test_callers_without_a_number_never_wait(bench: Bench) -> None:
    assert isinstance(await admit(bench, caller="", numbers=""), Free)
    assert isinstance(await admit(bench, caller="", numbers=""), Free)
    assert (await bench.state()).hashes == {}


async def test_who_is_known_already_is_not_asked_about(bench: Bench) -> None:
    held = await bench.reserved(settings=CAMPAIGN_WIDE)
    assert await admit(bench, settings=CAMPAIGN_WIDE) == held
    other = await admit(bench, settings=CAMPAIGN_WIDE, publisher_id=OTHER)
    assert other == Doubled(original_uuid=held.uuid)
    assert await admit(bench, lists="A1", caller=caller(4)) == Nobody(verdicts="A", shadow="")


async def test_limits_count_once_for_a_ping_that_asks(bench: Bench) -> None:
    own = RtbSettings(rate_limit_per_second=1)
    first = await ask_of(bench, settings=own)
    admitted = await bench.store.admit(first)
    if isinstance(admitted, Limited):  # another second's
        pytest.fail("the first ping of a key is not too fast")
    assert isinstance(await after_asking(bench, first, Offer()), Taken)
    ((_, counted),) = (await bench.state()).rates.values()
    assert counted == 1


async def test_a_shard_that_cannot_be_trusted_admits_nobody(bench: Bench) -> None:
    assert await admit(bench, version=4) == Stale()
    late = await ask_of(bench)
    assert await bench.store.admit(replace(late, now_ms=late.now_ms - 1_500)) == ClockOff()
    assert (await bench.state()).hashes == {}


# posts


async def provisional(bench: Bench, *offers: Offer, **said: Any) -> tuple[Ask, Taken]:
    """A ping whose winner will be posted to, reserved."""
    first = await ask_of(bench, *offers, **said)
    await bench.store.admit(first)
    posting = replace(first, flags="ALP", then="no_bids")
    taken = await bench.store.reserve(posting)
    assert isinstance(taken, Taken)
    return posting, taken


async def test_what_the_winner_takes_is_logged_when_it_has_been_posted_to(bench: Bench) -> None:
    ask, taken = await provisional(bench)
    assert (await bench.state()).events == []
    assert isinstance(await admit(bench), Asking), "it may still be given back"
    winner = replace(ask.candidates, packed=b"the winner")
    await bench.store.settle(replace(ask, noted=taken.unlogged, candidates=winner))
    (event,) = (await bench.state()).events
    assert (event["w"], event["r"].split("|")[0], event["r"].split("|")[6]) == (
        "the winner",
        "reserved",
        "reserved",
    )
    assert isinstance(await admit(bench), Reservation)


@pytest.mark.parametrize("who", [CALLER, ""])
async def test_what_the_winner_refuses_is_given_back_whole(bench: Bench, who: str) -> None:
    offer = Offer(caps=flat("b1", hard=1))
    ask, _ = await provisional(bench, offer, settings=HOLD, caller=who, numbers="+1")
    assert (await bench.state()).holds == {"b1": 1}
    await bench.store.settle(replace(ask, noted=""))
    state = await bench.state()
    assert (state.reservations, state.holds, state.due, state.events) == ({}, {}, {}, [])
    assert all(name.startswith("a") for fields in state.hashes.values() for name in fields)
    again = await bench.store.reserve(replace(ask, flags="AL"))
    assert isinstance(again, Taken)
    assert (await bench.state()).holds == {"b1": 1}
    assert len((await bench.state()).events) == 1


async def test_giving_back_touches_nobody_else_s(bench: Bench) -> None:
    theirs = await bench.reserved(caller=caller(5), numbers="+1")
    ask, _ = await provisional(bench, numbers="+2")
    await bench.store.settle(replace(ask, noted=""))
    await bench.store.settle(replace(ask, noted=""))
    assert await bench.ping(caller=caller(5), numbers="+1") == theirs


# the outbound limit


def limited(most: int, window_ms: int, **more: Any) -> RtbSettings:
    return RtbSettings(ping_shield_outbound_count_limit=most, ping_shield_outbound_ms_limit=window_ms, **more)


async def test_candidates_beyond_the_limit_are_not_asked(bench: Bench) -> None:
    offers = [Offer(buyer_id=place, caps=flat("b1", hard=0) if place == 2 else ()) for place in range(1, 6)]
    own = limited(3, 60_000)
    assert await admit(bench, *offers, settings=own) == Free(letters="kckko", shadow="")
    assert await admit(bench, *offers, settings=own, caller=caller(2)) == Free(letters="ocooo", shadow="")
    other = await admit(bench, *offers, settings=own, caller=caller(3), key=a_key(11))
    assert other == Free(letters="kckko", shadow="")


async def test_a_shadow_limit_grants_all_and_says_so(bench: Bench) -> None:
    own = limited(1, 60_000, shadow=("outbound",))
    assert await admit(bench, settings=own) == Free(letters="kk", shadow="o")
    assert await admit(bench, settings=limited(5, 60_000, shadow=("outbound",)), caller=caller(2)) == Free(
        letters="kk", shadow=""
    )


async def test_a_limit_that_was_lowered_counts_the_newest(bench: Bench) -> None:
    await admit(bench, settings=limited(100, 60_000))
    assert await admit(bench, settings=limited(1, 60_000), caller=caller(2)) == Free(letters="oo", shadow="")
    assert int(await bench.redis.command(SHARD, "LLEN", GRANTS)) <= 1
    assert 0 < await bench.ttl_ms(GRANTS) <= 60_000


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dice=st.randoms(use_true_random=True),
    most=st.integers(1, 9),
    window_ms=st.sampled_from([50, 1_000, 7_000]),
)
async def test_no_window_ever_holds_more_grants_than_the_limit(
    bench: Bench, dice: Random, most: int, window_ms: int
) -> None:
    await bench.begin()
    own, granted = limited(most, window_ms), list[int]()  # the instants of all grants, as old as they are now
    for place in range(12):
        passed = dice.choice((0, 0, window_ms // 3, window_ms - 1, window_ms, 2 * window_ms))
        granted = [at - passed for at in granted]
        left = [int(at) - passed for at in await bench.redis.command(SHARD, "LRANGE", GRANTS, 0, -1)]
        await bench.redis.command(SHARD, "DEL", GRANTS)
        if left:
            await bench.redis.command(SHARD, "RPUSH", GRANTS, *map(str, left))
        offers = [Offer(buyer_id=buyer) for buyer in range(1, dice.randint(1, 6) + 1)]
        before = await now_ms(bench.redis)
        free = await admit(bench, *offers, settings=own, caller=caller(place))
        after = await now_ms(bench.redis)
        assert isinstance(free, Free)
        asked = free.letters.count("k")
        assert free.letters == "k" * asked + "o" * (len(offers) - asked)
        kept = [int(at) for at in await bench.redis.command(SHARD, "LRANGE", GRANTS, 0, -1)]
        new = kept[len(kept) - asked :] if asked else []
        assert len(set(new)) <= 1
        if asked < len(offers):  # as many as could be: the window that ends now is full
            assert sum(at > before - window_ms for at in granted) + asked >= most
        granted += new
        assert all(before <= at <= after for at in new)
        assert all(sum(at - window_ms < other <= at for other in granted) <= most for at in granted)
