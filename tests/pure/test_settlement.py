"""What a call earns: the first matching group of each side, timers, postbacks, modifiers, duplicates, defaults."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.calls import Call
from shared.domain.plan import ConversionEntry, Criterion, Plan
from shared.domain.reasons import Reason
from shared.domain.settlement import (
    Earned,
    Nearest,
    Sides,
    dedupe_s,
    earned,
    post_refusal,
    sides_of,
    value_without_post,
)
from tests.support.plans import a_plan, rules

END = 1_790_000_600_000
CALL = Call(
    uuid="c",
    company_id=1,
    started_ms=END - 600_000,
    provider="generic/1",
    provider_call_id="x",
    campaign_id=1,
    answered_ms=END - 500_000,
    ended_ms=END,
    closed_ms=END,
    connected_s=120,
)
POSTED = replace(CALL, posted=Decimal(100), posted_ms=END, revision=1)


def entry(**fields: Any) -> ConversionEntry:
    for name in {"revenue", "payout"} & set(fields):
        fields[name] = Decimal(fields[name])
    return ConversionEntry(**fields)


def group(*entries: ConversionEntry, side: str = "both", kind: str = "postback", **fields: Any) -> Criterion:
    made = Criterion(
        id=1,
        pays_publisher=side != "receivable",
        bills_buyer=side != "payable",
        timer=kind == "timer",
        entries=entries,
    )
    return replace(made, **fields)


def timer(*entries: ConversionEntry, **fields: Any) -> Criterion:
    return group(*entries, kind="timer", **fields)


def judged(plan: Plan, call: Call, nearest: Nearest = Nearest(), **tags: str) -> Earned:  # noqa: B008 - frozen
    return earned(plan, call, sides=sides_of(plan, tags), nearest=nearest)


def figures(*criteria: Criterion, call: Call = CALL, **plan: Any) -> tuple[Any, Any]:
    """(revenue, payout)."""
    found = judged(a_plan(criteria=criteria, **plan), call)
    return found.revenue, found.payout


# which group judges


def test_each_side_is_judged_by_its_own_first_group_that_matches() -> None:
    gold = group(side="receivable", rules=rules("plan == gold"))
    long, rest = timer(entry(seconds=60), side="payable"), timer(entry(seconds=0))
    plan = a_plan(criteria=(gold, long, rest))
    assert sides_of(plan, {"plan": "gold"}) == Sides(paying=long, billing=gold)
    assert sides_of(plan, {"plan": "tin"}) == Sides(paying=long, billing=rest)


def test_the_first_group_that_matches_is_used_though_its_condition_is_not_met() -> None:
    long, short = timer(entry(seconds=900, payout="9")), timer(entry(seconds=1, payout="1"))
    assert figures(long, short) == (0, 0)


def test_no_group_matches() -> None:
    plan = a_plan(criteria=(group(rules=rules("plan == gold")),), default_payout=Decimal(5))
    assert sides_of(plan, {}) == Sides(paying=None, billing=None)
    assert judged(plan, POSTED) == Earned(
        payable=False, receivable=False, duplicate=False, revenue=Decimal(0), payout=Decimal(0)
    )


def test_sides_are_judged_apart() -> None:
    payable = timer(entry(seconds=60, payout="7"), side="payable")
    receivable = group(entry(revenue="30"), side="receivable")
    assert figures(payable, receivable) == (0, 7)
    assert figures(payable, receivable, call=POSTED) == (100, 7)
    short = replace(POSTED, connected_s=59)
    assert figures(payable, receivable, call=short) == (100, 0)


# timers


@pytest.mark.parametrize(("talked_s", "payout"), [(29, 0), (30, 3), (89, 3), (90, 9), (5000, 9)])
def test_a_timer_pays_the_highest_entry_reached(talked_s: int, payout: int) -> None:
    entries = (entry(seconds=90, payout="9"), entry(seconds=30, payout="3"))
    assert figures(timer(*entries), call=replace(CALL, connected_s=talked_s)) == (0, payout)


@pytest.mark.parametrize(
    "facts",
    [{"closed_ms": 0}, {"answered_ms": 0}, {"connected_s": None}],
    ids=lambda facts: next(iter(facts)),
)
def test_a_timer_waits_for_a_closed_answered_call(facts: dict[str, Any]) -> None:
    assert figures(timer(entry(seconds=0, payout="3")), call=replace(CALL, **facts)) == (0, 0)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.integers(0, 200))
def test_a_timer_is_its_plain_definition(seconds: list[int], talked_s: int) -> None:
    entries = [entry(seconds=each, payout=str(each + 1)) for each in seconds]
    reached = [each for each in seconds if each <= talked_s]
    wanted = max(reached) + 1 if reached else 0
    assert figures(timer(*entries), call=replace(CALL, connected_s=talked_s)) == (0, wanted)


def test_a_campaign_without_criteria_is_one_timer_of_its_defaults() -> None:
    defaults: dict[str, Any] = {
        "seconds": 90,
        "default_payout": Decimal("12.5"),
        "default_revenue": Decimal(20),
    }
    assert figures(**defaults) == (20, Decimal("12.5"))
    assert figures(**defaults, call=replace(CALL, connected_s=89)) == (0, 0)
    assert figures(**{**defaults, "seconds": None}, call=replace(CALL, connected_s=0)) == (
        20,
        Decimal("12.5"),
    )


# postbacks


def test_a_postback_converts_when_its_value_comes() -> None:
    assert figures(group(entry(payout="4"))) == (0, 0)
    assert figures(group(entry(payout="4")), call=POSTED) == (100, 4)


@pytest.mark.parametrize(("after_ms", "money"), [(-9, 100), (0, 100), (60_000, 100), (60_001, 0)])
def test_a_postback_has_its_timeout_after_the_end(after_ms: int, money: int) -> None:
    call = replace(POSTED, posted_ms=END + after_ms)
    assert figures(group(entry(postback_timeout_seconds=60)), call=call)[0] == money


def test_the_moment_of_the_first_value_is_what_counts_and_before_the_end_there_is_always_time() -> None:
    plan = a_plan(criteria=(group(entry(postback_timeout_seconds=60)),))
    sides = sides_of(plan, {})
    live = replace(CALL, ended_ms=0, closed_ms=0)
    late_ms = END + 86_400_000
    assert post_refusal(plan, live, sides=sides, now_ms=late_ms) is None
    assert post_refusal(plan, CALL, sides=sides, now_ms=late_ms) is Reason.TOO_LATE


def test_what_a_post_is_refused_for() -> None:
    def refusal(*criteria: Criterion, late_s: int = 0, **tags: str) -> Reason | None:
        plan = a_plan(criteria=criteria)
        return post_refusal(plan, CALL, sides=sides_of(plan, tags), now_ms=END + late_s * 1000)

    sale, on_time = group(entry(postback_timeout_seconds=60)), group(entry(), side="payable")
    assert refusal() is Reason.NO_CRITERIA
    assert refusal(timer(entry(seconds=1)), sale) is Reason.CRITERIA_MISMATCH
    assert refusal(replace(sale, rules=rules("plan == gold"))) is Reason.CRITERIA_MISMATCH
    assert refusal(replace(sale, rules=rules("plan == gold")), plan="gold") is None
    assert refusal(sale, late_s=60) is None
    assert refusal(sale, late_s=61) is Reason.TOO_LATE
    assert refusal(on_time, sale, late_s=61) is None
    assert refusal(timer(entry(seconds=1), side="payable"), sale) is None


def test_what_a_post_without_a_value_is_worth() -> None:
    def worth(*criteria: Criterion, bid: Decimal | None = None) -> Decimal | None:
        return value_without_post(replace(CALL, bid=bid), sides_of(a_plan(criteria=criteria), {}))

    fixed = group(entry(revenue="30"))
    assert worth(fixed) == 30
    assert worth(fixed, bid=Decimal(17)) == 17
    assert worth(group(entry(payout="3")), bid=Decimal(17)) is None
    assert worth(timer(entry(seconds=1, revenue="30"))) is None
    assert worth(replace(fixed, bills_buyer=False)) is None


# money


def test_the_order_of_revenues() -> None:
    sale, defaults = group(entry(revenue="30")), {"default_revenue": Decimal(40)}
    without = replace(POSTED, posted=None)
    assert figures(sale, **defaults, call=replace(POSTED, bid=Decimal(17)))[0] == 100
    assert figures(sale, **defaults, call=replace(without, bid=Decimal(17)))[0] == 17
    assert figures(sale, **defaults, call=without)[0] == 30
    assert figures(group(), **defaults, call=without)[0] == 40
    assert figures(group(), call=without)[0] == 0


def test_the_order_of_payouts() -> None:
    call = replace(POSTED, promised_payout=Decimal(6))
    modified, fixed = entry(payout="4", payout_modifier="*0.8"), entry(payout="4")
    defaults = {"default_payout": Decimal(5)}
    assert figures(group(modified), **defaults, call=call)[1] == 80
    assert figures(group(modified), **defaults, call=replace(call, posted=None))[1] == 4
    assert figures(group(fixed), **defaults, call=call)[1] == 4
    assert figures(group(), **defaults, call=call)[1] == 6
    assert figures(group(), **defaults, call=POSTED)[1] == 5
    assert figures(group(), call=POSTED)[1] == 0


@pytest.mark.parametrize(
    ("modifier", "payout"),
    [("*0.8", "80"), ("+5", "105"), ("-2", "98"), ("-200", "0"), ("12.50", "12.5"), ("*0.33333", None)],
)
def test_modifiers_of_the_posted_value(modifier: str, payout: str | None) -> None:
    if payout is None:
        with pytest.raises(ValueError, match="4 decimals"):
            figures(group(entry(payout_modifier=modifier)), call=POSTED)
    else:
        assert figures(group(entry(payout_modifier=modifier)), call=POSTED)[1] == Decimal(payout)


def test_a_payout_whatever_was_posted_needs_no_posted_value() -> None:
    call = replace(POSTED, posted=None)
    assert figures(group(entry(payout_modifier="12.50", payout="4")), call=call)[1] == Decimal("12.5")


@given(st.decimals(0, 1_000_000, places=4), st.sampled_from(["*0.8", "*1.15", "+5.25", "-2", "12.50"]))
def test_money_has_four_decimals_and_is_never_below_zero(value: Decimal, modifier: str) -> None:
    revenue, payout = figures(group(entry(payout_modifier=modifier)), call=replace(POSTED, posted=value))
    assert revenue == value
    assert payout >= 0
    assert payout == payout.quantize(Decimal("0.0001"))


# duplicates


def test_a_duplicate_does_not_convert_and_sides_are_duplicates_apart() -> None:
    paying = group(entry(payout="4"), side="payable", dedupe_seconds=60)
    billing = group(side="receivable", dedupe_seconds=600)
    plan = a_plan(criteria=(paying, billing))
    assert dedupe_s(plan, sides_of(plan, {})) == 600
    found = judged(plan, POSTED, Nearest(paid_s=100, billed_s=100))
    assert (found.payable, found.receivable, found.duplicate) == (True, False, True)
    assert [found.revenue, found.payout] == [Decimal(0), Decimal(4)]
    assert not judged(plan, POSTED, Nearest(paid_s=60, billed_s=600)).duplicate


def test_a_side_that_has_converted_stays_no_duplicate() -> None:
    plan = a_plan(criteria=(group(dedupe_seconds=60),))
    call = replace(POSTED, payable=True, receivable=True)
    assert judged(plan, call, Nearest(paid_s=1, billed_s=1)).receivable


def test_the_campaign_s_window_is_used_where_the_group_has_none() -> None:
    plan = a_plan(criteria=(group(),), dedupe_seconds=30)
    assert dedupe_s(plan, sides_of(plan, {})) == 30
    assert judged(plan, POSTED, Nearest(billed_s=29)).duplicate
    assert not judged(plan, POSTED, Nearest(billed_s=30)).duplicate
    assert dedupe_s(a_plan(criteria=(group(),)), sides_of(plan, {})) == 0
    assert dedupe_s(plan, Sides(paying=None, billing=None)) == 0


def test_a_group_s_own_window_is_used_instead_of_the_campaign_s() -> None:
    near = Nearest(paid_s=100, billed_s=100)
    shorter = a_plan(criteria=(group(dedupe_seconds=60),), dedupe_seconds=600)
    assert dedupe_s(shorter, sides_of(shorter, {})) == 60
    assert not judged(shorter, POSTED, near).duplicate
    longer = a_plan(criteria=(group(dedupe_seconds=600),), dedupe_seconds=60)
    assert judged(longer, POSTED, near).duplicate


def test_defaults_have_the_campaign_s_window_too() -> None:
    plan = a_plan(default_payout=Decimal(5), dedupe_seconds=60)
    assert dedupe_s(plan, sides_of(plan, {})) == 60
    assert figures(default_payout=Decimal(5), dedupe_seconds=60) == (0, 5)
    assert judged(plan, CALL, Nearest(paid_s=59, billed_s=59)).payout == 0


@given(st.none() | st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_a_call_is_a_duplicate_when_another_is_nearer_than_its_window(
    near_s: int | None, own_s: int, campaign_s: int, has_converted: bool
) -> None:
    plan = a_plan(criteria=(group(entry(payout="4"), dedupe_seconds=own_s),), dedupe_seconds=campaign_s)
    call = replace(POSTED, payable=has_converted, receivable=has_converted)
    found = judged(plan, call, Nearest(paid_s=near_s, billed_s=near_s))
    is_near = near_s is not None and near_s < (own_s or campaign_s)
    assert found.duplicate == (is_near and not has_converted)
    assert (found.payable, found.receivable) == (not found.duplicate, not found.duplicate)
    assert [found.revenue, found.payout] == [
        Decimal(each) for each in ((0, 0) if found.duplicate else (100, 4))
    ]


def test_a_side_that_no_group_judges_is_no_duplicate() -> None:
    plan = a_plan(criteria=(group(side="receivable"),), dedupe_seconds=60)
    found = judged(plan, POSTED, Nearest(paid_s=0))
    assert (found.duplicate, found.receivable, found.payable) == (False, True, False)


def test_one_that_lost_its_conversion_may_be_a_duplicate_when_it_converts_again() -> None:
    plan = a_plan(criteria=(timer(entry(seconds=90, payout="4")),), dedupe_seconds=60)
    near = Nearest(paid_s=5, billed_s=5)
    paid = replace(CALL, payable=True, receivable=True)
    assert judged(plan, paid, near).payout == 4
    assert not judged(plan, replace(paid, connected_s=3), near).payable
    assert judged(plan, CALL, near).duplicate


# figures, whatever comes together

_amounts = st.none() | st.sampled_from([Decimal(0), Decimal("0.0001"), Decimal("12.5"), Decimal(1_000_000)])


def _first(*amounts: Decimal | None) -> Decimal:
    return next((amount for amount in amounts if amount is not None), Decimal(0))


@given(_amounts, _amounts, _amounts, _amounts)
def test_revenue_is_the_first_that_is_known_also_when_that_is_nothing(
    posted: Decimal | None, bid: Decimal | None, fixed: Decimal | None, default: Decimal | None
) -> None:
    call = replace(POSTED, posted=posted, bid=bid)
    sale = group(ConversionEntry(revenue=fixed))
    assert figures(sale, call=call, default_revenue=default)[0] == _first(posted, bid, fixed, default)


@given(_amounts, _amounts, _amounts, _amounts, st.sampled_from([None, "*0.5", "+5", "-2", "12.50"]))
def test_payout_is_the_first_that_is_known_also_when_that_is_nothing(
    posted: Decimal | None,
    fixed: Decimal | None,
    promised: Decimal | None,
    default: Decimal | None,
    modifier: str | None,
) -> None:
    plain = Decimal("12.5") if modifier == "12.50" else None
    modified = plain
    if posted is not None and modifier is not None and plain is None:
        by = {"*0.5": posted / 2, "+5": posted + 5, "-2": max(posted - 2, Decimal(0))}
        modified = by[modifier].quantize(Decimal("0.0001"), "ROUND_HALF_UP")
    call = replace(POSTED, posted=posted, promised_payout=promised)
    sale = group(ConversionEntry(payout=fixed, payout_modifier=modifier))
    wanted = _first(modified, fixed, promised, default)
    assert figures(sale, call=call, default_payout=default)[1] == wanted


def test_a_timer_s_modifier_is_of_the_value_that_was_posted_to_the_other_side() -> None:
    share = timer(entry(seconds=60, payout="7", payout_modifier="*0.8"), side="payable")
    sale = group(side="receivable")
    assert figures(share, sale) == (0, 7)
    assert figures(share, sale, call=POSTED) == (100, 80)


def test_of_several_entries_of_a_postback_the_first_counts() -> None:
    assert figures(group(entry(payout="4"), entry(payout="9")), call=POSTED)[1] == 4


def test_a_postback_needs_no_answer_and_no_closed_call() -> None:
    live = replace(POSTED, answered_ms=0, closed_ms=0, ended_ms=0, connected_s=None)
    assert figures(group(entry(payout="4", postback_timeout_seconds=1)), call=live) == (100, 4)


_groups = st.lists(
    st.builds(
        group,
        side=st.sampled_from(["payable", "receivable", "both"]),
        kind=st.sampled_from(["timer", "postback"]),
        rules=st.sampled_from([(), rules("plan == gold"), rules("plan == tin")]),
    ),
    max_size=5,
)


@given(_groups.filter(bool), st.sampled_from(["gold", "tin", "none"]))
def test_the_first_of_a_side_in_order_is_its_plain_definition(criteria: list[Criterion], plan: str) -> None:
    numbered = [replace(each, id=place) for place, each in enumerate(criteria, 1)]

    def first(name: str) -> Criterion | None:
        for each in numbered:
            if getattr(each, name) and each.rules in {(), rules(f"plan == {plan}")}:
                return each
        return None

    sides = sides_of(a_plan(criteria=tuple(numbered)), {"plan": plan})
    assert sides == Sides(paying=first("pays_publisher"), billing=first("bills_buyer"))
