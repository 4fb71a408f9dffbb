"""A plan's candidates, flattened."""

import pytest

from shared.domain.plan import Buyer, Criterion, ListIds, Plan, Route
from shared.domain.routing.seats import compile_seats, write_lists
from tests.support.plans import a_buyer, a_company, a_group, a_plan, rules


def test_a_buyer_sits_once_for_each_way_to_it() -> None:
    plan = a_plan([a_buyer(1), a_buyer(2)], groups=[a_group(5, 2, 1), a_group(6, 2)])
    compiled = compile_seats(plan)
    ways = [(seat.place, seat.buyer.id, seat.group and seat.group.id) for seat in compiled.seats]
    assert ways == [(0, 1, None), (1, 2, None), (2, 2, 5), (3, 1, 5), (4, 2, 6)]
    assert [(choice.mask, choice.is_group) for choice in compiled.choices] == [
        (0b1, False),
        (0b10, False),
        (0b1100, True),
        (0b10000, True),
    ]


def test_a_route_overrides_what_its_buyer_or_group_asks() -> None:
    plan = a_plan(
        [a_buyer(1, priority=4, weight=5), a_buyer(2)],
        groups=[a_group(5, 2, priority=-3, weight=9)],
        routes=[
            Route(buyer_id=1),
            Route(buyer_id=1, priority=0, weight=2),
            Route(group_id=5),
            Route(group_id=5, priority=8),
            Route(group_id=5, weight=1),
        ],
    )
    choices = compile_seats(plan).choices
    assert [(one.priority, one.weight) for one in choices] == [(4, 5), (0, 2), (-3, 9), (8, 9), (-3, 1)]


def test_a_group_without_members_is_no_seat() -> None:
    compiled = compile_seats(a_plan(groups=[a_group(5)]))
    assert compiled.seats == ()
    assert compiled.choices[0].mask == 0


@pytest.mark.parametrize(
    ("buyer", "group", "paused"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
)
def test_who_is_paused_or_in_a_paused_group_takes_nobody(buyer: bool, group: bool, paused: bool) -> None:
    plan = a_plan([a_buyer(1, paused=buyer)], groups=[a_group(5, 1, paused=group)])
    compiled = compile_seats(plan)
    assert compiled.paused_mask == buyer * 0b1 + paused * 0b10


@pytest.mark.parametrize(
    ("rule", "direct", "member"),
    [
        ("system_buyer_id == 1", True, True),
        ("system_target_id == 2", False, False),
        ("buyer_id == T1", True, True),
        ("target_id != t1", False, False),
        ("system_buyer_group_id == 5", False, True),
        ("system_buyer_group_id missing", True, False),
        ("system_buyer_group_id != 5", True, False),
    ],
)
def test_rules_on_the_candidate_itself_are_judged_when_compiled(
    rule: str, direct: bool, member: bool
) -> None:
    buyer = a_buyer(1, rules=rules(rule, "caller_state == ny"))
    compiled = compile_seats(a_plan([buyer], groups=[a_group(5, 1)]))
    assert [not seat.impossible for seat in compiled.seats] == [direct, member]
    assert compiled.impossible_mask == (not direct) * 0b1 + (not member) * 0b10
    assert all(seat.rules == rules("caller_state == ny") for seat in compiled.seats)


def _criterion(criterion_id: int, *texts: str) -> Criterion:
    return Criterion(id=criterion_id, pays_publisher=True, bills_buyer=True, timer=False, rules=rules(*texts))


def test_criteria_are_split_in_the_buyers_side_and_the_pings() -> None:
    plan = a_plan(
        [a_buyer(1), a_buyer(2)],
        criteria=(
            _criterion(1, "system_buyer_id in 2,3", "age > 60"),
            _criterion(2, "system_buyer_id != 2"),
            _criterion(3),
        ),
    )
    compiled = compile_seats(plan)
    assert [seat.criteria for seat in compiled.seats] == [(1, 2), (0, 2)]
    assert compiled.parted(compiled.rules.passing({"age": "61"})).criteria == 0b111
    assert compiled.parted(compiled.rules.passing({"age": "60"})).criteria == 0b110


@pytest.mark.parametrize(
    ("lists", "text"),
    [
        (ListIds(), ""),
        (ListIds(deny=(1, 2)), "S1,2"),
        (ListIds(admit=(3,)), "A3"),
        (ListIds(deny=(1, 2), admit=(3, 4)), "S1,2 A3,4"),
    ],
)
def test_lists_are_written_for_the_script(lists: ListIds, text: str) -> None:
    assert write_lists(lists) == text


def _with_lists(company: ListIds, campaign: ListIds, buyer: ListIds) -> tuple[Plan, Buyer]:
    one = a_buyer(1, lists=buyer)
    return a_plan([one], company=a_company(lists=company), lists=campaign), one


def test_each_level_of_lists_is_asked_by_itself() -> None:
    plan, _ = _with_lists(ListIds(deny=(1,), admit=(2,)), ListIds(admit=(3,)), ListIds(deny=(4,)))
    compiled = compile_seats(plan)
    assert compiled.ping_lists == "S1 A2 A3"
    assert compiled.seats[0].lists_text == "S4"
    assert compiled.has_lists


def test_without_any_list_the_caller_is_not_looked_up() -> None:
    plan, _ = _with_lists(ListIds(), ListIds(), ListIds())
    assert not compile_seats(plan).has_lists
    plan, _ = _with_lists(ListIds(), ListIds(), ListIds(admit=(4,)))
    assert compile_seats(plan).has_lists
