"""How changes of a call are booked: figures by ledger rows alone, revisions, and webhooks once for each cause."""

from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain import uuid7
from shared.domain.call_books import Books, CallChange, LedgerRow, Posted
from shared.domain.calls import Call, CallState
from shared.domain.plan import ConversionEntry, Criterion, Plan
from shared.domain.settlement import Nearest
from shared.domain.webhooks import Webhook, read_payload
from tests.support.plans import PUBLISHER, a_buyer, a_plan, rules

NOW = 1_790_000_000_000
URL = "https://hooks.example.com/x"
SOLD = Webhook(id=1, name="sold", trigger="converted", url=URL)
OVER = Webhook(id=2, name="over", trigger="end", url=URL)
LIVE = CallState(
    call=Call(
        uuid="c",
        company_id=1,
        started_ms=NOW,
        provider="generic/1",
        provider_call_id="x",
        caller="+12125551212",
        campaign_id=100,
        publisher_id=PUBLISHER.id,
        buyer_id=1,
        answered_ms=NOW,
    )
)


def a_group(kind: str, *, side: str = "both", rules: Any = (), **entry: Any) -> Criterion:
    return Criterion(
        id=5,
        pays_publisher=side != "receivable",
        bills_buyer=side != "payable",
        timer=kind == "timer",
        rules=rules,
        entries=(ConversionEntry(**entry),),
    )


SALE = a_group("postback", payout_modifier="*0.8", postback_timeout_seconds=60)
LONG = a_group("timer", seconds=90, revenue=Decimal(20), payout=Decimal(7))


def a_campaign(*criteria: Criterion, **fields: Any) -> Plan:
    return a_plan([a_buyer(1)], criteria=criteria, webhooks=(SOLD, OVER), **fields)


def books_of(plan: Plan) -> Books:
    numbers = count(1)
    return Books(plan, now_ms=NOW, ids=lambda: uuid7.make(NOW, 1, rand=next(numbers).to_bytes(8, "big")))


def over(state: CallState, *, talked_s: int, at_ms: int = NOW + 200_000) -> CallState:
    call = replace(state.call, ended_ms=at_ms, closed_ms=at_ms, connected_s=talked_s)
    return replace(state, call=call)


def closed(plan: Plan, state: CallState, *, nearest: Nearest = Nearest()) -> CallChange:  # noqa: B008 - frozen
    return books_of(plan).close(state, was_closed=False, nearest=nearest)


def posted(plan: Plan, state: CallState, value: str | None, at_ms: int = NOW) -> CallChange:
    amount = None if value is None else Decimal(value)
    post = Posted(value=amount or Decimal(30), posted=amount, at_ms=at_ms)
    return books_of(plan).post(state, post, nearest=Nearest(), key_id=9)


def money(state: CallState) -> tuple[Any, Any]:
    """(revenue, payout)."""
    return state.call.revenue, state.call.payout


def told(change: CallChange) -> list[str]:
    return [firing.name for firing in change.firings]


# the end


def test_an_end_that_converts_is_booked_and_told() -> None:
    change = closed(a_campaign(LONG), over(LIVE, talked_s=90))
    assert [(row.side, row.revision, row.revenue, row.payout) for row in change.conversions] == [
        ("payable", 0, Decimal(0), Decimal(7)),
        ("receivable", 0, Decimal(20), Decimal(0)),
    ]
    assert change.ledger == LedgerRow(
        entry=1, revenue_change=Decimal(20), payout_change=Decimal(7), cause="end"
    )
    assert told(change) == ["over", "sold"]
    assert change.state.call.fired == ("over", "sold")
    assert [row.criteria_id for row in change.conversions] == [5, 5]


def test_an_end_that_does_not_convert_is_told_and_books_nothing() -> None:
    change = closed(a_campaign(LONG), over(LIVE, talked_s=89))
    assert (change.conversions, change.ledger, told(change)) == ((), None, ["over"])


def test_judging_again_changes_nothing() -> None:
    plan = a_campaign(LONG)
    state = closed(plan, over(LIVE, talked_s=90)).state
    again = books_of(plan).close(state, was_closed=True, nearest=Nearest())
    assert (again.state, again.conversions, again.ledger, again.firings) == (state, (), None, ())


def test_a_correction_of_the_talk_is_booked_as_a_difference() -> None:
    plan = a_campaign(LONG)
    state = closed(plan, over(LIVE, talked_s=90)).state
    shorter = books_of(plan).close(over(state, talked_s=3), was_closed=True, nearest=Nearest())
    assert shorter.ledger == LedgerRow(
        entry=2, revenue_change=Decimal(-20), payout_change=Decimal(-7), cause="end"
    )
    assert money(shorter.state) == (0, 0)
    assert (shorter.state.call.payable, told(shorter)) == (False, [])


