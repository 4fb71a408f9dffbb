"""reserve.lua on a real Redis: one behaviour each."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from services.rtb.store import SCRIPTS, PingStore
from services.rtb.store.replies import (
    ClockOff,
    Doubled,
    Judged,
    Limited,
    More,
    Nobody,
    Stale,
    StoredTags,
    Taken,
)
from shared.domain.caps import Fill
from shared.domain.keys import RtbSettings
from shared.domain.ping_log import PingRow, read_entry
from shared.domain.pings import PingEvent, encode_event
from shared.domain.plan import ListIds
from shared.domain.reservations import Reservation
from shared.domain.routing.evaluation import FlatCaps
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.asks import CALLER, VERSION, Offer, a_key, an_ask, candidates, flat
from tests.support.models import SHARD, Shard
from tests.support.shards import COMPANY, now_ms, put, take

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000, waiting=5_000)
HOLD = RtbSettings(add_to_caps_on_status_reserved=True)
CAMPAIGN_WIDE = RtbSettings(ping_shield_scope="campaign")
TEST = RtbSettings(test=True, add_to_caps_on_status_reserved=True)
FREE = Offer(buyer_id=1)
PUBLISHER, OTHER = 7, 8


class Bench:
    """A warm shard, and a service at it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.store = PingStore(redis, soft=1_000, hard=2_000, has_sip=False)

    async def begin(self, **state: Any) -> None:
        shard = Shard(epoch="ours", versions={COMPANY: VERSION}, **state)
        await put(self.redis, shard)

    async def ping(self, *offers: Offer, late_ms: int = 0, **said: Any) -> Judged:
        now = await now_ms(self.redis)
        return await self.store.reserve(an_ask(now - late_ms, *(offers or (FREE,)), **said))

    async def taken(self, *offers: Offer, **said: Any) -> Taken:
        outcome = await self.ping(*offers, **said)
        assert isinstance(outcome, Taken), outcome
        return outcome

    async def state(self) -> Shard:
        return await take(self.redis)

    async def ttl_ms(self, key: str) -> int:
        return int(await self.redis.command(SHARD, "PTTL", key))


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    redis = await Redis.open(fresh_redis, scripts=SCRIPTS, limits=PATIENT)
    bench = Bench(redis)
    await bench.begin()
    yield bench
    await redis.close()


def caller(number: int) -> str:
    return f"+1310555{number:04d}"


@pytest.mark.parametrize(
    ("limit", "full", "nearly"),
    [
        ("concurrency", Fill(live_n=3), Fill(live_n=2, hard_n=9, hour_at=1_000, hour_n=9)),
        ("hard", Fill(hard_n=3), Fill(hard_n=2, live_n=9, month_at=1_000, month_n=9)),
        ("hourly", Fill(hour_at=1_000, hour_n=3), Fill(hour_at=1_000, hour_n=2, day_at=1_000, day_n=9)),
        ("daily", Fill(day_at=1_000, day_n=3), Fill(day_at=1_000, day_n=2, month_at=1_000, month_n=9)),
        (
            "monthly",
            Fill(month_at=1_000, month_n=3),
            Fill(month_at=1_000, month_n=2, hour_at=1_000, hour_n=9),
        ),
        ("hourly", Fill(hour_at=1_001, hour_n=3), Fill(hour_at=999, hour_n=3)),
        ("daily", Fill(day_at=1_001, day_n=3), Fill(day_at=999, day_n=3)),
        ("monthly", Fill(month_at=1_001, month_n=3), Fill(month_at=999, month_n=3)),
    ],
)
@pytest.mark.parametrize(("subject", "letter"), [("b1", "c"), ("g3", "g")])
async def test_each_cap_holds(
    bench: Bench, limit: str, full: Fill, nearly: Fill, subject: str, letter: str
) -> None:
    """A window that began before ours is over; one that began later is a clock ahead of ours, and counts."""
    offer = Offer(caps=flat(subject, **{limit: 3}))
    await bench.begin(fills={subject: full})
    assert await bench.ping(offer) == Nobody(verdicts=letter, shadow="")
    await bench.begin(fills={subject: nearly})
    await bench.taken(offer)


