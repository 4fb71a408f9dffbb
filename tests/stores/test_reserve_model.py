"""reserve.lua and confirm.lua against their models, through whatever comes to pass."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

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

from services.rtb.store import SCRIPTS, Ask, PingStore
from services.rtb.store.replies import Limited, Taken
from shared.domain.caps import Fill
from shared.domain.keys import RtbSettings
from shared.domain.plan import ListIds
from shared.domain.reservations import read_reservation, write_reservation
from shared.domain.routing.evaluation import FlatCaps
from shared.domain.routing.seats import write_lists
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support import models
from tests.support.asks import VERSION, Offer, a_key, an_ask, candidates
from tests.support.models import AWAY, SHARD, Shard, Terms
from tests.support.shards import COMPANY, now_ms, put, take

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000)
CALLERS = ("+13105551212", "+12125551212", "")
SUBJECTS = ("b1", "b2", "g1")
NUMBERS = ("", "+1", "+1,+2", "+1,+2,+3,+4", "+1,+2,+3,+4")
WINDOWS = (1_000, 2_000, 3_000)

limits = st.none() | st.integers(0, 3)
list_ids = st.lists(st.integers(1, 3), unique=True, max_size=2).map(tuple)
levels = (
    st.sampled_from([ListIds()] * 6) | st.builds(ListIds, deny=list_ids) | st.builds(ListIds, admit=list_ids)
)
small = st.integers(0, 3)
starts = st.sampled_from(WINDOWS)


@st.composite
def all_caps(draw: st.DrawFn) -> FlatCaps:
    flat: tuple[str | int, ...] = ()
    for subject in draw(st.sampled_from([(), ("b1",), ("b2",), ("g1",), ("b1", "g1"), ("b2", "g1")])):
        wanted = [draw(limits) for _ in range(5)]
        flat += (subject, *(-1 if one is None else one for one in wanted), *(draw(starts) for _ in range(3)))
    return flat


offers = st.lists(st.builds(Offer, caps=all_caps(), lists=levels, buyer_id=st.integers(1, 9)), max_size=10)
fills = st.builds(
    Fill, hour_at=starts, hour_n=small, day_at=starts, day_n=small, month_at=starts, month_n=small,
    hard_n=small, live_n=small, rev=st.integers(0, 10**12),
)  # fmt: skip
key_settings = st.builds(
    RtbSettings,
    ttl_seconds=st.sampled_from([10, 15, 999]),
    add_to_caps_on_status_reserved=st.booleans(),
    ping_shield_scope=st.sampled_from(["key", "campaign"]),
    rate_limit_per_second=st.none() | st.integers(1, 2),
    shadow=st.sampled_from([(), ("rate_limit",)]),
    test=st.sampled_from([False, False, False, True]),
)
setups = st.builds(
    Terms, soft=st.sampled_from([3, 1_000]), hard=st.sampled_from([12, 1_000]), has_sip=st.booleans()
)


PING: dict[str, st.SearchStrategy[Any]] = {
    "some": offers,
    "flags": st.tuples(st.booleans(), st.sampled_from(["", "", "cc"])),
    "key": st.sampled_from([10, 11, 12]),
    "publisher": st.sampled_from([7, 7, 8]),
    "caller": st.sampled_from(CALLERS),
    "own": key_settings,
    "campaign": st.sampled_from([100, 200]),
    "numbers": st.sampled_from(NUMBERS),
    "lists": levels,
    "decided": st.sampled_from([""] * 6 + ["publisher_paused", "campaign_paused"]),
    "clock": st.sampled_from([0] * 9 + [900, -900]),
    "data": st.data(),
}


class World:
    """A loop and a Redis that all examples share."""

    def __init__(self, runner: asyncio.Runner, redis: Redis) -> None:
        self.run = runner.run
        self.redis = redis


@pytest.fixture
def world(fresh_redis: str) -> Iterator[World]:
    with asyncio.Runner() as runner:
        redis = runner.run(Redis.open(fresh_redis, scripts=SCRIPTS, limits=PATIENT))
        yield World(runner, redis)
        runner.run(redis.close())


class Machine(RuleBasedStateMachine):
    """The shard as it should be, beside the shard as it is."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.redis = world.redis
        self.shard = Shard(epoch="ours")

    @initialize(terms=setups)
    def begin(self, terms: Terms) -> None:
        self.terms = terms
        self.store = PingStore(self.redis, soft=terms.soft, hard=terms.hard, has_sip=terms.has_sip)
        self.shard.versions = {COMPANY: VERSION}
        self.shard.generations = {11: 1, 12: 2, 13: 3}
        self._put()

    def _put(self) -> None:
        self.world.run(put(self.redis, self.shard))

    @rule(ms=st.sampled_from([1_000, 9_000, 11_000, 40_000]))
    def time_passes(self, ms: int) -> None:
        self.shard = self.shard.older(ms)
        self._put()

    @rule(subject=st.sampled_from(SUBJECTS), fill=fills)
    def calls_are_committed(self, subject: str, fill: Fill) -> None:
        self.shard.fills[subject] = fill
        self._put()

    @rule(
        caller=st.sampled_from(CALLERS[:2]),
        generations=st.lists(st.integers(11, 14), unique=True, max_size=2),
    )
    def a_caller_is_listed(self, caller: str, generations: list[int]) -> None:
        self.shard.listed.pop(caller[1:], None)
        if generations:
            self.shard.listed[caller[1:]] = generations
        self._put()

    @rule(generation=st.integers(11, 14), list_id=st.none() | st.integers(1, 3))
    def a_list_is_swapped(self, generation: int, list_id: int | None) -> None:
        self.shard.generations.pop(generation, None)
        if list_id is not None:
            self.shard.generations[generation] = list_id
        self._put()

    @rule(caller=st.sampled_from(CALLERS[:2]), publisher=st.sampled_from([0, 7, 8]), rev=st.integers(1, 2))
    def tags_are_stored(self, caller: str, publisher: int, rev: int) -> None:
        now = self.world.run(now_ms(self.redis))
        text = f'{rev}|{now + 30_000}|{{"from{publisher}":"a|b"}}'
        self.shard.hashes.setdefault(redis_keys.caller(SHARD, COMPANY, caller), {})[f"t{publisher}"] = text
        self._put()

    @precondition(lambda self: self.shard.reservations)
    @rule(data=st.data())
    def a_reservation_is_claimed(self, data: st.DataObject) -> None:
        uuid = data.draw(st.sampled_from(sorted(self.shard.reservations)))
        old = self.shard.reservations[uuid]
        new = write_reservation(replace(read_reservation(old.encode()), status="claimed")).decode()
        for fields in (self.shard.reservations, *self.shard.hashes.values()):
            fields.update({name: new for name, text in fields.items() if text == old})
        self._put()

    @rule(**PING)
    def a_ping(self, **said: Any) -> None:
        self._ping(**said)

    @rule(**PING)
    def another_ping(self, **said: Any) -> None:
        self._ping(**said)

    @rule(
        epoch=st.sampled_from(["ours", "ours", "older", ""]),
        version=st.sampled_from([VERSION, VERSION + 1]),
        clock=st.sampled_from([0, 1_500, -1_500]),
        ping=st.fixed_dictionaries(PING),
    )
    def a_ping_in_trouble(self, epoch: str, version: int, clock: int, ping: dict[str, Any]) -> None:
        """Redis is not the shard's own, or the config is newer, or our clock is off."""
        self._head(epoch, version)
        self._ping(**{**ping, "clock": clock})
        self._head("ours", VERSION - 1)

    def _head(self, epoch: str, version: int) -> None:
        self.shard.epoch, self.shard.versions = epoch, {COMPANY: version}
        self._put()

    def _ping(self, data: st.DataObject, flags: tuple[bool, str], **said: Any) -> None:
        before = self.world.run(now_ms(self.redis))
        offered = [] if said["decided"] else said["some"]
        ask = an_ask(
            before + said["clock"],
            campaign_id=said["campaign"],
            key=a_key(said["key"]),
            settings=said["own"],
            publisher_id=said["publisher"],
            caller=said["caller"],
            numbers=said["numbers"],
            lists=write_lists(said["lists"]),
            candidates=candidates(offered, more=flags[0] and bool(offered), decided=said["decided"]),
            verdicts=flags[1],
        )
        seen = self._stored(ask, before)
        ask = replace(ask, tags_seen=data.draw(st.sampled_from([seen] * 8 + ["0:0", "1:2"])))
        self._insist(before, self._reserve(ask), lambda now: models.reserve(self.shard, ask, now, self.terms))

    def _stored(self, ask: Ask, now: int) -> str:
        """The revisions that a service which looked before would send."""
        trial, _ = models.reserve(
            deepcopy(self.shard), replace(ask, tags_seen="never"), now, Terms(hard=10**9)
        )
        return getattr(trial, "seen", "0:0")

    def _reserve(self, ask: Ask) -> object:
        try:
            return self.world.run(self.store.reserve(ask))
        except Unavailable:
            return AWAY

    @precondition(lambda self: self.shard.reservations)
    @rule(caps=st.none() | all_caps(), clock=st.sampled_from([0] * 9 + [900, -1_500]), data=st.data())
    def a_confirmation(self, caps: FlatCaps | None, clock: int, data: st.DataObject) -> None:
        uuid = data.draw(st.sampled_from(sorted(self.shard.reservations)))
        held = read_reservation(self.shard.reservations[uuid].encode())
        own = RtbSettings(test=self._is_of_a_test(uuid))
        before = self.world.run(now_ms(self.redis))
        sent = before + clock

        async def ask() -> object:
            try:
                return await self.store.confirm(
                    held, SHARD, version=VERSION, now_ms=sent, caps=caps, settings=own
                )
            except Unavailable:
                return AWAY

        answer = self.world.run(ask())
        self._insist(
            before, answer, lambda now: models.confirm(self.shard, uuid, sent, VERSION, now, caps, own)
        )

    def _is_of_a_test(self, uuid: str) -> bool:
        hashes = (fields for key, fields in self.shard.hashes.items() if ":c:t" in key)
        return any(uuid in text for fields in hashes for text in fields.values())

    def _insist(self, before: int, answer: object, model: Any) -> None:
        """The answer, and the whole shard, are what they must be at some moment of the call."""
        after = self.world.run(now_ms(self.redis))
        is_now = self.world.run(take(self.redis))
        known = len(self.shard.events)
        tried = []
        for now in _moments(before, after, answer, is_now, known):
            expected, shard = model(now)
            tried.append(expected)
            if expected == answer and _lasting(shard, now) == _lasting(is_now, now):
                self.shard = shard
                return
        expected, shard = model(before)
        assert answer in tried
        assert _lasting(is_now, before) == _lasting(shard, before)


def _moments(before: int, after: int, answer: object, shard: Shard, known: int) -> Iterator[int]:
    """When the script can have run, the likeliest first."""
    if isinstance(answer, Taken):
        held = [text for text in shard.reservations.values() if f"|{answer.expires_ms}|" in text]
        ttls = (10_000, 15_000, 999_000)
        yield from (
            answer.expires_ms - ttl for ttl in ttls if held and before <= answer.expires_ms - ttl <= after
        )
    elif isinstance(answer, Limited):
        yield from (now for now in range(before, after + 1) if (now + answer.wait_ms) % 1_000 == 0)
    elif shard.events[known:] and "c" in shard.events[-1]:
        yield int(shard.events[-1]["c"].split("|")[1])
    else:
        yield from (before, after)


def _lasting(shard: Shard, now: int) -> Shard:
    """Without the rate counts that may have gone by themselves."""
    kept = deepcopy(shard)
    kept.rates = {key: (second, n) for key, (second, n) in shard.rates.items() if second >= now // 1_000 - 1}
    return kept


def test_the_scripts_do_what_their_models_do(world: World) -> None:
    run_state_machine_as_test(
        lambda: Machine(world),
        settings=settings(
            max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
