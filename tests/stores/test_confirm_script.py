"""confirm.lua and read.lua on a real Redis: one behaviour each."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from services.rtb.store import SCRIPTS, PingStore
from services.rtb.store.replies import ClockOff, Nobody, Stale, Taken
from shared.domain.keys import RtbSettings
from shared.domain.pings import Confirmation
from shared.domain.ping_log import read_entry
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.domain.routing.evaluation import FlatCaps
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.asks import CALLER, VERSION, Offer, a_key, an_ask, flat
from tests.support.models import SHARD, Shard
from tests.support.shards import COMPANY, now_ms, put, take

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000, waiting=5_000)
PLAIN = RtbSettings()
HOLD = RtbSettings(add_to_caps_on_status_reserved=True)
TEST = RtbSettings(test=True)
ONE = flat("b1", hard=1) + flat("g3", hard=5)
NOBODY = Nobody(verdicts="", shadow="")
HASH = redis_keys.caller(SHARD, COMPANY, CALLER)


class Bench:
    """A warm shard, and a service at it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.store = PingStore(redis, soft=1_000, hard=2_000, has_sip=True)

    async def reserved(self, caps: FlatCaps = ONE, **said: Any) -> Reservation:
        """A new reservation, as it can be found."""
        ask = an_ask(await now_ms(self.redis), Offer(caps=caps), **said)
        assert isinstance(await self.store.reserve(ask), Taken)
        held = await self.store.find(ask.uuid, SHARD)
        assert held is not None
        return held

    async def confirm(
        self, held: Reservation, caps: FlatCaps | None = ONE, *, own: RtbSettings = PLAIN, late_ms: int = 0
    ) -> Any:
        sent = await now_ms(self.redis) - late_ms
        return await self.store.confirm(held, SHARD, version=VERSION, now_ms=sent, caps=caps, settings=own)

    async def state(self) -> Shard:
        return await take(self.redis)

    async def later(self, ms: int) -> None:
        await put(self.redis, (await self.state()).older(ms))


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    redis = await Redis.open(fresh_redis, scripts=SCRIPTS, limits=PATIENT)
    await put(redis, Shard(epoch="ours", versions={COMPANY: VERSION}))
    yield Bench(redis)
    await redis.close()


async def test_a_place_is_taken_at_the_confirmation(bench: Bench) -> None:
    held = await bench.reserved()
    assert (await bench.state()).holds == {}
    confirmed = await bench.confirm(held)
    assert confirmed == replace(held, status="confirmed", subjects="b1,g3")
    state = await bench.state()
    assert state.holds == {"b1": 1, "g3": 1}
    assert state.due == {f"{held.uuid}|b1,g3": held.expires_ms}
    assert await bench.store.find(held.uuid, SHARD) == confirmed


async def test_a_place_held_at_reserve_is_not_taken_again(bench: Bench) -> None:
    """Whatever the key's setting has become meanwhile."""
    held = await bench.reserved(settings=HOLD)
    for own in (HOLD, PLAIN):
        confirmed = await bench.confirm(held, own=own)
        assert (confirmed.status, confirmed.subjects) == ("confirmed", "b1,g3")
    assert (await bench.state()).holds == {"b1": 1, "g3": 1}


async def test_a_setting_that_came_later_takes_the_place_now(bench: Bench) -> None:
    held = await bench.reserved()
    await bench.confirm(held, own=HOLD)
    assert (await bench.state()).holds == {"b1": 1, "g3": 1}


async def test_a_confirmation_again_changes_nothing(bench: Bench) -> None:
    held = await bench.reserved()
    first = await bench.confirm(held)
    before = await bench.state()
    assert await bench.confirm(held) == first
    assert await bench.state() == before


async def test_caps_that_filled_meanwhile_refuse(bench: Bench) -> None:
    one = await bench.reserved()
    other = await bench.reserved(caller="+12125551212")
    await bench.confirm(one)
    before = await bench.state()
    assert await bench.confirm(other) == NOBODY
    assert await bench.state() == before


async def test_the_caps_of_now_count(bench: Bench) -> None:
    held = await bench.reserved(())
    assert await bench.confirm(held, flat("b1", hard=0)) == NOBODY
    assert (await bench.confirm(held, ())).status == "confirmed"
    assert (await bench.state()).due == {}


async def test_a_winner_that_left_the_campaign_takes_nobody(bench: Bench) -> None:
    held = await bench.reserved()
    assert await bench.confirm(held, None) == NOBODY


async def test_an_expired_reservation_is_no_target_and_its_place_is_free(bench: Bench) -> None:
    held = await bench.reserved(settings=HOLD)
    await bench.later(15_001)
    assert await bench.confirm(held) == NOBODY
    state = await bench.state()
    assert (state.holds, state.due) == ({}, {})