@pytest.mark.parametrize("limit", ["concurrency", "hard", "hourly", "daily", "monthly"])
async def test_holds_count_in_every_cap(bench: Bench, limit: str) -> None:
    offer = Offer(caps=flat("b1", **{limit: 2}))
    outcomes = [await bench.ping(offer, caller=caller(i), settings=HOLD) for i in range(3)]
    assert [type(one) for one in outcomes] == [Taken, Taken, Nobody]
    state = await bench.state()
    assert state.holds == {"b1": 2}
    assert len(state.due) == 2


async def test_a_cap_of_none_is_none_and_of_nought_is_nobody(bench: Bench) -> None:
    await bench.begin(fills={"b1": Fill(live_n=99, hard_n=99, hour_at=1_000, hour_n=99)})
    assert await bench.ping(Offer(caps=flat("b1", daily=0))) == Nobody(verdicts="c", shadow="")
    await bench.taken(Offer(caps=flat("b1", daily=99)))


async def test_a_buyer_and_its_group_must_both_have_a_place(bench: Bench) -> None:
    both = Offer(caps=flat("b1", hard=1) + flat("g3", hard=2))
    other = Offer(caps=flat("b2", hard=9) + flat("g3", hard=2), buyer_id=2)
    first = await bench.taken(both, other, caller=caller(1), settings=HOLD)
    second = await bench.taken(both, other, caller=caller(2), settings=HOLD)
    assert (first.verdicts, second.verdicts) == ("k", "ck")
    assert (await bench.state()).holds == {"b1": 1, "b2": 1, "g3": 2}
    assert await bench.ping(both, other, caller=caller(3), settings=HOLD) == Nobody(verdicts="cg", shadow="")
    assert (await bench.state()).holds == {"b1": 1, "b2": 1, "g3": 2}


async def test_without_the_setting_no_place_is_held(bench: Bench) -> None:
    await bench.taken(Offer(caps=flat("b1", hard=1)))
    state = await bench.state()
    assert (state.holds, state.due) == ({}, {})


async def test_without_limits_no_place_is_held(bench: Bench) -> None:
    await bench.taken(FREE, settings=HOLD)
    assert (await bench.state()).due == {}


async def test_a_hold_is_due_when_its_reservation_expires(bench: Bench) -> None:
    taken = await bench.taken(Offer(caps=flat("b1", hard=1) + flat("g3", hard=1)), settings=HOLD)
    state = await bench.state()
    (uuid,) = state.reservations
    assert state.due == {f"{uuid}|b1,g3": taken.expires_ms}


async def test_holds_that_are_over_are_given_back_once(bench: Bench) -> None:
    """A hundred pings at once find the same due holds."""
    await bench.begin(
        holds={"b1": 5, "g3": 3},
        due={"u1|b1,g3": 1_000, "u2|b1,g3": 1_001, "u3|b1": 1_002, "u4|b1,g3": 4 * 10**12},
    )
    await asyncio.gather(*(bench.ping(FREE, caller=caller(i)) for i in range(100)))
    state = await bench.state()
    assert state.holds == {"b1": 2, "g3": 1}
    assert state.due == {"u4|b1,g3": 4 * 10**12}


async def test_a_count_that_would_fall_below_nought_is_gone(bench: Bench) -> None:
    await bench.begin(holds={"b1": 1}, due={"u1|b1": 1_000, "u2|b1": 1_000})
    await bench.taken()
    assert (await bench.state()).holds == {}


async def test_at_most_64_holds_are_given_back_by_one_ping(bench: Bench) -> None:
    await bench.begin(holds={"b1": 200}, due={f"u{i}|b1": 1_000 + i for i in range(200)})
    left = []
    for number in range(4):
        await bench.taken(caller=caller(number))
        state = await bench.state()
        assert state.holds.get("b1", 0) == len(state.due)
        left.append(len(state.due))
    assert left == [136, 72, 8, 0]


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
    assert await bench.store.reserve(_without_candidates(await now_ms(bench.redis))) == Nobody(
        verdicts="", shadow=""
    )
    bench.store = PingStore(bench.redis, soft=1_000, hard=2_000, has_sip=True)
    assert (await bench.taken(numbers="")).number == ""
    assert "n" not in (await bench.state()).hashes[redis_keys.caller(SHARD, COMPANY, CALLER)]


