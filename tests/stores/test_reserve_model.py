"""reserve.lua and confirm.lua against their models, through whatever comes to pass."""

import asyncio
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from services.rtb.store import SCRIPTS, ConfirmStore
from shared.domain.caps import Fill
from shared.domain.keys import RtbSettings
from shared.domain.plan import ListIds
from shared.domain.reservations import read_reservation, write_reservation
from shared.domain.routing.seats import write_lists
from shared.domain.routing.subjects import FlatCaps
from shared.errors import Unavailable
from shared.pinging.store import SCRIPTS as PING_SCRIPTS
from shared.pinging.store import PingStore
from shared.pinging.store.replies import Limited, Taken
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.asks import VERSION, Draft, Offer, a_key, an_ask, candidates
from tests.support.models import AWAY, SHARD, Shard, Terms, Told, confirm
from tests.support.reserve_model import reserve
from tests.support.shards import COMPANY, now_ms, put, take

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000)
CALLERS = ("+13105551212", "+12125551212", "")
WINDOWS = (1_000, 2_000, 3_000)
SUBJECTS: tuple[tuple[str, ...], ...] = ((), ("b1",), ("b2",), ("g1",), ("b1", "g1"), ("b2", "g1"))
TTLS = (10, 15, 999)
dice_of_a_step = st.randoms(use_true_random=True)  # a seed each: quick to draw, and the same again


def some_caps(dice: Random) -> FlatCaps:
    flat: FlatCaps = ()
    for subject in dice.choice(SUBJECTS):
        limits = [dice.choice((-1, -1, -1, 0, 1, 2, 3)) for _ in range(5)]
        flat += (subject, *limits, *(dice.choice(WINDOWS) for _ in range(3)))
    return flat


def some_lists(dice: Random, of: int) -> ListIds:
    """Lists at all in one of so many."""
    if dice.randrange(of):
        return ListIds()
    ids = tuple(dice.sample((1, 2, 3), dice.randint(1, 2)))
    return dice.choice((ListIds(deny=ids), ListIds(admit=ids), ListIds(deny=ids, admit=(2,))))


def some_offers(dice: Random) -> list[Offer]:
    count = dice.choice((0, 1, 2, 3, 8, 9, 17))
    return [
        Offer(caps=some_caps(dice), lists=some_lists(dice, 4), buyer_id=place)
        for place in range(1, count + 1)
    ]


def some_settings(dice: Random) -> RtbSettings:
    return RtbSettings(
        ttl_seconds=dice.choice(TTLS),
        add_to_caps_on_status_reserved=dice.random() < 0.6,
        ping_shield_scope=dice.choice(("key", "campaign")),
        rate_limit_per_second=dice.choice((None, None, 1, 2)),
        shadow=dice.choice(((), ("rate_limit",))),
        test=dice.random() < 0.1,
    )


def some_ask(dice: Random, now: int) -> Draft:
    decided = dice.choice(("",) * 12 + ("publisher_paused", "campaign_paused"))
    offers = [] if decided else some_offers(dice)
    return an_ask(
        now + dice.choice((0,) * 9 + (900, -900)),
        campaign_id=dice.choice((100, 100, 200)),
        key=a_key(dice.choice((10, 10, 11, 12))),
        settings=some_settings(dice),
        publisher_id=dice.choice((7, 7, 7, 8)),
        caller=dice.choice(CALLERS),
        numbers=dice.choice(("", "+1", "+1,+2", "+1,+2,+3", "+1,+2,+3,+4")),
        lists=write_lists(some_lists(dice, 8)),
        candidates=candidates(offers, more=bool(offers) and dice.random() < 0.2, decided=decided),
        verdicts=dice.choice(("",) * 5 + ("cc",)),
    )


class World:
    """A loop and a Redis that all examples share."""

    def __init__(self, runner: asyncio.Runner, redis: Redis) -> None:
        self.run = runner.run
        self.redis = redis


