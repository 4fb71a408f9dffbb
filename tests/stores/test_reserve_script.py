"""reserve.lua's fence, lists, stored tags, candidates, log and memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from shared.domain.keys import RtbSettings
from shared.domain.ping_log import PingRow, read_entry
from shared.domain.pings import PingEvent, encode_event
from shared.domain.plan import ListIds
from shared.domain.routing.subjects import FlatCaps
from shared.domain.stored_tags import StoredTags
from shared.errors import Unavailable
from shared.pinging.store import PingStore
from shared.pinging.store.replies import More, Nobody, Taken
from shared.stores import redis_keys
from shared.stores.fence import ClockOff, Stale
from tests.support.asks import CALLER, VERSION, Offer, a_key, an_ask, candidates, flat
from tests.support.models import SHARD, Shard
from tests.support.ping_bench import (
    FREE,
    HOLD,
    OTHER,
    PUBLISHER,
    Bench,
    caller,
    open_bench,
)
from tests.support.shards import COMPANY, now_ms, put


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as bench:
        yield bench


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
        ([11], "S1 A2", "S"),
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
    await bench.begin(hashes={redis_keys.caller(SHARD, COMPANY, e164=CALLER): fields})
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
    await bench.begin(hashes={redis_keys.caller(SHARD, COMPANY, e164=CALLER): {"t0": '3|1000|{"age":"61"}'}})
    await bench.taken()
    assert await bench.ping(tags_seen="3:0") == StoredTags(seen="0:0", tags={})


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


async def test_memory_is_kept_as_long_as_it_matters(bench: Bench) -> None:
    long, short = RtbSettings(ttl_seconds=999), RtbSettings(ttl_seconds=10)
    await bench.taken(settings=long)
    (uuid,) = (await bench.state()).reservations
    assert 1_058_000 < await bench.ttl_ms(redis_keys.reservation(SHARD, uuid)) <= 1_059_000
    hash_key = redis_keys.caller(SHARD, COMPANY, e164=CALLER)
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
    await bench.store.reserve(replace(ask, event=an_event(ask.uuid, now)).to(bench.store))
    row = read_entry(*await bench.last_entry())
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
