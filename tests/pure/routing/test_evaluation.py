"""A ping's candidates, best first, and why the others are out."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.caps import Caps
from shared.domain.pings import Winner, decode_winner, read_trace
from shared.domain.plan import Buyer, ConversionEntry, Criterion, ListIds, Plan, Route
from shared.domain.reasons import Reason
from shared.domain.routing.candidates import Candidates
from shared.domain.routing.evaluation import (
    BEST,
    DRAWS,
    Evaluation,
    draw_of,
    draws_of,
)
from shared.domain.routing.ranking import order, ties_of
from shared.domain.routing.subjects import FlatCaps, caps_of, subjects_of
from shared.domain.schedule import Block
from shared.domain.tags import Tags
from tests.support.plans import PUBLISHER, a_buyer, a_company, a_group, a_plan, rules, unpacked

PING = "01935c0a-507b-7011-b132-333435363738"
NINE_TO_FIVE = tuple(Block(day_of_week=day, time_open=900, time_close=1700) for day in range(7))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = ms("2026-03-03 17:00")  # in New York


def judged(plan: Plan, tags: Tags | None = None, now_ms: int = NOON, uuid: str = PING) -> Candidates:
    return Evaluation(plan).candidates(tags or {}, uuid, now_ms=now_ms, publisher=PUBLISHER)


def records_of(candidates: Candidates) -> list[tuple[FlatCaps, str, str]]:
    """What the script finds in them."""
    return [(tuple(caps), lists, winner) for caps, lists, winner in unpacked(candidates)]


def buyers_of(plan: Plan, candidates: Candidates) -> list[int]:
    seats = Evaluation(plan).compiled.seats
    return [seats[place].buyer.id for place in candidates.seats]


def test_a_candidate_is_its_caps_its_lists_and_the_winner_as_rendered() -> None:
    buyer = a_buyer(
        12,
        dba='Tab\t"quoted"\nline',
        caps=Caps(daily=5),
        lists=ListIds(deny=(1,)),
        bid_revenue=Decimal("30.5000"),
    )
    plan = a_plan([buyer], default_payout=Decimal(20), seconds=90)
    [(caps, lists, winner)] = records_of(judged(plan))
    assert caps == caps_of(plan, 12, group_id=0, now_ms=NOON)
    assert lists == "S1"
    told = decode_winner(winner.encode())
    assert (told.buyer_id, told.group_id, told.dba) == (12, 0, buyer.dba)
    assert (told.revenue, told.payout, told.seconds) == ("30.5000", "20", 90)
    assert told == judged(plan).winners[0]


@pytest.mark.parametrize(
    ("buyer", "reason"),
    [
        (a_buyer(1, paused=True, rules=rules("age > 60")), Reason.BUYERS_PAUSED),
        (a_buyer(1, hours=(Block(day_of_week=0),), rules=rules("age > 60")), Reason.BUYERS_CLOSED),
        (a_buyer(1, rules=rules("age > 60"), bid_revenue=Decimal(1)), Reason.BUYERS_FILTERED),
        (a_buyer(1, rules=rules("system_buyer_id == 2")), Reason.BUYERS_FILTERED),
        (a_buyer(1, bid_revenue=Decimal(1)), Reason.MARGIN),
    ],
)
def test_each_dropped_candidate_has_its_first_reason(buyer: Buyer, reason: Reason) -> None:
    candidates = judged(a_plan([buyer, a_buyer(2)], default_payout=Decimal(20)))
    assert candidates.seats == [1]
    assert candidates.dropped == {reason: 1}
    rows = read_trace(candidates.trace, "k")
    assert [(row.buyer_id, row.reason) for row in rows] == [(2, ""), (1, reason)]
    assert not candidates.decided


def test_a_loss_may_be_allowed() -> None:
    loser = a_buyer(1, bid_revenue=Decimal(1))
    assert judged(a_plan([loser], default_payout=Decimal(20), allow_loss=True)).seats == [0]


def test_reasons_are_counted() -> None:
    plan = a_plan([a_buyer(1, paused=True), a_buyer(2, paused=True), a_buyer(3, rules=rules("x exists"))])
    candidates = judged(plan)
    assert candidates.dropped == {Reason.BUYERS_PAUSED: 2, Reason.BUYERS_FILTERED: 1}
    assert (records_of(candidates), candidates.seats, candidates.more) == ([], [], False)


def test_the_whole_ping_is_refused_before_any_candidate_is_looked_at() -> None:
    plan = a_plan([a_buyer(1, paused=True)], rules=rules("age > 60"))
    assert _whole(plan, {}) == Reason.BUYERS_FILTERED
    assert _whole(plan, {"age": "61"}) == ""
    assert _whole(a_plan([a_buyer(1)], paused=True, rules=rules("age > 60")), {}) == Reason.CAMPAIGN_PAUSED
    paused = type(PUBLISHER)(id=7, afid="pub-a", paused=True)
    candidates = Evaluation(a_plan([a_buyer(1)], paused=True)).candidates(
        {}, PING, now_ms=NOON, publisher=paused
    )
    assert candidates.decided == Reason.PUBLISHER_PAUSED
    assert (records_of(candidates), candidates.seats, candidates.dropped) == ([], [], {})
    assert read_trace(candidates.trace, "") == []


def _whole(plan: Plan, tags: Tags) -> str:
    return judged(plan, tags).decided


def test_who_is_open_changes_with_the_minute() -> None:
    evaluation = Evaluation(a_plan([a_buyer(1, hours=NINE_TO_FIVE)]))

    def taken(text: str) -> bool:
        return bool(evaluation.candidates({}, PING, now_ms=ms(text), publisher=PUBLISHER).seats)

    assert not taken("2026-03-03 13:59:59.999")
    assert taken("2026-03-03 14:00")
    assert taken("2026-03-03 21:59:59.999")
    assert not taken("2026-03-03 22:00")
    assert taken("2026-03-03 21:59"), "a clock that was a little ahead"


def test_hours_are_the_buyers_own() -> None:
    west = a_buyer(1, hours=NINE_TO_FIVE, time_zone="America/Los_Angeles")
    assert not judged(a_plan([west]), now_ms=ms("2026-03-03 16:59")).seats
    assert judged(a_plan([west]), now_ms=ms("2026-03-03 17:00")).seats


def test_criteria_are_priced_for_what_the_ping_says() -> None:
    timer = Criterion(
        id=1,
        pays_publisher=False,
        bills_buyer=True,
        timer=True,
        rules=rules("age > 60"),
        entries=(ConversionEntry(seconds=90, revenue=Decimal(10)),),
    )
    plan = a_plan([a_buyer(1)], criteria=(timer,), default_revenue=Decimal(4), default_payout=Decimal(5))
    evaluation = Evaluation(plan)
    for tags, dropped in (({"age": "60"}, {Reason.MARGIN: 1}), ({"age": "61"}, {}), ({}, {Reason.MARGIN: 1})):
        assert evaluation.candidates(tags, PING, now_ms=NOON, publisher=PUBLISHER).dropped == dropped


def test_the_cap_windows_follow_the_clock_change() -> None:
    plan = a_plan([a_buyer(1, caps=Caps(hourly=1))])

    def at(text: str) -> list[str]:
        starts = caps_of(plan, 1, group_id=0, now_ms=ms(text))[-3:]
        return [datetime.fromtimestamp(int(start), UTC).strftime("%m-%d %H") for start in starts]

    assert at("2026-11-01 05:30") == ["11-01 05", "11-01 04", "11-01 04"]
    assert at("2026-11-01 06:30") == ["11-01 06", "11-01 04", "11-01 04"], "half past one for the second time"
    assert at("2026-11-02 04:30") == ["11-02 04", "11-01 04", "11-01 04"], "this day has 25 hours"
    assert at("2026-11-02 05:30") == ["11-02 05", "11-02 05", "11-01 04"]
    assert at("2026-03-08 07:30") == ["03-08 07", "03-08 05", "03-01 05"], "two o'clock never was"
    assert at("2026-03-09 04:30") == ["03-09 04", "03-09 04", "03-01 05"]


def test_the_packed_windows_are_those_of_now() -> None:
    evaluation = Evaluation(a_plan([a_buyer(1, caps=Caps(hourly=1))]))
    for text in ("2026-03-03 17:59:59.999", "2026-03-03 18:00", "2026-03-03 17:59"):
        candidates = evaluation.candidates({}, PING, now_ms=ms(text), publisher=PUBLISHER)
        assert records_of(candidates)[0][0] == caps_of(evaluation.plan, 1, group_id=0, now_ms=ms(text))


def test_caps_are_written_for_the_script() -> None:
    buyer = a_buyer(12, caps=Caps(concurrency=0, daily=5), time_zone="America/Los_Angeles")
    group = a_group(3, 12, caps=Caps(hard=7, monthly=9, hourly=2))
    plan = a_plan([buyer, a_buyer(13)], groups=[group, a_group(4, 12)])
    hour, west, east = (ms(at) // 1000 for at in ("2026-03-03 17:00", "2026-03-03 08:00", "2026-03-03 05:00"))
    own = ("b12", 0, -1, -1, 5, -1, hour, west, ms("2026-03-01 08:00") // 1000)
    of_group = ("g3", -1, 7, 2, -1, 9, hour, east, ms("2026-03-01 05:00") // 1000)
    assert caps_of(plan, 12, group_id=0, now_ms=NOON) == own
    assert caps_of(plan, 12, group_id=3, now_ms=NOON) == own + of_group
    assert caps_of(plan, 12, group_id=4, now_ms=NOON) == own
    assert caps_of(plan, 13, group_id=0, now_ms=NOON) == ()
    assert caps_of(plan, 13, group_id=3, now_ms=NOON) == of_group


def test_a_place_is_wanted_of_subjects_without_limits_too() -> None:
    plan = a_plan([a_buyer(12)], groups=[a_group(3, 12, caps=Caps(hard=7))])
    assert [each.subject for each in subjects_of(plan, 12, group_id=0, now_ms=NOON)] == ["b12"]
    of_buyer, of_group = subjects_of(plan, 12, group_id=3, now_ms=NOON)
    assert (of_buyer.subject, of_buyer.caps, of_group.subject, of_group.caps) == (
        "b12",
        Caps(),
        "g3",
        Caps(hard=7),
    )
    assert of_group.windows.day_at == ms("2026-03-03 05:00") // 1000


def test_a_winners_caps_are_those_of_its_way() -> None:
    plan = a_plan([a_buyer(12, caps=Caps(daily=5))], groups=[a_group(3, 12, caps=Caps(hard=7))])
    evaluation = Evaluation(plan)
    for group_id in (0, 3):
        winner = Winner(buyer_id=12, group_id=group_id)
        assert evaluation.caps_now(winner, NOON) == caps_of(plan, 12, group_id=group_id, now_ms=NOON)
    assert evaluation.caps_now(Winner(buyer_id=12, group_id=4), NOON) is None
    assert evaluation.caps_now(Winner(buyer_id=13), NOON) is None


def test_a_group_of_another_zone_has_its_companys_windows() -> None:
    group = a_group(3, 12, caps=Caps(daily=1))
    plan = a_plan([a_buyer(12)], groups=[group], company=a_company(time_zone="Asia/Tokyo"))
    days = ms("2026-03-03 15:00") // 1000, ms("2026-02-28 15:00") // 1000
    assert caps_of(plan, 12, group_id=3, now_ms=NOON)[-2:] == days


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 34, 64, 100])
def test_others_go_on_where_the_best_stopped(count: int) -> None:
    _insist_on_continuation(
        a_plan([a_buyer(i, weight=1 + i % 4, priority=i % 3) for i in range(1, count + 1)]), PING
    )


@given(st.integers(1, 100), st.integers(0, 60), st.integers(0, 60), st.uuids().map(str), st.booleans())
def test_others_go_on_whatever_the_plan(count: int, first: int, second: int, uuid: str, by_bid: bool) -> None:
    some = [a_buyer(i, priority=i % 2, bid_revenue=Decimal(i % 5)) for i in range(1, count + 1)]
    groups = [
        a_group(901, *range(1, min(first, count) + 1)),
        a_group(902, *range(1, min(second, count) + 1), weight=3),
    ]
    _insist_on_continuation(a_plan(some, groups=groups, by_bid=by_bid), uuid)


def _insist_on_continuation(plan: Plan, uuid: str) -> None:
    evaluation = Evaluation(plan)
    best = evaluation.candidates({}, uuid, now_ms=NOON, publisher=PUBLISHER)
    others = evaluation.others({}, uuid, now_ms=NOON)
    revenues = (
        {seat.place: seat.buyer.bid_revenue for seat in evaluation.compiled.seats} if plan.by_bid else None
    )
    ties = ties_of(evaluation.compiled.choices, evaluation.compiled.everyone, revenues=revenues)
    assert best.seats + others.seats == order(ties, draws_of(draw_of(uuid), NOON), limit=10_000)
    assert best.more == bool(others.seats)
    assert len(best.seats) == min(BEST, len(evaluation.compiled.seats))
    assert not others.more
    for part in (best, others):
        winners = [decode_winner(winner.encode()) for _, _, winner in records_of(part)]
        assert winners == [part.winners[place] for place in part.seats]
    rows = read_trace(others.trace, "")
    assert [row.buyer_id for row in rows] == buyers_of(plan, best) + buyers_of(plan, others)


def test_the_same_ping_is_judged_the_same_again() -> None:
    plan = a_plan([a_buyer(i) for i in range(1, 60)], routes=[Route(buyer_id=i) for i in range(1, 60)])
    first, again = judged(plan), judged(plan)
    assert (first.packed, first.trace) == (again.packed, again.trace)
    assert judged(plan, uuid=PING.replace("8", "9")).packed != first.packed


def test_a_minute_has_many_orders_and_the_next_minute_others() -> None:
    evaluation = Evaluation(a_plan([a_buyer(i) for i in range(1, 9)]))
    seen = [
        {
            tuple(evaluation.candidates({}, f"{PING[:-3]}{draw:03x}", now_ms=at, publisher=PUBLISHER).seats)
            for draw in range(DRAWS)
        }
        for at in (NOON, NOON + 60_000)
    ]
    assert min(map(len, seen)) > DRAWS * 0.9
    assert len(seen[0] & seen[1]) < DRAWS * 0.1


def test_over_the_minutes_buyers_get_what_they_weigh() -> None:
    evaluation = Evaluation(a_plan([a_buyer(1, weight=3), a_buyer(2, weight=1)]))
    firsts = [
        evaluation.candidates(
            {}, f"{PING[:-3]}{n % 16:03x}", now_ms=NOON + n * 7_919, publisher=PUBLISHER
        ).seats[0]
        for n in range(20_000)
    ]
    assert 0.73 < firsts.count(0) / len(firsts) < 0.77


def test_a_trace_leaves_nobody_out() -> None:
    best = judged(a_plan([a_buyer(i) for i in range(1, 101)]))
    rows = read_trace(best.trace, "c" * 31 + "k")
    assert len({row.buyer_id for row in rows}) == len(rows) == 100
    assert [row.buyer_id for row in rows[:32]] == [best.winners[place].buyer_id for place in best.seats]


def test_more_kinds_of_pings_than_are_remembered_are_judged_alike() -> None:
    """A thousand buyers and many sets of passing rules: memory stays bounded."""
    some = [a_buyer(i, rules=rules(f"age > {i}")) for i in range(1, 1_001)]
    evaluation = Evaluation(a_plan(some))
    for age in (*range(400), 3):
        candidates = evaluation.candidates({"age": str(age)}, PING, now_ms=NOON, publisher=PUBLISHER)
        assert candidates.dropped[Reason.BUYERS_FILTERED] == 1_000 - max(0, age - 1)
    assert evaluation.remembered <= 200
