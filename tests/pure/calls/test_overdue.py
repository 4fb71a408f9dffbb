"""What is assumed of a call whose switch says nothing: an unanswered ring, an end that never came."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.calls.rules.overdue import END_GRACE_MS, RING_GRACE_MS, overdue_reports
from shared.domain.call_events import CallOver, LegNews, Report, after
from shared.domain.calls import Call, CallState, CallStatus, Leg, LegStatus, Outcome, settled_states

START = 1_790_000_000_000
CALL = Call(
    uuid="c", company_id=1, started_ms=START, provider="generic/1", provider_call_id="x", campaign_id=1
)
RINGS_MS = 20_000


def a_leg(position: int, **fields: Any) -> Leg:
    leg = Leg(
        uuid=f"leg{position}",
        position=position,
        buyer_id=position,
        number="+18005550111",
        timeout_seconds=RINGS_MS // 1000,
        dialled_ms=START,
    )
    return replace(leg, **fields)


def state_of(*legs: Leg, **fields: Any) -> CallState:
    return settled_states(CallState(call=replace(CALL, **fields), legs=legs))


def overdue(state: CallState, after_ms: int, *, is_idle: bool = False) -> list[Report]:
    return list(overdue_reports(state, now_ms=START + after_ms, is_idle=is_idle))


def with_reports(state: CallState, reports: list[Report]) -> CallState:
    for report in reports:
        state = after(state, report)
    return state


TALKS = a_leg(1, answered_ms=START + 5_000)


def test_a_leg_that_rang_its_time_and_the_grace_was_not_answered() -> None:
    state, limit_ms = state_of(a_leg(1)), RINGS_MS + RING_GRACE_MS
    assert overdue(state, limit_ms - 1) == []
    assert overdue(state, limit_ms) == [LegNews(leg_uuid="leg1", news="no_answer", at_ms=START + limit_ms)]


def test_each_leg_has_its_own_ring_time() -> None:
    state = state_of(a_leg(1), a_leg(2, timeout_seconds=60), a_leg(3, dialled_ms=START + 9_000))
    (report,) = overdue(state, RINGS_MS + RING_GRACE_MS)
    assert isinstance(report, LegNews)
    assert report.leg_uuid == "leg1"


def test_a_talk_is_not_hurried_however_long_it_takes() -> None:
    assert overdue(state_of(TALKS), 86_400_000) == []


def test_legs_whose_fate_is_known_are_not_asked_for() -> None:
    busy, gone = a_leg(1, failure="busy"), a_leg(2, ended_ms=START + 1)
    assert overdue(state_of(busy, gone), 86_400_000) == []


def test_the_end_of_a_leg_is_waited_for_shortly_after_the_call_s() -> None:
    state = state_of(TALKS, ended_ms=START + 60_000)
    assert overdue(state, 60_000 + END_GRACE_MS - 1) == []
    assert overdue(state, 60_000 + END_GRACE_MS) == [
        LegNews(leg_uuid="leg1", news="ended", at_ms=START + 60_000)
    ]


def test_a_leg_that_rings_when_its_call_is_over_has_ended_with_it_and_was_abandoned() -> None:
    state = state_of(a_leg(1), ended_ms=START + 4_000)
    assumed = with_reports(state, overdue(state, 4_000 + END_GRACE_MS))
    assert (assumed.call.outcome, assumed.call.closed_ms) == (Outcome.ABANDONED, START + 4_000)
    assert assumed.legs[0].place == "returned"


def test_a_closed_call_owes_nothing() -> None:
    closed = with_reports(state_of(TALKS), [CallOver(at_ms=START + 60_000, connected_s=55)])
    assert closed.call.closed_ms
    for is_idle in (False, True):
        assert overdue(closed, 86_400_000, is_idle=is_idle) == []


def test_a_call_without_any_news_is_ended_by_the_switch_with_all_its_open_legs() -> None:
    state = state_of(a_leg(1, failure="busy"), replace(TALKS, uuid="leg2", position=2), a_leg(3))
    assert overdue(state, 7_200_000, is_idle=True) == [
        LegNews(leg_uuid="leg2", news="ended", at_ms=START + 7_200_000),
        CallOver(at_ms=START + 7_200_000, hung_up_by="switch"),
    ]


def test_a_call_that_was_never_dialled_is_over_when_it_is_idle_and_not_before() -> None:
    assert overdue(state_of(), 86_400_000) == []
    assert overdue(state_of(), 86_400_000, is_idle=True) == [
        CallOver(at_ms=START + 86_400_000, hung_up_by="switch")
    ]


_legs: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        dialled_ms=st.integers(START, START + 50_000),
        timeout_seconds=st.integers(5, 60),
        answered_ms=st.sampled_from([0, START + 60_000]),
        ended_ms=st.sampled_from([0, START + 90_000]),
        failure=st.sampled_from(["", "", "busy", "failed"]),
    ),
    max_size=4,
)


@given(_legs, st.sampled_from([0, START + 100_000]), st.integers(0, 300_000), st.booleans())
def test_what_was_assumed_is_not_owed_again(
    fields: list[dict[str, Any]], ended_ms: int, after_ms: int, is_idle: bool
) -> None:
    state = state_of(*(a_leg(place, **each) for place, each in enumerate(fields, 1)), ended_ms=ended_ms)
    assumed = with_reports(state, overdue(state, after_ms, is_idle=is_idle))
    assert overdue(assumed, after_ms, is_idle=is_idle) == []
    if is_idle:
        assert assumed.call.status is CallStatus.FINISHED


@given(_legs)
def test_an_idle_call_is_closed_by_what_is_assumed(fields: list[dict[str, Any]]) -> None:
    state = state_of(*(a_leg(place, **each) for place, each in enumerate(fields, 1)))
    assumed = with_reports(state, overdue(state, 7_200_000, is_idle=True))
    assert assumed.call.closed_ms
    assert all(leg.place != "taken" for leg in assumed.legs)


@given(_legs, st.integers(0, 300_000))
def test_no_leg_that_talks_is_ended_before_its_call_is(fields: list[dict[str, Any]], after_ms: int) -> None:
    state = state_of(*(a_leg(place, **each) for place, each in enumerate(fields, 1)))
    talks = {leg.uuid for leg in state.legs if leg.status is LegStatus.ANSWERED}
    reports = overdue(state, after_ms)
    assert all(isinstance(each, LegNews) and each.news == "no_answer" for each in reports)
    assert talks.isdisjoint(each.leg_uuid for each in reports if isinstance(each, LegNews))
