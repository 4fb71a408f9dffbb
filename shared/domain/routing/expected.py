"""What a reservation promises: revenue, payout and call length, before anything has happened.

Owns the expected money of rtb.md. Must never judge a call's real money: that is the calls' and data's side.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from shared.domain.bids import Bid
from shared.domain.money import Change, read_modifier
from shared.domain.plan import ConversionEntry, Criterion, Plan
from shared.domain.routing.seats import Seat


class Expected(Struct, frozen=True, kw_only=True):
    """What one candidate promises. None = unknown. Units: seconds of connected call."""

    revenue: Decimal | None
    payout: Decimal | None
    seconds: int | None


def expected_of(plan: Plan, seat: Seat, *, matching: int, bid: Bid | None = None) -> Expected:
    """The expected money of one candidate, given the criteria groups (bits) that the ping's tags match, and its bid if asked.

    Of a timer group's steps the first one counts: the publisher is promised what the shortest paid call pays. Its share of the
    revenue (`*0.8`) is known as soon as the revenue is; a share of what will be posted is not.
    Source: rtb.md, expected money.
    """
    groups = [plan.criteria[i] for i in seat.criteria if matching >> i & 1]
    billing = _first_entry([group for group in groups if group.bills_buyer])
    paying_groups = [group for group in groups if group.pays_publisher]
    paying = _first_entry(paying_groups)
    timer = paying_groups[0].timer if paying_groups else False
    revenue = seat.buyer.bid_revenue if bid is None else bid.revenue
    if revenue is None:
        revenue = billing.revenue if billing and billing.revenue is not None else plan.default_revenue
    seconds = paying.seconds if paying and timer and paying.seconds is not None else plan.seconds
    if seconds is None and bid is not None:
        seconds = bid.seconds
    return Expected(
        revenue=revenue, payout=_payout(paying, plan, shared=revenue if timer else None), seconds=seconds
    )


def _payout(entry: ConversionEntry | None, plan: Plan, *, shared: Decimal | None) -> Decimal | None:
    """What is paid, as far as it is known before anything is posted. Shape: a modifier applies to what is shared."""
    if entry is None:
        return plan.default_payout
    if entry.payout is None and entry.payout_modifier is not None:
        modifier = read_modifier(entry.payout_modifier)
        if modifier.change is Change.INSTEAD:
            return modifier.amount
        return plan.default_payout if shared is None else modifier.apply(shared)
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