def test_a_campaign_without_criteria_names_none_in_its_conversions() -> None:
    change = closed(a_campaign(default_payout=Decimal(5)), over(LIVE, talked_s=1))
    assert [row.criteria_id for row in change.conversions] == [None, None]


def test_a_duplicate_is_marked_and_not_paid() -> None:
    change = closed(a_campaign(LONG, dedupe_seconds=60), over(LIVE, talked_s=90), nearest=Nearest(paid_s=5))
    call = change.state.call
    assert (call.duplicate, call.payable) == (True, False)
    assert money(change.state) == (20, 0)


# posts


def test_a_value_is_a_revision_and_another_one_books_the_difference() -> None:
    plan = a_campaign(SALE)
    first = posted(plan, LIVE, "100")
    assert (first.state.call.revision, first.key_id) == (1, 9)
    assert first.state.call.posted == 100
    assert told(first) == ["sold"]
    second = posted(plan, first.state, "50", NOW + 5)
    assert (second.state.call.revision, second.state.call.posted_ms) == (2, NOW)
    assert money(second.state) == (50, 40)
    assert second.ledger == LedgerRow(
        entry=2, revenue_change=Decimal(-50), payout_change=Decimal(-40), cause="postback"
    )
    assert [row.revision for row in second.conversions] == [2, 2]
    assert told(second) == ["sold"]


def test_a_value_before_the_end_stands_when_the_end_comes() -> None:
    plan = a_campaign(SALE)
    state = posted(plan, LIVE, "100").state
    change = closed(plan, over(state, talked_s=1))
    assert (change.ledger, change.conversions, told(change)) == (None, (), ["over"])
    assert change.state.call.revenue == 100


def test_a_value_concerns_only_the_sides_that_wait_for_one() -> None:
    plan = a_campaign(
        a_group("timer", side="payable", seconds=1, payout=Decimal(3)), replace(SALE, pays_publisher=False)
    )
    change = posted(plan, LIVE, "100")
    assert [row.side for row in change.conversions] == ["receivable"]
    assert money(change.state) == (100, 0)


def test_tags_that_came_after_the_end_choose_the_group_of_a_later_value() -> None:
    plan = a_campaign(replace(SALE, rules=rules("plan == gold")), LONG)
    state = closed(plan, over(LIVE, talked_s=3)).state
    change = posted(plan, replace(state, tags={"plan": "gold"}), "10", NOW + 200_001)
    assert money(change.state) == (10, 8)


def test_a_post_without_a_value_is_kept_as_one() -> None:
    change = posted(a_campaign(a_group("postback", revenue=Decimal(30))), LIVE, None)
    assert [(row.value, row.posted_value) for row in change.conversions] == [(Decimal(30), None)] * 2
    assert change.state.call.posted is None
    assert money(change.state) == (30, 0)


# webhooks


def test_a_trigger_that_no_webhook_has_costs_no_id() -> None:
    plan = a_campaign(SALE)
    change = CallChange(state=LIVE)
    assert books_of(plan).fire(change, "data_appended") is change


def test_a_webhook_with_rules_fires_for_calls_that_pass_them() -> None:
    only_gold = replace(SOLD, rules=rules("plan == gold"))
    plan = replace(a_campaign(SALE), webhooks=(only_gold,))
    assert told(posted(plan, LIVE, "1")) == []
    assert told(posted(plan, replace(LIVE, tags={"plan": "gold"}), "1")) == ["sold"]


def test_the_firings_of_one_cause_share_its_event() -> None:
    first = replace(SOLD, id=3, name="first", fire_order=-1)
    plan = replace(a_campaign(SALE), webhooks=(SOLD, first))
    change = posted(plan, LIVE, "1")
    assert told(change) == ["first", "sold"]
    assert len({firing.event_id for firing in change.firings}) == 1
    assert len({firing.id for firing in change.firings}) == 2


# whatever comes

