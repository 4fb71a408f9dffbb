"""What a reservation promises: revenue, payout and call length, before anything has happened.

Owns the expected money of rtb.md. Must never judge a call's real money: that is the calls' and data's side.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from shared.domain.money import Change, read_modifier
from shared.domain.plan import ConversionEntry, Criterion, Plan
from shared.domain.routing.seats import Seat


class Expected(Struct, frozen=True, kw_only=True):
    """What one candidate promises. None = unknown. Units: seconds of connected call."""

    revenue: Decimal | None
    payout: Decimal | None
    seconds: int | None


def expected_of(plan: Plan, seat: Seat, *, matching: int) -> Expected:
    """The expected money of one candidate, given the criteria groups (bits) that the ping's tags match.

    Of a timer group's steps the first one counts: the publisher is promised what the shortest paid call pays.
    Source: rtb.md, expected money.
    """
    groups = [plan.criteria[i] for i in seat.criteria if matching >> i & 1]
    billing = _first_entry([group for group in groups if group.bills_buyer])
    paying_groups = [group for group in groups if group.pays_publisher]
    paying = _first_entry(paying_groups)
    timer = paying_groups[0].timer if paying_groups else False
    revenue = seat.buyer.bid_revenue
    if revenue is None:
        revenue = billing.revenue if billing and billing.revenue is not None else plan.default_revenue
    return Expected(
        revenue=revenue,
        payout=_fixed_payout(paying, plan),
        seconds=paying.seconds if paying and timer and paying.seconds is not None else plan.seconds,
    )


def _fixed_payout(entry: ConversionEntry | None, plan: Plan) -> Decimal | None:
    """What is paid whatever is posted: a modifier such as `12.50` says so too, `*0.8` does not."""
    if entry is None:
        return plan.default_payout
    if entry.payout is None and entry.payout_modifier is not None:
        modifier = read_modifier(entry.payout_modifier)
        return modifier.amount if modifier.change is Change.INSTEAD else plan.default_payout
    return plan.default_payout if entry.payout is None else entry.payout


def loses(expected: Expected) -> bool:
    """Whether the promised payout exceeds the revenue; unknown revenue is not a loss."""
    if expected.revenue is None or expected.payout is None:
        return False
    return expected.payout > expected.revenue


def _first_entry(groups: Sequence[Criterion]) -> ConversionEntry | None:
    if not groups or not groups[0].entries:
        return None
    return min(groups[0].entries, key=lambda entry: entry.seconds or 0)
