"""reserve.lua and caps: places, holds, and their giving back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.caps import Fill
from shared.pinging.store.replies import (
    Nobody,
    Taken,
)
from tests.support.asks import CALLER, VERSION, Offer, candidates, flat
from tests.support.ping_bench import (
    FREE,
    HOLD,
    Bench,
    caller,
    open_bench,
)


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis) as bench:
        yield bench


@pytest.mark.parametrize(
    ("limit", "full", "nearly"),
    [
        ("concurrency", Fill(live_n=3), Fill(live_n=2, hard_n=9, hour_at=3_000, hour_n=9)),
        ("hard", Fill(hard_n=3), Fill(hard_n=2, live_n=9, month_at=1_000, month_n=9)),
        ("hourly", Fill(hour_at=3_000, hour_n=3), Fill(hour_at=3_000, hour_n=2, day_at=3_000, day_n=9)),
        ("daily", Fill(day_at=2_000, day_n=3), Fill(day_at=2_000, day_n=2, month_at=3_000, month_n=9)),
        (
            "monthly",
            Fill(month_at=1_000, month_n=3),
            Fill(month_at=1_000, month_n=2, hour_at=3_000, hour_n=9),
        ),
        ("hourly", Fill(hour_at=3_001, hour_n=3), Fill(hour_at=2_999, hour_n=3)),
        ("daily", Fill(day_at=2_001, day_n=3), Fill(day_at=1_999, day_n=3)),
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
    await bench.begin(fills={"b1": Fill(live_n=99, hard_n=99, hour_at=3_000, hour_n=99)})
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
