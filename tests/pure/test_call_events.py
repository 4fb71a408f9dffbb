"""What follows from the reports about a call, whatever their order."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.call_events import CallOver, LegNews, Report, after
from shared.domain.calls import Call, CallState, CallStatus, Leg, LegStatus, Outcome, settled_states

START = 1_790_000_000_000
CALL = Call(
    uuid="c", company_id=1, started_ms=START, provider="generic/1", provider_call_id="x", campaign_id=1
)


def a_leg(position: int, **fields: object) -> Leg:
    leg = Leg(
        uuid=f"leg{position}",
        position=position,
        buyer_id=position,
        number="+18005550111",
        dialled_ms=START + position * 1000,
        bid=Decimal(20 + position),
    )
    return replace(leg, **fields)


def state_of(*legs: Leg, **fields: object) -> CallState:
    return CallState(call=replace(CALL, **fields), legs=legs)


def news(position: int, what: str, at_s: int, connected_s: int | None = None) -> LegNews:
    return LegNews(leg_uuid=f"leg{position}", news=what, at_ms=START + at_s * 1000, connected_s=connected_s)


def all_in(state: CallState, *reports: Report) -> CallState:
    for report in reports:
        state = after(state, report)
    return state


def test_an_answered_call_is_live_and_its_buyer_has_it() -> None:
    call = after(state_of(a_leg(1)), news(1, "answered", 5)).call
    assert (call.status, call.buyer_id, call.bid, call.outcome) == (CallStatus.LIVE, 1, Decimal(21), None)


def test_a_leg_that_fails_returns_its_place() -> None:
    for failure in ("busy", "no_answer", "failed"):
        (leg,) = after(state_of(a_leg(1)), news(1, failure, 5)).legs
        assert (leg.status, leg.place) == (failure, "returned")


def test_a_talk_that_is_over_keeps_its_place_in_the_windows() -> None:
    (leg,) = all_in(state_of(a_leg(1)), news(1, "answered", 5), news(1, "ended", 65, 60)).legs
    assert (leg.status, leg.place) == (LegStatus.ENDED, "used")


def test_the_first_that_answers_has_the_caller_and_the_others_are_over() -> None:
    state = all_in(state_of(a_leg(1), a_leg(2)), news(2, "answered", 5))
    assert [leg.status for leg in state.legs] == [LegStatus.CANCELED, LegStatus.ANSWERED]
    assert [leg.place for leg in state.legs] == ["returned", "taken"]
    late = after(state, news(1, "answered", 4))
    assert (late.call.buyer_id, late.legs[0].status) == (2, LegStatus.CANCELED)


def test_a_caller_who_hangs_up_while_it_rings_has_abandoned_the_call() -> None:
    state = after(state_of(a_leg(1)), CallOver(at_ms=START + 9_000))
    assert (state.call.status, state.call.closed_ms) == (CallStatus.FINISHED, 0)
    state = after(state, news(1, "ended", 9))
    assert (state.call.outcome, state.legs[0].place) == (Outcome.ABANDONED, "returned")
    assert state.call.closed_ms == START + 9_000


def test_a_phone_that_rang_beyond_the_call_s_end_was_abandoned_whatever_it_is_called() -> None:
    over = CallOver(at_ms=START + 9_000)
    assert all_in(state_of(a_leg(1)), over, news(1, "no_answer", 10)).call.outcome is Outcome.ABANDONED
    assert all_in(state_of(a_leg(1)), news(1, "no_answer", 9), over).call.outcome is Outcome.NO_TARGET


def test_what_we_decided_ourselves_was_not_abandoned() -> None:
    decided = state_of(a_leg(1), flow=({"decision": "no-target"},))
    late = all_in(decided, CallOver(at_ms=START + 9_000), news(1, "no_answer", 30))
    assert late.call.outcome is Outcome.NO_TARGET


def test_an_end_that_tells_of_talk_closes_every_leg() -> None:
    over = CallOver(at_ms=START + 70_000, connected_s=60)
    state = all_in(state_of(a_leg(1)), news(1, "answered", 5), over)
    assert (state.call.connected_s, state.legs[0].status) == (60, LegStatus.ENDED)
    assert state.call.closed_ms


def test_nobody_to_dial_is_no_target_and_a_broken_line_failed() -> None:
    over = CallOver(at_ms=START + 2_000)
    assert after(state_of(), over).call.outcome is Outcome.NO_TARGET
    assert all_in(state_of(a_leg(1)), news(1, "busy", 1), over).call.outcome is Outcome.NO_TARGET
    assert all_in(state_of(a_leg(1)), news(1, "failed", 1), over).call.outcome is Outcome.FAILED


def test_a_later_buyer_has_rescued_the_call() -> None:
    reports = (news(1, "busy", 1), news(2, "answered", 5))
    assert all_in(state_of(a_leg(1), a_leg(2)), *reports).call.rescued
    assert not all_in(state_of(a_leg(1)), news(1, "answered", 5)).call.rescued


def test_talk_is_measured_by_the_clock_when_nobody_tells_how_long_it_was() -> None:
    state = all_in(state_of(a_leg(1)), news(1, "answered", 5), news(1, "ended", 65))
    assert (state.call.connected_s, state.call.dialed_s) == (60, 64)


def test_an_answer_after_the_end_was_assumed_counts_after_all() -> None:
    assumed = all_in(
        state_of(a_leg(1)),
        CallOver(at_ms=START + 50_000),
        LegNews(leg_uuid="leg1", news="ended", at_ms=START),
    )
    assert assumed.call.outcome is Outcome.ABANDONED
    late = all_in(assumed, news(1, "answered", 5), news(1, "ended", 45, 40))
    assert (late.call.outcome, late.call.connected_s) == (Outcome.CONNECTED, 40)
    assert (late.legs[0].place, late.call.closed_ms) == ("used", assumed.call.closed_ms)


def test_a_report_of_an_unknown_leg_says_nothing() -> None:
    state = settled_states(state_of(a_leg(1)))
    assert after(state, news(7, "answered", 5)) == state


def the_stories() -> st.SearchStrategy[tuple[CallState, list[Report]]]:
    """Whole stories: legs that failed, one that was answered or none, and the end of the call."""

    @st.composite
    def story(draw: st.DrawFn) -> tuple[CallState, list[Report]]:
        failures = draw(st.lists(st.sampled_from(["busy", "no_answer", "failed", "ended"]), max_size=3))
        reports: list[Report] = [news(i + 1, what, 3 * i + 3) for i, what in enumerate(failures)]
        legs = [a_leg(i + 1) for i in range(len(failures))]
        talked = draw(st.none() | st.integers(0, 600))
        if talked is not None:
            position = len(legs) + 1
            legs.append(a_leg(position))
            told = draw(st.none() | st.just(talked))
            reports += [
                news(position, "answered", 20),
                news(position, "ended", 20 + talked, told),
            ]
        total = 25 + (talked or 0)
        reports.append(
            CallOver(
                at_ms=START + total * 1000,
                total_s=draw(st.none() | st.just(total)),
                hung_up_by=draw(st.sampled_from(["", "caller", "buyer"])),
            )
        )
        return state_of(*legs), reports

    return story()


@given(the_stories(), st.data())
def test_shuffled_and_doubled_reports_give_the_same_record(
    told: tuple[CallState, list[Report]], data: st.DataObject
) -> None:
    state, reports = told
    in_order = all_in(state, *reports)
    doubled = reports + data.draw(st.lists(st.sampled_from(reports), max_size=4))
    shuffled = all_in(state, *data.draw(st.permutations(doubled)))
    assert shuffled == in_order
    assert shuffled.call.closed_ms
    assert all(leg.place != "taken" for leg in shuffled.legs)


@given(the_stories(), st.data())
def test_a_status_only_moves_forward(told: tuple[CallState, list[Report]], data: st.DataObject) -> None:
    state, reports = told
    rank = {CallStatus.RINGING: 0, CallStatus.LIVE: 1, CallStatus.FINISHED: 2}
    for report in data.draw(st.permutations(reports)):
        following = after(state, report)
        if state.call.status is CallStatus.FINISHED or report.__class__ is CallOver:
            assert rank[following.call.status] >= rank[state.call.status]
        assert not (state.call.closed_ms and not following.call.closed_ms)
        state = following


def the_contradictions() -> st.SearchStrategy[list[Report]]:
    """Reports that do not agree: of a leg that failed or was abandoned, of one that may have talked, of the call's end."""
    moments, told = st.integers(START, START + 90_000), st.none() | st.integers(0, 60)
    failed = st.builds(
        LegNews,
        leg_uuid=st.just("leg1"),
        news=st.sampled_from(["busy", "no_answer", "failed", "ended"]),
        at_ms=moments,
    )
    talked = st.builds(
        LegNews,
        leg_uuid=st.just("leg2"),
        news=st.sampled_from(["answered", "ended"]),
        at_ms=moments,
        connected_s=told,
    )
    over = st.builds(
        CallOver,
        at_ms=moments,
        total_s=told,
        connected_s=told,
        hung_up_by=st.sampled_from(["", "caller", "buyer", "switch"]),
        recording_url=st.sampled_from(["", "https://rec.example.com/1", "https://rec.example.com/2"]),
    )
    return st.lists(failed | talked | over, max_size=6)


@given(the_contradictions(), st.data())
def test_reports_that_contradict_each_other_give_the_same_record_in_any_order(
    reports: list[Report], data: st.DataObject
) -> None:
    state = settled_states(state_of(a_leg(1), a_leg(2)))
    shuffled = data.draw(st.permutations(reports))
    assert all_in(state, *shuffled) == all_in(state, *reports)


def test_of_two_talks_that_are_told_the_shorter_counts() -> None:
    """Twilio tells a leg's talk twice: when its <Dial> is over, and as the leg's own status."""
    answered, once, again = news(1, "answered", 5), news(1, "ended", 94, 89), news(1, "ended", 95, 90)
    for reports in ((answered, once, again), (answered, again, once)):
        assert all_in(state_of(a_leg(1)), *reports).call.connected_s == 89


def test_a_switch_that_names_who_hung_up_is_believed_more_than_the_sweep() -> None:
    swept, told = (
        CallOver(at_ms=START, hung_up_by="switch"),
        CallOver(at_ms=START + 1, hung_up_by="caller"),
    )
    assert all_in(state_of(), swept, told).call.hung_up_by == "caller"