_criteria = st.lists(
    st.builds(
        a_group,
        st.sampled_from(["timer", "postback"]),
        side=st.sampled_from(["payable", "receivable", "both"]),
        rules=st.sampled_from([(), rules("plan == gold")]),
        seconds=st.sampled_from([None, 30, 90]),
        revenue=st.sampled_from([None, Decimal(20)]),
        payout=st.sampled_from([None, Decimal("7.25")]),
        payout_modifier=st.sampled_from([None, "*0.8", "+5", "-2", "12.50"]),
        postback_timeout_seconds=st.sampled_from([None, 60]),
    ),
    max_size=3,
)
_events = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.sampled_from([0, 30, 90, 120])),
        st.tuples(st.just("post"), st.decimals(0, 1000, places=4)),
        st.tuples(st.just("tag"), st.sampled_from(["gold", "tin"])),
    ),
    max_size=8,
)


def _next(
    plan: Plan,
    state: CallState,
    event: tuple[str, Any],
    at_ms: int,
    nearest: Nearest = Nearest(),  # noqa: B008 - frozen
) -> CallChange:
    what, value = event
    books = books_of(plan)
    if what == "post":
        post = Posted(value=value, posted=value, at_ms=at_ms)
        return books.post(state, post, nearest=nearest, key_id=9)
    if what == "tag":
        return CallChange(state=replace(state, tags={"plan": value}))
    was_closed = bool(state.call.closed_ms)
    return books.close(
        over(state, talked_s=value, at_ms=state.call.ended_ms or at_ms),
        was_closed=was_closed,
        nearest=nearest,
    )


@settings(max_examples=200)
@given(_criteria, _events, st.sampled_from([None, Decimal(6)]))
def test_figures_are_the_sum_of_their_ledger(
    criteria: list[Criterion], events: list[tuple[str, Any]], promised: Decimal | None
) -> None:
    plan = a_campaign(*criteria, default_payout=Decimal(5), default_revenue=Decimal(9))
    state = replace(LIVE, call=replace(LIVE.call, promised_payout=promised))
    revenue = payout = Decimal(0)
    posts = ends = 0
    for place, event in enumerate(events):
        change = _next(plan, state, event, NOW + place * 40_000)
        state, call = change.state, change.state.call
        if change.ledger is not None:
            assert change.ledger.entry == call.ledger_entries
            assert change.ledger.revenue_change or change.ledger.payout_change
            revenue, payout = revenue + change.ledger.revenue_change, payout + change.ledger.payout_change
        assert (call.revenue, call.payout) == (revenue, payout)
        assert call.receivable or not call.revenue
        assert call.payable or not call.payout
        posts += event[0] == "post"
        ends += event[0] == "end"
        assert call.revision == posts
        assert told(change).count("sold") <= 1
        assert told(change).count("over") == (event[0] == "end" and ends == 1)
        if event[0] == "post":
            assert told(change) == ["sold"] * (call.payable or call.receivable)


def _with_values(change: CallChange) -> list[tuple[int, str]]:
    return [(row.revision, row.side) for row in change.conversions]


_nearest = st.builds(
    Nearest, paid_s=st.sampled_from([None, 5, 90]), billed_s=st.sampled_from([None, None, 5])
)


@settings(max_examples=200)
@given(_criteria, _events, st.lists(_nearest, min_size=8, max_size=8), st.sampled_from([0, 60]))
def test_entries_are_numbered_webhooks_told_once_and_revisions_kept_by_side(
    criteria: list[Criterion], events: list[tuple[str, Any]], nearest: list[Nearest], dedupe_seconds: int
) -> None:
    plan = a_campaign(*criteria, default_payout=Decimal(5), dedupe_seconds=dedupe_seconds)
    state, entries, fired, ever_duplicate = LIVE, [], [], False
    for place, event in enumerate(events):
        before = state.call
        change = _next(plan, state, event, NOW + place * 40_000, nearest[place])
        state = change.state
        sides = books_of(plan).sides(state)
        entries += [change.ledger.entry] if change.ledger else []
        fired += told(change)
        ever_duplicate = ever_duplicate or state.call.duplicate
        assert state.call.duplicate == ever_duplicate
        if event[0] == "post":
            waiting = {"payable": sides.paying, "receivable": sides.billing}
            concerned = [side for side, group in waiting.items() if group and not group.timer]
            assert _with_values(change) == [(state.call.revision, side) for side in concerned]
            assert all(row.value == row.posted_value == event[1] for row in change.conversions)
        else:
            newly = [each for each in ("payable", "receivable") if _has_come(each, before, state.call)]
            assert _with_values(change) == [(0, side) for side in newly]
            assert told(change).count("sold") == bool(newly)
        for row in change.conversions:
            own = {"payable": (Decimal(0), state.call.payout), "receivable": (state.call.revenue, Decimal(0))}
            assert (row.revenue, row.payout) == own[row.side]
    assert entries == list(range(1, len(entries) + 1))
    assert state.call.ledger_entries == len(entries)
    assert list(state.call.fired) == fired
    assert fired.count("over") == any(event[0] == "end" for event in events)