def _without_candidates(now: int) -> Any:
    return an_ask(now, numbers="", candidates=candidates([]))


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


@pytest.mark.parametrize(
    ("generations", "lists", "verdict"),
    [
        ([], "S1", ""),
        ([11], "S1", "S"),
        ([11], "S2,1", "S"),
        ([12], "S1", ""),
        ([19], "S1 S9", ""),
        ([], "A1", "A"),
        ([19], "A1", "A"),
        ([11], "A1", ""),
        ([11], "A2,1", ""),
        ([11], "A1 A2", "A"),
        ([11, 12], "A1 A2", ""),
        ([11, 12], "S2 A1", "S"),
        ([11, 12], "A1 S2", "S"),
        ([12], "A1 S2", "S"),
    ],
)
async def test_lists_are_asked_at_each_level(
    bench: Bench, generations: list[int], lists: str, verdict: str
) -> None:
    """19 is a generation that lives no more; suppressed wins, accepted is asked level by level."""
    listed = {CALLER[1:]: generations} if generations else {}
    await bench.begin(listed=listed, generations={11: 1, 12: 2})
    whole = await bench.ping(lists=lists)
    assert whole == Nobody(verdicts=verdict, shadow="") if verdict else isinstance(whole, Taken)


async def test_a_buyers_lists_drop_that_buyer_only(bench: Bench) -> None:
    await bench.begin(listed={CALLER[1:]: [11]}, generations={11: 1})
    offers = [
        Offer(lists=ListIds(deny=(1,)), buyer_id=1),
        Offer(lists=ListIds(admit=(2,)), buyer_id=2),
        Offer(lists=ListIds(admit=(1,)), buyer_id=3),
    ]
    taken = await bench.taken(*offers)
    assert (taken.place, taken.verdicts) == (2, "sak")
    stranger = await bench.ping(offers[1], caller=caller(2))
    assert stranger == Nobody(verdicts="a", shadow="")


async def test_an_anonymous_caller_is_on_no_list(bench: Bench) -> None:
    await bench.begin(generations={11: 1})
    assert await bench.ping(caller="", lists="A1") == Nobody(verdicts="A", shadow="")
    await bench.taken(caller="", lists="S1")


async def test_stored_tags_are_asked_for_before_anything_is_judged(bench: Bench) -> None:
    soon = await now_ms(bench.redis) + 60_000
    fields = {
        "t0": f'3|{soon}|{{"age":"61","pipe":"a|b"}}',
        "t7": f'12|{soon}|{{"age":"62"}}',
        "t8": f'1|{soon}|{{"secret":"of B"}}',
    }
    await bench.begin(hashes={redis_keys.caller(SHARD, COMPANY, CALLER): fields})
    before = await bench.state()
    asked = await bench.ping(lists="A1")
    assert asked == StoredTags(seen="3:12", tags={"age": "62", "pipe": "a|b"})
    assert await bench.ping(tags_seen="2:12") == asked
    assert await bench.ping(publisher_id=OTHER) == StoredTags(
        seen="3:1", tags={"age": "61", "pipe": "a|b", "secret": "of B"}
    )
    assert await bench.state() == before
    await bench.taken(tags_seen="3:12")


async def test_tags_that_expired_are_none(bench: Bench) -> None:
    await bench.begin(hashes={redis_keys.caller(SHARD, COMPANY, CALLER): {"t0": '3|1000|{"age":"61"}'}})
    await bench.taken()
    assert await bench.ping(tags_seen="3:0") == StoredTags(seen="0:0", tags={})


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


