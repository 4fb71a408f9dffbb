"""A live call may be handed on once at a time; whoever fails to take it gives it back to its buyer."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from shared.domain.call_events import CallOver, LegNews, Report, after
from shared.domain.calls import CallState, CallStatus, Leg, LegStatus
from shared.domain.hand_backs import held_leg
from shared.domain.hand_ons import (
    HandOn,
    handed_on,
    held_transfer,
    not_told,
    returning,
    taken_back,
    transferor,
)
from shared.domain.reasons import Reason
from shared.domain.switching.nouns import Connected
from shared.domain.switching.steps import step_of
from tests.pure.calls.test_hand_backs import GROUP, NOW_MS, a_call, answered

TO = HandOn(leg_uuid="t", number="+13105550101", name="Anna", key_id=9, at_ms=NOW_MS + 1_000)


def begun(**fields: object) -> CallState:
    state = answered(a_call(1))
    return handed_on(state, state.legs[0], to=replace(TO, **fields))


def brought_back() -> CallState:
    """The buyer is dialled again, by nobody's key."""
    gone = told(begun(), news("l1", "ended", 10), news("t", "no_answer", 30))
    first = returning(gone)
    assert first is not None
    assert first.uuid == "l1"
    to = replace(TO, leg_uuid="r", number=first.number, key_id=0, at_ms=NOW_MS + 31_000)
    return handed_on(gone, first, to=to)


def news(leg: str, what: str, after_s: int, **told: int) -> LegNews:
    return LegNews(leg_uuid=leg, news=what, at_ms=NOW_MS + after_s * 1000, **told)


def told(state: CallState, *reports: Report) -> CallState:
    for report in reports:
        state = after(state, report)
    return state


def statuses(state: CallState) -> list[LegStatus]:
    return [leg.status for leg in state.legs]


def test_a_buyer_of_the_group_that_has_the_caller_hands_it_on() -> None:
    state = answered(a_call(1))
    leg = transferor(state, GROUP)
    assert isinstance(leg, Leg)
    assert transferor(a_call(1), GROUP) is Reason.CALL_NOT_FOUND
    assert transferor(answered(a_call(3)), GROUP) is Reason.CALL_NOT_FOUND
    assert transferor(told(state, CallOver(at_ms=NOW_MS)), GROUP) is Reason.CALLER_HUNG_UP


def test_one_at_a_time() -> None:
    assert transferor(begun(), GROUP) is Reason.ALREADY_TRANSFERRED
    assert transferor(told(begun(), news("t", "answered", 9)), GROUP) is Reason.ALREADY_TRANSFERRED
    assert isinstance(transferor(told(begun(), news("t", "busy", 9)), GROUP), Leg)


def test_whom_it_is_handed_on_to_takes_no_place_and_cannot_hand_it_back() -> None:
    state = told(begun(), news("t", "answered", 9))
    assert [leg.place for leg in state.legs] == ["used", "returned"]
    assert held_leg(state, GROUP, now_ms=NOW_MS) is Reason.CALL_NOT_FOUND


def test_an_answer_ends_the_buyer_s_part_and_the_call_goes_on() -> None:
    state = told(begun(), news("t", "answered", 9))
    assert statuses(state) == [LegStatus.TRANSFERRED, LegStatus.ANSWERED]
    assert (state.call.status, state.call.buyer_id) == (CallStatus.LIVE, 1)
    over = told(state, news("t", "ended", 60, connected_s=51), CallOver(at_ms=NOW_MS + 60_000))
    assert over.call.connected_s == 60
    assert over.call.closed_ms


def test_a_buyer_that_stays_is_there_until_its_own_end() -> None:
    state = told(begun(warm=True), news("t", "answered", 9))
    assert statuses(state) == [LegStatus.ANSWERED, LegStatus.ANSWERED]
    back = told(state, news("t", "ended", 20))
    assert statuses(back) == [LegStatus.ANSWERED, LegStatus.ENDED]
    assert told(back, news("l1", "ended", 50, connected_s=50)).call.connected_s == 50
    assert statuses(told(state, news("l1", "ended", 20))) == [LegStatus.TRANSFERRED, LegStatus.ANSWERED]


def test_a_failure_leaves_the_caller_with_the_buyer_or_brings_it_back_once() -> None:
    stays = told(begun(), news("t", "no_answer", 30))
    assert statuses(stays) == [LegStatus.ANSWERED, LegStatus.NO_ANSWER]
    assert returning(stays) is None
    assert returning(told(stays, news("l1", "ended", 50))) is None, "he left after it had failed"
    back = brought_back()
    assert returning(told(back, news("r", "busy", 40))) is None
    assert statuses(told(back, news("r", "answered", 40)))[0] is LegStatus.TRANSFERRED


