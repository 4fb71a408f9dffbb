"""Every row of rtb.md's expected money."""

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.plan import ConversionEntry, Criterion
from shared.domain.routing.expected import Expected, expected_of, loses
from shared.domain.routing.seats import compile_seats
from tests.support.plans import a_buyer, a_plan, rules


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def entry(
    *, seconds: int | None = None, revenue: str | None = None, payout: str | None = None, modifier: str = ""
) -> ConversionEntry:
    return ConversionEntry(
        seconds=seconds, revenue=money(revenue), payout=money(payout), payout_modifier=modifier or None
    )


def group(*entries: ConversionEntry, side: str = "both", timer: bool = False, rule: str = "") -> Criterion:
    return Criterion(
        id=1,
        pays_publisher=side != "receivable",
        bills_buyer=side != "payable",
        timer=timer,
        rules=rules(rule) if rule else (),
        entries=entries,
    )


def promised(
    *criteria: Criterion, bid: str | None = None, tags: dict[str, str] | None = None, bare: bool = False
) -> tuple[str | None, str | None, int | None]:
    """Revenue, payout and seconds of a campaign whose defaults are 40, 25 and 90 s, unless bare."""
    defaults: dict[str, Any] = (
        {} if bare else {"default_revenue": money("40"), "default_payout": money("25"), "seconds": 90}
    )
    plan = a_plan([a_buyer(1, bid_revenue=money(bid))], criteria=criteria, **defaults)
    compiled = compile_seats(plan)
    expected = expected_of(
        plan, compiled.seats[0], matching=compiled.parted(compiled.rules.passing(tags or {})).criteria
    )
    shown = [None if amount is None else str(amount) for amount in (expected.revenue, expected.payout)]
    return shown[0], shown[1], expected.seconds


def test_without_criteria_the_campaigns_defaults_count() -> None:
    assert promised() == ("40", "25", 90)
    assert promised(bid="55.50") == ("55.50", "25", 90)
    assert promised(bare=True) == (None, None, None)


def test_a_bid_of_zero_is_a_bid() -> None:
    assert promised(group(entry(revenue="30")), bid="0") == ("0", "25", 90)


def test_the_first_matching_group_counts_whole() -> None:
    first = group(entry(revenue="30", payout="20"), rule="age > 60")
    second = group(entry(revenue="10", payout="5"))
    assert promised(first, second, tags={"age": "61"}) == ("30", "20", 90)
    assert promised(first, second, tags={"age": "60"}) == ("10", "5", 90)
    assert promised(first, tags={"age": "60"}) == ("40", "25", 90)


def test_the_bid_stands_before_the_groups_revenue() -> None:
    assert promised(group(entry(revenue="30", payout="20")), bid="55") == ("55", "20", 90)


def test_what_the_matching_group_leaves_open_is_the_default_not_the_next_groups() -> None:
    assert promised(group(entry()), group(entry(revenue="30", payout="20"))) == ("40", "25", 90)
    assert promised(group(), group(entry(revenue="30", payout="20"))) == ("40", "25", 90)


def test_each_side_has_its_own_first_group() -> None:
    payable = group(entry(revenue="1", payout="20"), side="payable")
    receivable = group(entry(revenue="30", payout="2"), side="receivable")
    assert promised(payable, receivable) == promised(receivable, payable) == ("30", "20", 90)
    assert promised(payable) == ("40", "20", 90)
    assert promised(receivable) == ("30", "25", 90)


def test_a_timers_shortest_step_is_promised() -> None:
    steps = group(
        entry(seconds=120, revenue="50", payout="40"),
        entry(seconds=30, revenue="15", payout="10"),
        timer=True,
    )
    assert promised(steps) == ("15", "10", 30)


def test_only_the_publishers_timer_gives_the_seconds() -> None:
    short = group(entry(seconds=30, revenue="15", payout="10"), side="receivable", timer=True)
    assert promised(short) == ("15", "25", 90)
    long = group(entry(seconds=60, payout="10"), side="payable", timer=True)
    assert promised(short, long) == ("15", "10", 60)


def test_a_timer_without_seconds_and_a_postback_take_the_campaigns() -> None:
    assert promised(group(entry(payout="10"), timer=True)) == ("40", "10", 90)
    assert promised(group(entry(seconds=30, payout="10"))) == ("40", "10", 90)
    assert promised(group(entry(seconds=0, payout="10"), timer=True)) == ("40", "10", 0)


def test_a_modifier_has_no_expected_value() -> None:
    assert promised(group(entry(modifier="*0.8"))) == ("40", "25", 90)
    assert promised(group(entry(modifier="*0.8", payout="12"))) == ("40", "12", 90)
    assert promised(group(entry(modifier="*0.8")), bare=True) == (None, None, None)
    assert promised(group(entry(modifier="+5"))) == ("40", "25", 90)


def test_a_modifier_that_is_an_amount_is_a_fixed_payout() -> None:
    assert promised(group(entry(modifier="12.50"))) == ("40", "12.50", 90)


@pytest.mark.parametrize(
    ("revenue", "payout", "loss"),
    [
        ("10", "10.01", True),
        ("10", "10", False),
        ("0", "0.01", True),
        (None, "10", False),
        ("10", None, False),
        (None, None, False),
    ],
)
def test_unknown_revenue_is_not_a_loss(revenue: str | None, payout: str | None, loss: bool) -> None:
    assert loses(Expected(revenue=money(revenue), payout=money(payout), seconds=None)) is loss