@pytest.mark.parametrize("epoch", ["", "another"])
async def test_a_cold_shard_is_unavailable(bench: Bench, epoch: str) -> None:
    shard = Shard(epoch=epoch, versions={COMPANY: VERSION}, holds={"b1": 1}, due={"u|b1": 1_000})
    await put(bench.redis, shard)
    with pytest.raises(Unavailable, match="redis"):
        await bench.ping()
    assert await bench.state() == shard


async def test_a_newer_config_makes_the_ping_stale(bench: Bench) -> None:
    before = Shard(epoch="ours", versions={COMPANY: VERSION + 1}, holds={"b1": 1}, due={"u|b1": 1_000})
    await put(bench.redis, before)
    assert await bench.ping() == Stale()
    assert await bench.state() == before
    await bench.taken(version=VERSION + 1)


@pytest.mark.parametrize("late_ms", [1_200, -1_200])
async def test_a_clock_that_is_off_is_told(bench: Bench, late_ms: int) -> None:
    assert await bench.ping(late_ms=late_ms) == ClockOff()
    assert (await bench.state()).events == []
    await bench.taken(late_ms=late_ms // 2)


async def test_a_long_stream_goes_without_traces_and_a_full_one_without_pings(bench: Bench) -> None:
    bench.store = PingStore(bench.redis, soft=2, hard=4, has_sip=False)
    for number in range(4):
        await bench.taken(caller=caller(number))
    with pytest.raises(Unavailable):
        await bench.ping(caller=caller(5))
    events = (await bench.state()).events
    assert ["t" in event for event in events] == [True, True, False, False]


async def test_candidates_beyond_the_best_are_asked_for(bench: Bench) -> None:
    capped = [Offer(caps=flat(f"b{i}", hard=0), buyer_id=i) for i in range(1, 33)]
    own = RtbSettings(rate_limit_per_second=9)
    more = await bench.ping(candidates=candidates(capped, more=True), settings=own)
    assert more == More(verdicts="c" * 32)
    state = await bench.state()
    assert (state.events, state.reservations) == ([], {})
    taken = await bench.taken(*capped[:2], Offer(buyer_id=40), verdicts="c" * 32, settings=own)
    assert (taken.place, taken.verdicts) == (2, "c" * 34 + "k")
    assert {n for _, n in (await bench.state()).rates.values()} == {1}, "one ping, counted once"


async def test_the_last_candidates_of_all_refuse_for_good(bench: Bench) -> None:
    capped = Offer(caps=flat("b1", hard=0))
    assert await bench.ping(capped, verdicts="cs") == Nobody(verdicts="csc", shadow="")


async def test_a_test_ping_counts_nowhere_and_has_a_shield_of_its_own(bench: Bench) -> None:
    offer = Offer(caps=flat("b1", hard=1))
    await bench.taken(offer, settings=TEST)
    assert isinstance(await bench.ping(offer, settings=TEST), Reservation)
    state = await bench.state()
    assert (state.holds, state.due) == ({}, {})
    assert state.hashes.keys() == {redis_keys.test_caller(SHARD, 10, CALLER)}
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
    assert replace_events(after, before) == before


def replace_events(one: Shard, other: Shard) -> Shard:
    one.events = other.events
    return one


async def test_a_paused_campaigns_ping_still_meets_its_shield(bench: Bench) -> None:
    await bench.taken()
    nobody = candidates([], decided="campaign_paused")
    assert isinstance(await bench.ping(candidates=nobody), Reservation)
    assert await bench.ping(candidates=nobody, caller=caller(2)) == Nobody(verdicts="", shadow="")


async def test_memory_is_kept_as_long_as_it_matters(bench: Bench) -> None:
    long, short = RtbSettings(ttl_seconds=999), RtbSettings(ttl_seconds=10)
    await bench.taken(settings=long)
    (uuid,) = (await bench.state()).reservations
    assert 1_058_000 < await bench.ttl_ms(redis_keys.reservation(SHARD, uuid)) <= 1_059_000
    hash_key = redis_keys.caller(SHARD, COMPANY, CALLER)
    assert 998_000 < await bench.ttl_ms(hash_key) <= 999_000
    await bench.taken(settings=short, key=a_key(11), numbers="+2")
    assert await bench.ttl_ms(hash_key) > 900_000


def an_event(uuid: str, now: int, **said: Any) -> bytes:
    fields: dict[str, Any] = {
        "company_id": COMPANY,
        "key_id": 10,
        "publisher_id": PUBLISHER,
        "campaign_id": 100,
        "caller": CALLER,
        "version": VERSION,
        "number_asked": "",
        "test": False,
        "reason": "",
        "tags": {"age": "61"},
    }
    return encode_event(PingEvent(uuid=uuid, now_ms=now, **(fields | said)))


async def logged(bench: Bench, *offers: Offer, **said: Any) -> PingRow:
    """The last entry of the stream after a ping, as the ping log reads it."""
    now = await now_ms(bench.redis)
    ask = an_ask(now, *offers, **said)
    await bench.store.reserve(replace(ask, event=an_event(ask.uuid, now)))
    ((entry_id, fields),) = await bench.redis.command(
        SHARD, "XREVRANGE", redis_keys.events(SHARD), "+", "-", "COUNT", 1
    )
    row = read_entry(entry_id.decode(), fields)
    assert isinstance(row, PingRow)
    return row


async def test_every_outcome_can_be_read_from_the_stream(bench: Bench) -> None:
    caps: FlatCaps = flat("b2", hard=1)
    row = await logged(
        bench, Offer(caps=flat("b1", hard=0)), Offer(caps=caps, buyer_id=2), Offer(buyer_id=3), settings=HOLD
    )
    assert (row.status, row.number, row.holds, row.reason) == ("reserved", "+18005550000", "b2", "")
    assert row.replay.winner is not None
    assert (row.replay.winner.buyer_id, row.replay.verdicts) == (2, "ck")
    assert [(one.buyer_id, one.reason) for one in row.trace or ()] == [
        (1, "buyers_capped"),
        (2, ""),
        (3, "outranked"),
    ]
    again = await logged(bench, FREE)
    assert (again.status, again.original_uuid, again.number) == ("reserved", row.uuid, row.number)
    assert again.expires_ms == row.expires_ms
    doubled = await logged(bench, FREE, publisher_id=OTHER)
    assert (doubled.status, doubled.reason, doubled.original_uuid) == (
        "rejected",
        "duplicate_caller",
        row.uuid,
    )
    nobody = await logged(bench, Offer(caps=caps), caller=caller(2))
    assert (nobody.status, nobody.reason, nobody.expires_ms) == ("no-target", "buyers_capped", 0)
    numberless = await logged(bench, FREE, caller=caller(2), numbers="")
    assert (numberless.status, numberless.reason) == ("no-target", "no_number")
    listed = await logged(bench, FREE, caller=caller(2), lists="A1")
    assert (listed.status, listed.reason) == ("no-target", "caller_not_accepted")


REFUSED: dict[str, dict[str, Any]] = {
    "capped": {"candidates": candidates([Offer(caps=flat("b1", hard=0) + flat("g3", hard=5))])},
    "second capped": {"candidates": candidates([Offer(caps=flat("b1", hard=5) + flat("g3", hard=0))])},
    "suppressed": {"lists": "S1"},
    "not accepted": {"lists": "A2"},
    "numberless": {"numbers": ""},
    "more": {"candidates": candidates([Offer(caps=flat("b1", hard=0))], more=True)},
    "tags": {"tags_seen": "1:0"},
    "stale": {"version": VERSION - 1},
    "clock": {"late_ms": 5_000},
    "paused": {"candidates": candidates([], decided="publisher_paused")},
}


@pytest.mark.parametrize("why", REFUSED)
async def test_whoever_is_not_reserved_leaves_no_place_behind(bench: Bench, why: str) -> None:
    await bench.begin(listed={CALLER[1:]: [11]}, generations={11: 1})
    said = {"settings": HOLD, **REFUSED[why]}
    outcome = await bench.ping(Offer(caps=flat("b1", hard=5)), **said)
    assert not isinstance(outcome, Taken)
    state = await bench.state()
    assert (state.holds, state.due, state.reservations, state.hashes) == ({}, {}, {}, {})
