"""What the switch is told next, as a call stands; and what, while nothing can be read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.calls import Call, CallState, Leg, LegStatus, settled_states
from shared.domain.reasons import Reason
from shared.domain.routing.waterfall import Waterfall
from shared.domain.switching.nouns import (
    CallEnded,
    Connected,
    Dial,
    DialLeg,
    FallBack,
    HangUp,
    LegEvent,
    Look,
    Step,
)
from shared.domain.switching.steps import NoTarget, no_target, step_of, without_postgres

START = 1_790_000_000_000
CALL = Call(
    uuid="c",
    company_id=1,
    started_ms=START,
    provider="generic/1",
    provider_call_id="x",
    campaign_id=1,
    caller="+12125551212",
)
MESSAGE = "Nobody is free."
NOBODY = {"decision": "no-target", "reason": "buyers_closed"}
TALKED = START + 5_000


def a_leg(position: int, **fields: Any) -> Leg:
    leg = Leg(
        uuid=f"leg{position}",
        position=position,
        buyer_id=position,
        number="+18005550111",
        dialled_ms=START,
    )
    return replace(leg, **fields)


def state_of(*legs: Leg, **fields: Any) -> CallState:
    return settled_states(CallState(call=replace(CALL, **fields), legs=legs))


def step(state: CallState) -> Step | None:
    return step_of(state, message=MESSAGE, key="pbk_call_k")


# as a call stands


def test_somebody_must_be_dialled_when_nobody_was_and_when_all_have_failed() -> None:
    assert step(state_of()) is None
    assert step(state_of(a_leg(1, failure="busy"))) is None
    assert step(state_of(a_leg(1, failure="busy"), a_leg(2, ended_ms=TALKED))) is None


def test_every_leg_that_rings_is_dialled_at_once_and_no_other() -> None:
    told = step(
        state_of(a_leg(1, failure="failed"), a_leg(2, timeout_seconds=12, send_digits="w1"), a_leg(3))
    )
    assert told == Dial(
        call_uuid="c",
        legs=(
            DialLeg(leg_uuid="leg2", number="+18005550111", timeout_seconds=12, send_digits="w1"),
            DialLeg(leg_uuid="leg3", number="+18005550111", timeout_seconds=30),
        ),
        caller="+12125551212",
    )


def test_a_sip_leg_alone_carries_the_call_and_its_key() -> None:
    told = step(state_of(a_leg(1, number="sip:desk@pbx.example.com"), a_leg(2)))
    assert isinstance(told, Dial)
    assert [dict(leg.headers) for leg in told.legs] == [
        {"X-PH-RetreaverUUID": "c", "X-PH-RetreaverKey": "pbk_call_k"},
        {},
    ]


def test_an_anonymous_caller_is_shown_to_nobody() -> None:
    told = step(state_of(a_leg(1), caller=""))
    assert isinstance(told, Dial)
    assert told.caller == ""


def test_whoever_talks_is_left_alone_and_what_still_rings_is_dropped() -> None:
    state = state_of(a_leg(1), a_leg(2, answered_ms=TALKED), a_leg(3, failure="busy"), a_leg(4))
    assert step(state) == Connected(call_uuid="c", drop=("leg1", "leg4"))


def test_a_leg_that_was_answered_too_late_is_dropped_and_one_that_is_over_is_not() -> None:
    late = state_of(a_leg(1, answered_ms=TALKED), a_leg(2, answered_ms=TALKED + 1))
    assert step(late) == Connected(call_uuid="c", drop=("leg2",))
    over = state_of(a_leg(1, answered_ms=TALKED), a_leg(2, ended_ms=TALKED + 1))
    assert step(over) == Connected(call_uuid="c")


def test_after_a_talk_nobody_else_is_dialled() -> None:
    talked = a_leg(1, answered_ms=TALKED, ended_ms=TALKED + 60_000)
    assert step(state_of(talked)) == HangUp(call_uuid="c")
    assert step(state_of(a_leg(1, status=LegStatus.TRANSFERRED))) == HangUp(call_uuid="c")


def test_a_call_that_is_over_is_hung_up_without_a_word_whatever_its_legs_do() -> None:
    for legs in ((), (a_leg(1),), (a_leg(1, answered_ms=TALKED),), (a_leg(1, failure="busy"),)):
        assert step(state_of(*legs, ended_ms=TALKED)) == HangUp(call_uuid="c")


def test_a_caller_whom_nobody_takes_hears_the_message_and_the_switch_the_reason() -> None:
    nobody = HangUp(call_uuid="c", message=MESSAGE, reason="buyers_closed")
    assert step(state_of(flow=(NOBODY,))) == nobody
    assert step(state_of(a_leg(1, failure="busy"), flow=({"decision": "dial"}, NOBODY))) == nobody


def test_the_same_is_told_again_when_the_call_has_ended_by_it() -> None:
    told = step(state_of(flow=(NOBODY,), ended_ms=TALKED))
    assert told == HangUp(call_uuid="c", message=MESSAGE, reason="buyers_closed")


def test_only_the_last_decision_counts() -> None:
    assert step(state_of(flow=(NOBODY, {"decision": "dial"}))) is None


_legs: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        answered_ms=st.sampled_from([0, 0, TALKED, TALKED + 1]),
        ended_ms=st.sampled_from([0, 0, TALKED + 2]),
        failure=st.sampled_from(["", "", "busy", "no_answer"]),
        status=st.sampled_from([LegStatus.DIALLING] * 4 + [LegStatus.REJECTED]),
    ),
    max_size=4,
)


@given(_legs, st.sampled_from([0, 0, TALKED + 3]), st.sampled_from([(), (NOBODY,)]))
def test_a_step_rings_drops_and_hangs_up_only_whom_it_may(
    fields: list[dict[str, Any]], ended_ms: int, flow: tuple[Any, ...]
) -> None:
    state = state_of(
        *(a_leg(place, **each) for place, each in enumerate(fields, 1)), ended_ms=ended_ms, flow=flow
    )
    told, status = step(state), {leg.uuid: leg.status for leg in state.legs}
    assert step(settled_states(state)) == told
    if flow or ended_ms:
        assert isinstance(told, HangUp)
    elif isinstance(told, Dial):
        assert {status[leg.leg_uuid] for leg in told.legs} == {LegStatus.DIALLING}
        assert LegStatus.ANSWERED not in status.values()
    elif isinstance(told, Connected):
        assert list(status.values()).count(LegStatus.ANSWERED) == 1
        assert all(status[uuid] is LegStatus.CANCELED for uuid in told.drop)
    else:
        assert not any(leg.is_open for leg in state.legs)
        assert told == (HangUp(call_uuid="c") if LegStatus.ENDED in status.values() else None)


# nobody is left


def test_nobody_is_left_for_the_reason_of_most_candidates() -> None:
    fall = Waterfall(dropped={Reason.BUYERS_CLOSED: 2, Reason.BUYERS_CAPPED: 1})
    assert no_target(fall, capped=0, at_ms=7) == NoTarget(
        at_ms=7, reason=Reason.BUYERS_CLOSED, dropped={Reason.BUYERS_CLOSED: 2, Reason.BUYERS_CAPPED: 1}
    )
    crowded = no_target(fall, capped=2, at_ms=7)
    assert (crowded.reason, crowded.dropped[Reason.BUYERS_CAPPED]) == (Reason.BUYERS_CAPPED, 3)
    assert fall.dropped == {Reason.BUYERS_CLOSED: 2, Reason.BUYERS_CAPPED: 1}


def test_what_was_decided_of_the_whole_call_is_its_reason_whoever_was_dropped() -> None:
    fall = Waterfall(decided="caller_suppressed", dropped={Reason.BUYERS_CLOSED: 5})
    assert no_target(fall, capped=1, at_ms=7).reason is Reason.CALLER_SUPPRESSED


def test_without_any_candidate_there_are_no_buyers() -> None:
    assert no_target(Waterfall(), capped=0, at_ms=7) == NoTarget(at_ms=7, reason=Reason.NO_BUYERS, dropped={})


def test_the_decision_that_is_kept_is_the_one_that_a_later_step_reads() -> None:
    kept = no_target(Waterfall(), capped=1, at_ms=7)
    flow = ({"decision": kept.decision, "reason": kept.reason},)
    assert step(state_of(flow=flow)) == HangUp(call_uuid="c", message=MESSAGE, reason="buyers_capped")


# while nothing can be read

FALLBACK = FallBack(number="+18005550199")


def news(what: Any, connected_s: int | None = None) -> LegEvent:
    return LegEvent(provider="generic/1", call_uuid="c", leg_uuid="leg1", news=what, connected_s=connected_s)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (news("answered"), Connected(call_uuid="c")),
        (news("ended", 60), HangUp(call_uuid="c")),
        (news("ended", 0), FALLBACK),
        (news("ended"), FALLBACK),
        (news("busy"), FALLBACK),
        (news("no_answer"), FALLBACK),
        (news("failed", 9), FALLBACK),
        (Look(provider="generic/1", call_uuid="c"), FALLBACK),
        (CallEnded(provider="generic/1", call_uuid="c"), HangUp(call_uuid="c")),
        (CallEnded(provider="generic/1", provider_call_id="x"), HangUp(call_uuid="")),
    ],
)
def test_a_live_caller_goes_on_talking_or_is_handed_to_the_fallback(
    event: LegEvent | CallEnded | Look, told: Step
) -> None:
    assert without_postgres(event, FALLBACK) == told
