"""Who is asked first."""

import uuid as uuids
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.draws import Draws
from shared.domain.plan import Buyer, Group, Plan, Route
from shared.domain.routing.ranking import order, ties_of
from shared.domain.routing.seats import Seats, compile_seats
from tests.support.plans import a_buyer, a_group, a_plan

EVERYONE = 1 << 10_000
_dice = Random(5)
PINGS = [str(uuids.UUID(int=_dice.getrandbits(128))) for _ in range(4_000)]


def ranked(plan: Plan, uuid: str = PINGS[0], limit: int = 10_000, eligible: int = EVERYONE - 1) -> list[int]:
    """Buyers' ids in order."""
    compiled = compile_seats(plan)
    places = order(
        ties_of(compiled.choices, eligible, revenues=revenues_of(plan, compiled)), Draws(uuid), limit=limit
    )
    return [compiled.seats[place].buyer.id for place in places]


def revenues_of(plan: Plan, compiled: Seats) -> Mapping[int, Decimal | None] | None:
    if not plan.by_bid:
        return None
    return {seat.place: seat.buyer.bid_revenue for seat in compiled.seats}


def bidding(buyer_id: int, bid: str | None, **changes: int) -> Buyer:
    return a_buyer(buyer_id, bid_revenue=None if bid is None else Decimal(bid), **changes)


def surprise(observed: Counter[int], weights: Mapping[int, int]) -> float:
    """Pearson's chi-square of draws by weight."""
    draws, total = sum(observed.values()), sum(weights.values())
    expected = {one: draws * weight / total for one, weight in weights.items()}
    return sum((observed[one] - expected[one]) ** 2 / expected[one] for one in weights)


def test_the_lowest_priority_comes_first() -> None:
    plan = a_plan([a_buyer(1, priority=2), a_buyer(2, priority=-5), a_buyer(3, priority=0)])
    assert all(ranked(plan, uuid) == [2, 3, 1] for uuid in PINGS[:20])


def test_inside_a_priority_the_first_is_drawn_by_weight() -> None:
    weights = {1: 1, 2: 2, 3: 7}
    plan = a_plan([a_buyer(one, weight=weight) for one, weight in weights.items()])
    firsts = Counter(ranked(plan, uuid)[0] for uuid in PINGS)
    assert surprise(firsts, weights) < 20


def test_the_second_is_drawn_by_weight_among_those_left() -> None:
    plan = a_plan([a_buyer(1, weight=1), a_buyer(2, weight=3), a_buyer(3, weight=6)])
    orders = [ranked(plan, uuid) for uuid in PINGS]
    seconds = Counter(places[1] for places in orders if places[0] == 3)
    assert surprise(seconds, {1: 1, 2: 3}) < 20


def test_equal_weights_give_every_order_its_chance() -> None:
    plan = a_plan([a_buyer(one) for one in (1, 2, 3)])
    orders = Counter(hash(tuple(ranked(plan, uuid))) for uuid in PINGS)
    assert len(orders) == 6
    assert surprise(orders, dict.fromkeys(orders, 1)) < 30


def test_heavy_weights_are_drawn_right() -> None:
    plan = a_plan([a_buyer(1, weight=1), a_buyer(2, weight=2**31 - 1)])
    assert {ranked(plan, uuid)[0] for uuid in PINGS[:500]} == {2}


def test_many_are_drawn_by_weight_too() -> None:
    weights = {1: 60, 2: 30} | dict.fromkeys(range(3, 93), 1)
    plan = a_plan([a_buyer(one, weight=weight) for one, weight in weights.items()])
    orders = [ranked(plan, uuid, limit=33) for uuid in PINGS[:2_000]]
    firsts = Counter(min(places[0], 3) for places in orders)
    assert surprise(firsts, {1: 60, 2: 30, 3: 90}) < 20
    seconds = Counter(min(places[1], 3) for places in orders if places[0] == 1)
    assert surprise(seconds, {2: 30, 3: 90}) < 20
    lasts = Counter(min(ranked(plan, uuid)[-1], 3) for uuid in PINGS[:500])
    assert lasts[1] + lasts[2] <= 2


def test_many_come_all_though_one_is_drawn_nearly_always() -> None:
    plan = a_plan([a_buyer(1, weight=2**31 - 1), *(a_buyer(one) for one in range(2, 101))])
    for uuid in PINGS[:50]:
        places = ranked(plan, uuid)
        assert places[0] == 1
        assert sorted(places) == list(range(1, 101))
        assert ranked(plan, uuid, limit=33)[:33] == places[:33]


def test_a_bid_outranks_weight_but_not_priority() -> None:
    plan = a_plan(
        [bidding(1, "10", weight=99), bidding(2, "30"), bidding(3, "50", priority=2), bidding(4, None)],
        by_bid=True,
    )
    assert all(ranked(plan, uuid) == [2, 1, 4, 3] for uuid in PINGS[:20])


