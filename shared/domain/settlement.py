"""What a call earns: which criteria group judges each side, whether it converted, and for how much.

Owns the criteria and the money of data.md. Must never write a ledger: it says what the figures should be, and whoever asks
books the difference, so that judging twice changes nothing.

The laws (data.md, criteria and money of a call):
- each side (payable: the publisher, receivable: the buyer) is judged apart, by the first group of that side whose rules match;
- a timer is judged once the call is closed: the entry with the most seconds that the talk reached;
- a postback converts when the value comes, within its timeout after the call's end;
- a side that is a duplicate does not convert; one that has converted stays no duplicate;
- a campaign without criteria is one timer of its defaults.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from shared.domain.calls import ZERO, Call
from shared.domain.money import Change, read_modifier
from shared.domain.plan import ConversionEntry, Criterion, Plan
from shared.domain.reasons import Reason
from shared.domain.tags import Tags, passes


class Sides(Struct, frozen=True, kw_only=True):
    """The criteria groups that judge a call; None = none of that side matches it."""

    paying: Criterion | None
    billing: Criterion | None


class Nearest(Struct, frozen=True, kw_only=True):
    """How near another call of the same caller and buyer is that has converted, by side. Units: s, None = there is none."""

    paid_s: int | None = None
    billed_s: int | None = None


class Earned(Struct, frozen=True, kw_only=True):
    """What a call's figures should be."""

    payable: bool
    receivable: bool
    duplicate: bool
    revenue: Decimal
    payout: Decimal


def sides_of(plan: Plan, tags: Tags) -> Sides:
    """Which groups judge a call with these tags, whether or not their condition is met."""
    matching = [group for group in plan.criteria or (_defaults(plan),) if passes(group.rules, tags)]
    return Sides(
        paying=next((group for group in matching if group.pays_publisher), None),
        billing=next((group for group in matching if group.bills_buyer), None),
    )


def dedupe_s(plan: Plan, sides: Sides) -> int:
    """How far around a call another conversion makes it a duplicate, at most; 0: none ever does."""
    groups = [group for group in (sides.paying, sides.billing) if group is not None]
    return max((_window_s(plan, group) for group in groups), default=0)


def earned(plan: Plan, call: Call, *, sides: Sides, nearest: Nearest) -> Earned:
    """What a call's figures should be now."""
    paid, billed = _judged(call, sides.paying), _judged(call, sides.billing)
    pays_again = not call.payable and _is_near(nearest.paid_s, plan=plan, group=sides.paying)
    bills_again = not call.receivable and _is_near(nearest.billed_s, plan=plan, group=sides.billing)
    payable, receivable = paid is not None and not pays_again, billed is not None and not bills_again
    return Earned(
        payable=payable,
        receivable=receivable,
        duplicate=pays_again or bills_again,
        revenue=_revenue(plan, call, entry=billed) if billed is not None and receivable else ZERO,
        payout=_payout(plan, call, entry=paid) if paid is not None and payable else ZERO,
    )


def post_refusal(plan: Plan, call: Call, *, sides: Sides, now_ms: int) -> Reason | None:
    """Why a posted value is not taken; None when it is. Source: data.md, conversions."""
    if not plan.criteria:
        return Reason.NO_CRITERIA
    waiting = [group for group in (sides.paying, sides.billing) if group is not None and not group.timer]
    if not waiting:
        return Reason.CRITERIA_MISMATCH
    on_time = any(_is_on_time(call, _entry(group), at_ms=now_ms) for group in waiting)
    return None if on_time else Reason.TOO_LATE


def value_without_post(call: Call, sides: Sides) -> Decimal | None:
    """What a post without a value is worth: only criteria that give a revenue make it a conversion. None = it is none."""
    billing = sides.billing
    if billing is None or billing.timer:
        return None
    fixed = _entry(billing).revenue
    return None if fixed is None else call.bid if call.bid is not None else fixed


def _judged(call: Call, group: Criterion | None) -> ConversionEntry | None:
    """The entry that pays; None when the side has not converted."""
    if group is None:
        return None
    if group.timer:
        return _reached(group.entries, call)
    entry = _entry(group)
    return entry if call.revision and _is_on_time(call, entry, at_ms=call.posted_ms) else None


def _reached(entries: Sequence[ConversionEntry], call: Call) -> ConversionEntry | None:
    if not call.closed_ms or not call.answered_ms or call.connected_s is None:
        return None
    talked_s = call.connected_s
    reached = [entry for entry in entries if (entry.seconds or 0) <= talked_s]
    return max(reached, key=lambda entry: entry.seconds or 0, default=None)


def _entry(group: Criterion) -> ConversionEntry:
    """A postback group's one entry; of several the first counts."""
    return group.entries[0] if group.entries else ConversionEntry()


def _is_on_time(call: Call, entry: ConversionEntry, *, at_ms: int) -> bool:
    """Before the call's end there is always time."""
    limit_s = entry.postback_timeout_seconds
    return limit_s is None or not call.ended_ms or at_ms <= call.ended_ms + limit_s * 1000


def _revenue(plan: Plan, call: Call, *, entry: ConversionEntry) -> Decimal:
    return _first(call.posted, call.bid, entry.revenue, plan.default_revenue)


def _payout(plan: Plan, call: Call, *, entry: ConversionEntry) -> Decimal:
    modified = None
    if entry.payout_modifier is not None:
        modifier = read_modifier(entry.payout_modifier)
        if modifier.change is Change.INSTEAD or call.posted is not None:
            modified = modifier.apply(call.posted or ZERO)
    return _first(modified, entry.payout, call.promised_payout, plan.default_payout)


def _first(*amounts: Decimal | None) -> Decimal:
    return next((amount for amount in amounts if amount is not None), ZERO)


def _is_near(near_s: int | None, *, plan: Plan, group: Criterion | None) -> bool:
    return group is not None and near_s is not None and near_s < _window_s(plan, group)


def _window_s(plan: Plan, group: Criterion) -> int:
    return group.dedupe_seconds or plan.dedupe_seconds


def _defaults(plan: Plan) -> Criterion:
    entry = ConversionEntry(seconds=plan.seconds or 0)
    return Criterion(id=0, pays_publisher=True, bills_buyer=True, timer=True, entries=(entry,))
