"""What is written when a call changes: its new state, its money, and the requests that it causes.

Owns the booking: figures change by ledger rows alone, a revision is kept for each posted value, a webhook fires once for each
cause. Must never decide who is called.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.call_profile import call_profile, facts_of
from shared.domain.calls import CallState
from shared.domain.plan import Plan
from shared.domain.settlement import Earned, Nearest, Sides, earned, sides_of
from shared.domain.webhooks import Firing, firings_of

MakeId = Callable[[], str]


class ConversionRow(Struct, frozen=True, kw_only=True):
    """One side of a call at one revision. Shape: revision 0 is the judgement at the call's end, its value None."""

    revision: int
    side: str
    criteria_id: int | None
    value: Decimal | None
    posted_value: Decimal | None
    revenue: Decimal
    payout: Decimal


class LedgerRow(Struct, frozen=True, kw_only=True):
    """One change of a call's figures. Shape: cause is end | postback."""

    entry: int
    revenue_change: Decimal
    payout_change: Decimal
    cause: str


class CallChange(Struct, frozen=True, kw_only=True):
    """All that is written in one transaction. Shape: state.call.rev is the revision that it was judged at."""

    state: CallState
    tags: Mapping[str, str] = {}
    conversions: tuple[ConversionRow, ...] = ()
    ledger: LedgerRow | None = None
    firings: tuple[Firing, ...] = ()
    key_id: int = 0


class Posted(Struct, frozen=True, kw_only=True):
    """A value that a buyer posted. Shape: posted is None when none was sent and value is what the criteria give."""

    value: Decimal
    posted: Decimal | None
    at_ms: int


class Books:
    """Books one call's changes under its plan. Shape: ids make uuids of version 7, one a webhook and one a cause."""

    def __init__(self, plan: Plan, *, now_ms: int, ids: MakeId) -> None:
        self._plan = plan
        self._now_ms = now_ms
        self._ids = ids

    def sides(self, state: CallState) -> Sides:
        """Which criteria groups judge the call as it stands."""
        return sides_of(self._plan, call_profile(self._plan, state, now_ms=state.call.started_ms))

    def close(self, state: CallState, *, was_closed: bool, nearest: Nearest) -> CallChange:
        """The call is over, or more is known of one that was: its criteria are judged, and (the first time) its end is told."""
        settled, rows, ledger = self._settle(state, nearest=nearest, posted=None)
        change = CallChange(state=settled, conversions=rows, ledger=ledger)
        if not was_closed and not self._has_fired(state, "end"):
            change = self.fire(change, "end")
        newly = any(row.revision == 0 for row in rows)
        return self.fire(change, "converted") if newly else change

    def post(
        self, state: CallState, posted: Posted, *, nearest: Nearest, key_id: int, sides: Sides | None = None
    ) -> CallChange:
        """A new revision of the call: a value that no revision before had. sides: what judges it, when that is known."""
        call = state.call
        revised = replace(
            call,
            posted=posted.posted,
            posted_ms=call.posted_ms or posted.at_ms,
            revision=call.revision + 1,
        )
        revised_state = replace(state, call=revised)
        settled, rows, ledger = self._settle(revised_state, nearest=nearest, posted=posted, sides=sides)
        change = CallChange(state=settled, conversions=rows, ledger=ledger, key_id=key_id)
        converted = settled.call.payable or settled.call.receivable
        return self.fire(change, "converted") if converted else change

    def fire(self, change: CallChange, trigger: str) -> CallChange:
        """The same change with the webhooks of a trigger. Cost: nothing when the campaign has none of it."""
        if all(webhook.trigger != trigger for webhook in self._plan.webhooks):
            return change
        state = change.state
        tags = call_profile(self._plan, state, now_ms=self._now_ms)
        facts = facts_of(self._plan, state, tags=tags)
        firings = firings_of(
            self._plan.webhooks, trigger, facts=facts, tags=tags, event_id=self._ids(), ids=self._ids
        )
        fired = (*state.call.fired, *(firing.name for firing in firings))
        state = replace(state, call=replace(state.call, fired=fired))
        return replace(change, state=state, firings=(*change.firings, *firings))

    def _has_fired(self, state: CallState, trigger: str) -> bool:
        """Whether a call that was closed before, and opened by late news, has told of this already."""
        return any(each.trigger == trigger and each.name in state.call.fired for each in self._plan.webhooks)

    def _settle(
        self, state: CallState, *, nearest: Nearest, posted: Posted | None, sides: Sides | None = None
    ) -> tuple[CallState, tuple[ConversionRow, ...], LedgerRow | None]:
        call, sides = state.call, sides or self.sides(state)
        now = earned(self._plan, call, sides=sides, nearest=nearest)
        ledger = None
        if (now.revenue, now.payout) != (call.revenue, call.payout):
            ledger = LedgerRow(
                entry=call.ledger_entries + 1,
                revenue_change=now.revenue - call.revenue,
                payout_change=now.payout - call.payout,
                cause="end" if posted is None else "postback",
            )
        settled = replace(
            call,
            payable=now.payable,
            receivable=now.receivable,
            duplicate=call.duplicate or now.duplicate,
            revenue=now.revenue,
            payout=now.payout,
            ledger_entries=call.ledger_entries + (ledger is not None),
        )
        if posted is None:
            return replace(state, call=settled), _end_rows(state, sides, now=now), ledger
        rows = _post_rows(settled.revision, sides, posted=posted, now=now)
        return replace(state, call=settled), rows, ledger


def _end_rows(state: CallState, sides: Sides, *, now: Earned) -> tuple[ConversionRow, ...]:
    """The sides that convert now and had not before."""
    call = state.call
    newly = {
        "payable": now.payable and not call.payable,
        "receivable": now.receivable and not call.receivable,
    }
    return tuple(_row(side, 0, sides=sides, posted=None, now=now) for side, is_new in newly.items() if is_new)


def _post_rows(revision: int, sides: Sides, *, posted: Posted, now: Earned) -> tuple[ConversionRow, ...]:
    """The sides that a posted value concerns, whether or not they convert."""
    groups = {"payable": sides.paying, "receivable": sides.billing}
    concerned = [side for side, group in groups.items() if group is not None and not group.timer]
    return tuple(_row(side, revision, sides=sides, posted=posted, now=now) for side in concerned)


def _row(side: str, revision: int, *, sides: Sides, posted: Posted | None, now: Earned) -> ConversionRow:
    group = sides.paying if side == "payable" else sides.billing
    return ConversionRow(
        revision=revision,
        side=side,
        criteria_id=group.id or None if group else None,
        value=posted.value if posted else None,
        posted_value=posted.posted if posted else None,
        revenue=now.revenue if side == "receivable" else Decimal(0),
        payout=now.payout if side == "payable" else Decimal(0),
    )