@pytest.fixture
def world(fresh_redis: str) -> Iterator[World]:
    with asyncio.Runner() as runner:
        redis = runner.run(Redis.open(fresh_redis, scripts=(*PING_SCRIPTS, *SCRIPTS), limits=PATIENT))
        yield World(runner, redis)
        runner.run(redis.close())


class Machine(RuleBasedStateMachine):
    """The shard as it should be, beside the shard as it is."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.redis = self.world.redis
        self.shard = Shard(epoch="ours", versions={COMPANY: VERSION}, generations={11: 1, 12: 2, 13: 3})

    @initialize(soft=st.sampled_from([5, 1_000]), hard=st.sampled_from([40, 1_000]), has_sip=st.booleans())
    def begin(self, soft: int, hard: int, has_sip: bool) -> None:
        self.terms = Terms(soft=soft, hard=hard, has_sip=has_sip)
        self.store = PingStore(self.redis, soft=soft, hard=hard, has_sip=has_sip)
        self._put()

    def _put(self) -> None:
        self.world.run(put(self.redis, self.shard))

    @rule(ms=st.sampled_from([1_000, 9_000, 11_000, 40_000]))
    def time_passes(self, ms: int) -> None:
        self.shard = self.shard.older(ms)
        self._put()

    @rule(dice=dice_of_a_step)
    def the_world_changes(self, dice: Random) -> None:
        """Calls are committed, callers and lists change, the stream is drained, tags are stored."""
        small = [dice.randint(0, 3) for _ in range(5)]
        at = [dice.choice(WINDOWS) for _ in range(3)]
        self.shard.fills[dice.choice(("b1", "b2", "g1"))] = Fill(
            hour_at=at[0], hour_n=small[0], day_at=at[1], day_n=small[1], month_at=at[2], month_n=small[2],
            hard_n=small[3], live_n=small[4], rev=dice.randrange(10**12),
        )  # fmt: skip
        caller = dice.choice(CALLERS[:2])
        self.shard.listed[caller[1:]] = dice.sample((11, 12, 13, 14), dice.randint(1, 3))
        self.shard.generations.pop(dice.randint(11, 14), None)
        self.shard.generations[dice.randint(11, 14)] = dice.randint(1, 3)
        if dice.random() < 0.3:
            self.shard.events.clear()
        if dice.random() < 0.4:
            publisher, expires = dice.choice((0, 7, 8)), self.world.run(now_ms(self.redis)) + 30_000
            fields = self.shard.hashes.setdefault(redis_keys.caller(SHARD, COMPANY, e164=caller), {})
            fields[f"t{publisher}"] = f'{dice.randint(1, 3)}|{expires}|{{"from{publisher}":"a|b"}}'
        self._put()

    @precondition(lambda self: self.shard.reservations)
    @rule(dice=dice_of_a_step)
    def a_reservation_is_claimed(self, dice: Random) -> None:
        uuid = dice.choice(sorted(self.shard.reservations))
        old = self.shard.reservations[uuid]
        new = write_reservation(replace(read_reservation(old.encode()), status="claimed")).decode()
        for fields in (self.shard.reservations, *self.shard.hashes.values()):
            fields.update({name: new for name, text in fields.items() if text == old})
        self._put()

    @rule(dice=dice_of_a_step)
    def pings_come(self, dice: Random) -> None:
        for _ in range(8):
            self._ping(dice, 0)

    @rule(dice=dice_of_a_step)
    def more_pings_come(self, dice: Random) -> None:
        self.pings_come(dice)

    @rule(dice=dice_of_a_step, trouble=st.sampled_from(["older", "", "stale", "clock"]))
    def a_ping_comes_in_trouble(self, dice: Random, trouble: str) -> None:
        """Redis is not the shard's own, or the config is newer, or our clock is off."""
        self._head(trouble if trouble in {"older", ""} else "ours", VERSION + (trouble == "stale"))
        self._ping(dice, dice.choice((-1_500, 1_500)) if trouble == "clock" else 0)
        self._head("ours", VERSION - 1)

    def _head(self, epoch: str, version: int) -> None:
        self.shard.epoch, self.shard.versions = epoch, {COMPANY: version}
        self._put()

    def _ping(self, dice: Random, clock_ms: int) -> None:
        before = self.world.run(now_ms(self.redis))
        ask = some_ask(dice, before + clock_ms)
        if dice.random() < 0.9:
            ask = replace(ask, tags_seen=self._stored(ask, before))
        answer = self._answer(lambda: self.store.reserve(ask.to(self.store)))
        self._insist(before, answer, lambda now: reserve(self.shard, ask, now, self.terms))

    def _stored(self, ask: Draft, now: int) -> str:
        """The revisions that a service which looked before would send."""
        looking = replace(ask, tags_seen="never", now_ms=now)
        outcome, _ = reserve(deepcopy(self.shard), looking, now, Terms(hard=10**9))
        return getattr(outcome, "seen", "0:0")

    @precondition(lambda self: self.shard.reservations)
    @rule(dice=dice_of_a_step)
    def a_confirmation_comes(self, dice: Random) -> None:
        uuid = dice.choice(sorted(self.shard.reservations))
        held = read_reservation(self.shard.reservations[uuid].encode())
        caps = some_caps(dice) if dice.random() < 0.9 else None
        own = RtbSettings(test=self._is_of_a_test(uuid))
        before = self.world.run(now_ms(self.redis))
        sent = before + dice.choice((0,) * 9 + (900, -1_500))
        told = Told(uuid=uuid, sent_ms=sent, version=VERSION, caps=caps, test=own.test)
        answer = self._answer(
            lambda: ConfirmStore(self.redis).confirm(
                held, SHARD, version=VERSION, now_ms=sent, caps=caps, settings=own
            )
        )
        self._insist(before, answer, lambda now: confirm(self.shard, told, now))

    def _is_of_a_test(self, uuid: str) -> bool:
        hashes = (fields for key, fields in self.shard.hashes.items() if ":c:t" in key)
        return any(uuid in text for fields in hashes for text in fields.values())

    def _answer(self, call: Callable[[], Any]) -> object:
        try:
            return self.world.run(call())
        except Unavailable:
            return AWAY

    def _insist(self, before: int, answer: object, model: Callable[[int], tuple[object, Shard]]) -> None:
        """The answer, and the whole shard, are what they must be at some moment of the call."""
        after = self.world.run(now_ms(self.redis))
        found = self.world.run(take(self.redis))
        for now in _moments(before, after, answer, found.events[len(self.shard.events) :]):
            expected, shard = model(now)
            if expected == answer and _lasting(shard, now) == _lasting(found, now):
                self.shard = shard
                return
        expected, shard = model(before)
        assert answer == expected
        assert _lasting(found, before) == _lasting(shard, before)


def _moments(before: int, after: int, answer: object, events: list[dict[str, str]]) -> Iterator[int]:
    """When the script can have run."""
    if isinstance(answer, Taken):
        tried = (answer.expires_ms - ttl * 1_000 for ttl in TTLS)
        yield from (now for now in tried if before <= now <= after)
    elif isinstance(answer, Limited):
        yield from (now for now in range(before, after + 1) if (now + answer.wait_ms) % 1_000 == 0)
    elif events and "c" in events[-1]:
        yield int(events[-1]["c"].split("|")[1])
    else:
        yield from (before, after)


def _lasting(shard: Shard, now: int) -> Shard:
    """Without the rate counts that may have gone by themselves."""
    kept = deepcopy(shard)
    kept.rates = {key: (second, n) for key, (second, n) in shard.rates.items() if second >= now // 1_000 - 1}
    return kept


def test_the_scripts_do_what_their_models_do(world: World) -> None:
    Machine.world = world
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