def _has_come(side: str, before: Call, now: Call) -> bool:
    return getattr(now, side) and not getattr(before, side)


@given(_criteria, st.lists(st.decimals(0, 1000, places=4), min_size=1, max_size=5))
def test_the_last_value_stands_and_the_ones_before_it_leave_no_trace_in_the_figures(
    criteria: list[Criterion], values: list[Decimal]
) -> None:
    plan, state = a_campaign(*criteria), LIVE
    for value in values:
        state = posted(plan, state, str(value)).state
    assert money(state) == money(posted(plan, LIVE, str(values[-1])).state)
    assert (state.call.revision, state.call.posted) == (len(values), values[-1])


@given(_criteria, st.sampled_from([0, 30, 120]), st.decimals(0, 1000, places=4))
def test_a_value_before_the_end_and_one_at_it_earn_the_same(
    criteria: list[Criterion], talked_s: int, value: Decimal
) -> None:
    plan = a_campaign(*criteria)
    end_ms = NOW + 200_000
    early = closed(plan, over(posted(plan, LIVE, str(value)).state, talked_s=talked_s)).state
    late = posted(plan, closed(plan, over(LIVE, talked_s=talked_s)).state, str(value), end_ms).state
    assert money(early) == money(late)
    assert (early.call.payable, early.call.receivable) == (late.call.payable, late.call.receivable)


@given(_criteria, st.sampled_from([0, 30, 120]))
def test_an_end_that_is_told_again_books_and_tells_nothing(criteria: list[Criterion], talked_s: int) -> None:
    plan = a_campaign(*criteria, default_payout=Decimal(5))
    state = closed(plan, over(LIVE, talked_s=talked_s)).state
    again = books_of(plan).close(state, was_closed=True, nearest=Nearest(paid_s=0, billed_s=0))
    assert (again.state.call.revenue, again.state.call.payout) == money(state)
    assert (again.ledger, again.conversions, again.firings) == (None, (), ())


# single cases of the same


def test_a_value_that_comes_too_late_is_a_revision_that_books_and_tells_nothing() -> None:
    plan = a_campaign(SALE)
    state = closed(plan, over(LIVE, talked_s=3)).state
    change = posted(plan, state, "10", NOW + 260_001)
    assert (change.ledger, told(change), money(change.state)) == (None, [], (0, 0))
    assert _with_values(change) == [(1, "payable"), (1, "receivable")]


def test_a_value_that_changes_no_figure_is_a_revision_without_an_entry() -> None:
    plan = a_campaign(a_group("postback", side="payable", payout=Decimal(7)))
    first = posted(plan, LIVE, "1")
    second = posted(plan, first.state, "2")
    assert (second.ledger, second.state.call.revision, told(second)) == (None, 2, ["sold"])
    assert second.state.call.ledger_entries == 1


def test_a_duplicate_stays_marked_when_its_neighbour_is_gone() -> None:
    plan = a_campaign(SALE, dedupe_seconds=60)
    post = Posted(value=Decimal(10), posted=Decimal(10), at_ms=NOW)
    first = books_of(plan).post(LIVE, post, nearest=Nearest(paid_s=5, billed_s=5), key_id=9)
    assert (first.state.call.duplicate, first.ledger, told(first)) == (True, None, [])
    second = posted(plan, first.state, "11")
    assert (second.state.call.duplicate, money(second.state)) == (True, (11, Decimal("8.8")))


def test_what_judges_can_be_told_so_that_it_is_looked_for_once() -> None:
    plan = a_campaign(SALE)
    post = Posted(value=Decimal(10), posted=Decimal(10), at_ms=NOW)
    books = books_of(plan)
    known = books.post(LIVE, post, nearest=Nearest(), key_id=9, sides=books.sides(LIVE))
    assert known.conversions == posted(plan, LIVE, "10").conversions


def test_a_webhook_tells_the_figures_that_its_own_change_made() -> None:
    change = posted(a_campaign(SALE), LIVE, "100.005")
    (firing,) = change.firings
    facts = read_payload(firing.payload).facts
    assert (facts.revenue, facts.payout, facts.caller) == (
        Decimal("100.01"),
        Decimal("80.00"),
        "+12125551212",
    )
    assert (facts.call_uuid, facts.campaign_id, facts.publisher_id) == ("c", "camp", "pub-a")