def test_equal_bids_are_drawn_by_weight() -> None:
    weights = {1: 1, 2: 4}
    plan = a_plan([bidding(1, "30.00"), bidding(2, "30", weight=4), bidding(3, "20")], by_bid=True)
    orders = [ranked(plan, uuid) for uuid in PINGS]
    assert all(places[2] == 3 for places in orders)
    assert surprise(Counter(places[0] for places in orders), weights) < 20


def test_a_group_is_one_choice_and_its_members_follow_each_other() -> None:
    plan = a_plan(
        [a_buyer(1), a_buyer(2, priority=9), a_buyer(3), a_buyer(4, priority=5)],
        groups=[a_group(7, 2, 4, weight=3)],
        routes=[Route(buyer_id=1), Route(group_id=7), Route(buyer_id=3)],
    )
    orders = [ranked(plan, uuid) for uuid in PINGS]
    assert all(places.index(2) == places.index(4) + 1 for places in orders)
    firsts = Counter(places[0] for places in orders)
    assert surprise(firsts, {1: 1, 4: 3, 3: 1}) < 20


def test_the_best_member_that_may_take_the_caller_stands_for_its_group() -> None:
    plan = a_plan([a_buyer(1), a_buyer(2, priority=2)], groups=[a_group(7, 1, 2)], routes=[Route(group_id=7)])
    assert ranked(plan) == [1, 2]
    assert ranked(plan, eligible=0b10) == [2]
    assert ranked(plan, eligible=0) == []


def test_a_group_bids_what_its_best_member_bids() -> None:
    buyers = [bidding(1, "30"), bidding(2, "10"), bidding(3, "50", priority=2)]
    plan = a_plan(
        buyers, groups=[a_group(7, 2, 3)], routes=[Route(buyer_id=1), Route(group_id=7)], by_bid=True
    )
    assert all(ranked(plan, uuid) == [1, 2, 3] for uuid in PINGS[:20]), "2 would get the caller, for 10"
    assert ranked(plan, eligible=0b101) == [3, 1], "now 3 would, for 50"


def test_a_groups_equal_members_are_drawn_by_their_own_weight() -> None:
    plan = a_plan(
        [a_buyer(1), a_buyer(2, weight=4)], groups=[a_group(7, 1, 2)], routes=[Route(group_id=7, weight=50)]
    )
    assert surprise(Counter(ranked(plan, uuid)[0] for uuid in PINGS), {1: 1, 2: 4}) < 20


buyers = st.builds(
    lambda priority, weight, bid: (priority, weight, bid),
    st.integers(-2, 2),
    st.integers(1, 5),
    st.sampled_from([None, "10", "20.5", "20.50"]),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    drawn = draw(st.lists(buyers, min_size=1, max_size=60))
    some = [bidding(i, bid, priority=p, weight=w) for i, (p, w, bid) in enumerate(drawn, 1)]
    members = st.lists(st.integers(1, len(some)), unique=True, max_size=50)
    groups = [
        a_group(900 + i, *draw(members), priority=draw(st.integers(-2, 2)))
        for i in range(draw(st.integers(0, 3)))
    ]
    return a_plan(some, groups=groups, by_bid=draw(st.booleans()))


def _keys(plan: Plan, places: Sequence[int]) -> list[tuple[int, Decimal]]:
    """Priority and bid of each direct seat, as the order must not go back on them."""
    compiled = compile_seats(plan)
    bid = {
        seat.place: (seat.buyer.bid_revenue or Decimal(0)) if plan.by_bid else Decimal(0)
        for seat in compiled.seats
    }
    seats = [compiled.seats[place] for place in places if compiled.seats[place].group is None]
    return [(seat.buyer.priority, -bid[seat.place]) for seat in seats]


@given(plans(), st.uuids().map(str), st.integers(0), st.integers(1, 80))
def test_whatever_the_plan(plan: Plan, uuid: str, eligible: int, limit: int) -> None:
    compiled = compile_seats(plan)
    ties = ties_of(compiled.choices, eligible, revenues=revenues_of(plan, compiled))
    places = order(ties, Draws(uuid), limit=10_000)
    assert sorted(places) == [seat.place for seat in compiled.seats if eligible >> seat.place & 1]
    assert _keys(plan, places) == sorted(_keys(plan, places))
    some = order(ties, Draws(uuid), limit=limit)
    assert some[:limit] == places[:limit], "the first ones are the same whatever the limit"
    assert len(some) >= min(limit, len(places))
    _insist_on_groups_together(compiled.seats, places, plan.groups)


def _insist_on_groups_together(
    seats: Sequence[object], places: list[int], groups: Mapping[int, Group]
) -> None:
    whose = [getattr(seats[place], "group", None) for place in places]
    for group in groups.values():
        at = [i for i, one in enumerate(whose) if one is group]
        assert not at or at[-1] - at[0] == len(at) - 1