def test_a_buyer_that_was_dialled_again_hands_its_caller_on_again() -> None:
    ringing = brought_back()
    assert transferor(ringing, GROUP) is Reason.ALREADY_TRANSFERRED
    assert held_transfer(ringing, "r", answered=False) is Reason.TRANSFER_NOT_FOUND
    state = told(ringing, news("r", "answered", 35))
    leg = transferor(state, GROUP)
    assert isinstance(leg, Leg)
    assert leg.uuid == "r"
    again = handed_on(state, leg, to=replace(TO, leg_uuid="t2", at_ms=NOW_MS + 41_000))
    assert transferor(again, GROUP) is Reason.ALREADY_TRANSFERRED
    assert isinstance(transferor(told(again, news("t2", "busy", 45)), GROUP), Leg)
    taken = told(again, news("t2", "answered", 45))
    assert transferor(taken, GROUP) is Reason.ALREADY_TRANSFERRED
    assert statuses(taken)[2:] == [LegStatus.TRANSFERRED, LegStatus.ANSWERED]
    assert [each.place for each in taken.legs] == ["used", "returned", "returned", "returned"]
    gone = told(again, news("r", "ended", 42), news("t2", "busy", 45))
    first = returning(gone)
    assert first is not None
    assert first.uuid == "r"


def test_a_directory_may_name_the_buyer_s_own_number() -> None:
    gone = told(begun(number="+18005550111"), news("l1", "ended", 10), news("t", "no_answer", 30))
    first = returning(gone)
    assert first is not None
    assert first.uuid == "l1"


def test_what_the_switch_did_not_hear_changes_nothing() -> None:
    state = begun(leaves=True)
    assert statuses(state) == [LegStatus.ENDED, LegStatus.DIALLING]
    assert state.call.status is CallStatus.LIVE
    undone = not_told(state, replace(TO, leaves=True), at_ms=NOW_MS + 2_000)
    assert isinstance(undone, CallState)
    assert statuses(undone) == [LegStatus.ANSWERED, LegStatus.CANCELED]
    assert isinstance(transferor(undone, GROUP), Leg)


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize(
    "came",
    [
        news("t", "answered", 3),
        news("t", "busy", 3),
        news("t", "ended", 3),
        news("l1", "ended", 3, connected_s=3),
    ],
)
def test_what_the_switch_goes_on_with_is_not_undone(came: Report, leaves: bool) -> None:
    state = told(begun(leaves=leaves), came)
    assert not_told(state, replace(TO, leaves=leaves), at_ms=NOW_MS + 4_000) is None


def test_a_caller_who_hung_up_is_not_brought_back() -> None:
    state = told(begun(), CallOver(at_ms=NOW_MS + 3_000))
    assert not_told(state, TO, at_ms=NOW_MS + 4_000) is Reason.CALLER_HUNG_UP


def test_whoever_answers_what_was_taken_back_takes_nobody_and_is_dropped() -> None:
    state = begun()
    back = taken_back(state, state.legs[1], at_ms=NOW_MS + 5_000)
    late = told(back, news("t", "answered", 4))  # by a switch whose clock is behind
    assert statuses(late) == [LegStatus.ANSWERED, LegStatus.CANCELED]
    assert step_of(late, message="", key="") == Connected(call_uuid="c", drop=("t",))
    over = told(late, news("t", "ended", 6, connected_s=2))
    assert step_of(over, message="", key="") == Connected(call_uuid="c", drop=())
    assert told(over, news("l1", "ended", 50, connected_s=50)).call.connected_s == 50


def test_a_held_caller_s_transfer_that_is_taken_back_was_a_talk() -> None:
    state = told(begun(warm=True), news("t", "answered", 9))
    back = taken_back(state, state.legs[1], at_ms=NOW_MS + 20_000)
    assert statuses(back) == [LegStatus.ANSWERED, LegStatus.ENDED]


def test_only_a_transfer_that_is_under_way_is_held() -> None:
    state = begun(warm=True)
    assert isinstance(held_transfer(state, "t", answered=False), Leg)
    assert held_transfer(state, "t", answered=True) is Reason.TRANSFER_OVER
    assert held_transfer(state, "l1", answered=False) is Reason.TRANSFER_NOT_FOUND
    there = told(state, news("t", "answered", 9))
    assert isinstance(held_transfer(there, "t", answered=True), Leg)
    assert held_transfer(told(there, news("l1", "ended", 20)), "t", answered=True) is Reason.TRANSFEROR_GONE
    assert held_transfer(begun(), "t", answered=True) is Reason.CALLER_NOT_HELD
    back = taken_back(state, state.legs[1], at_ms=NOW_MS + 5_000)
    assert held_transfer(back, "t", answered=False) is Reason.TRANSFER_OVER
    over = told(state, CallOver(at_ms=NOW_MS + 9_000))
    assert held_transfer(over, "t", answered=False) is Reason.CALLER_HUNG_UP


def test_reports_of_a_transfer_may_come_in_any_order() -> None:
    reports: tuple[Report, ...] = (
        news("t", "answered", 9),
        news("l1", "ended", 9, connected_s=9),
        news("t", "ended", 60, connected_s=51),
        CallOver(at_ms=NOW_MS + 60_000),
    )
    ends = {repr(told(begun(), *order)) for order in permutations(reports)}
    assert len(ends) == 1


def test_reports_of_a_second_transfer_may_come_in_any_order() -> None:
    state = told(brought_back(), news("r", "answered", 35))
    again = handed_on(state, state.legs[2], to=replace(TO, leg_uuid="t2", at_ms=NOW_MS + 41_000))
    reports: tuple[Report, ...] = (
        news("t2", "answered", 50),
        news("r", "ended", 50, connected_s=15),
        news("t2", "ended", 90, connected_s=40),
        CallOver(at_ms=NOW_MS + 90_000),
    )
    ends = {repr(told(again, *order)) for order in permutations(reports)}
    assert len(ends) == 1
    assert told(again, *reports).call.connected_s == 90