async def test_a_claimed_reservation_stays_claimed(bench: Bench) -> None:
    held = await bench.reserved()
    claimed = replace(held, status="claimed")
    state = await bench.state()
    state.reservations[held.uuid] = write_reservation(claimed).decode()
    await put(bench.redis, state.older(20_000))
    now_old = replace(claimed, expires_ms=held.expires_ms - 20_000)
    assert await bench.confirm(held) == now_old
    assert (await bench.state()).holds == {}


async def test_what_is_gone_or_anothers_is_none(bench: Bench) -> None:
    held = await bench.reserved()
    assert await bench.confirm(replace(held, key_id=11)) is None
    assert await bench.confirm(replace(held, uuid="unknown")) is None
    assert (await bench.state()).holds == {}


async def test_the_callers_repeat_is_confirmed_too(bench: Bench) -> None:
    held = await bench.reserved()
    confirmed = await bench.confirm(held)
    ask = an_ask(await now_ms(bench.redis), Offer())
    assert await bench.store.reserve(ask) == confirmed


async def test_a_later_reservation_of_the_caller_is_left_alone(bench: Bench) -> None:
    """Another key's, or this key's in another campaign."""
    wide = RtbSettings(ping_shield_scope="campaign")
    first = await bench.reserved(settings=wide, numbers="+1,+2")
    second = await bench.reserved(settings=wide, numbers="+1,+2", campaign_id=200, caps=())
    await bench.confirm(first)
    for held, status in ((first, "confirmed"), (second, "reserved")):
        ask = an_ask(
            await now_ms(bench.redis), Offer(), settings=wide, campaign_id=held.campaign_id, key=a_key(12)
        )
        again = await bench.store.reserve(ask)
        assert isinstance(again, Reservation)
        assert (again.uuid, again.status) == (held.uuid, status)


async def test_the_reservation_lives_no_longer_for_it(bench: Bench) -> None:
    held = await bench.reserved()
    key = redis_keys.reservation(SHARD, held.uuid)
    await bench.redis.command(SHARD, "PEXPIRE", key, 70_000)
    await bench.confirm(held)
    assert 60_000 < await bench.redis.command(SHARD, "PTTL", key) <= 70_000


async def test_a_test_confirms_and_counts_nowhere(bench: Bench) -> None:
    held = await bench.reserved(settings=TEST)
    confirmed = await bench.confirm(held, own=TEST)
    assert (confirmed.status, confirmed.subjects) == ("confirmed", "")
    state = await bench.state()
    assert state.holds == {}
    texts = state.hashes[redis_keys.test_caller(SHARD, 10, CALLER)]
    assert read_reservation(texts["k10"].encode()) == confirmed


async def test_an_anonymous_reservation_confirms(bench: Bench) -> None:
    held = await bench.reserved(caller="", numbers="+1")
    before = (await bench.state()).hashes
    assert (await bench.confirm(held)).status == "confirmed"
    assert (await bench.state()).hashes == before


async def test_the_log_is_told(bench: Bench) -> None:
    held = await bench.reserved()
    before = await now_ms(bench.redis)
    await bench.confirm(held)
    ((entry_id, fields),) = await bench.redis.command(
        SHARD, "XREVRANGE", redis_keys.events(SHARD), "+", "-", "COUNT", 1
    )
    told = read_entry(entry_id.decode(), fields)
    assert isinstance(told, Confirmation)
    assert (told.uuid, told.subjects) == (held.uuid, "b1,g3")
    assert before <= told.at_ms <= await now_ms(bench.redis)


async def test_nothing_is_applied_on_a_shard_that_cannot_be_trusted(bench: Bench) -> None:
    held = await bench.reserved()
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
                await bench.confirm(held)
            with pytest.raises(Unavailable):
                await bench.store.find(held.uuid, SHARD)
        else:
            assert await bench.confirm(held, late_ms=late_ms) == answer
        assert await bench.state() == state


async def test_a_reservation_is_found_while_it_is_kept(bench: Bench) -> None:
    held = await bench.reserved()
    assert await bench.store.find(held.uuid, SHARD) == held
    assert await bench.store.find("unknown", SHARD) is None
    await bench.redis.command(SHARD, "DEL", redis_keys.reservation(SHARD, held.uuid))
    assert await bench.store.find(held.uuid, SHARD) is None


async def test_the_version_that_redis_knows_is_asked(bench: Bench) -> None:
    assert await bench.store.is_current(COMPANY, SHARD, VERSION)
    assert not await bench.store.is_current(COMPANY, SHARD, VERSION - 1)
    assert await bench.store.is_current(999, SHARD, 1)
    await bench.redis.command(SHARD, "HSET", redis_keys.head(SHARD), "epoch", "older")
    with pytest.raises(Unavailable):
        await bench.store.is_current(COMPANY, SHARD, VERSION)
    await bench.redis.command(SHARD, "DEL", redis_keys.head(SHARD))
    with pytest.raises(Unavailable):
        await bench.store.is_current(COMPANY, SHARD, VERSION)
