"""A live call may be handed back for 90 seconds, by a buyer of the group, once; then the group's others come first."""

from msgspec.structs import replace

from shared.domain.call_events import CallOver, LegNews, after
from shared.domain.calls import Call, CallState, CallStatus, Leg, LegStatus, Outcome
from shared.domain.hand_backs import Rejection, handed_back, held_leg, last_rejection
from shared.domain.reasons import Reason

NOW_MS = 1_800_000_000_000
GROUP = (1, 2)


def a_call(*buyers: int) -> CallState:
    call = Call(
        uuid="c", company_id=1, started_ms=NOW_MS, provider="generic/1", provider_call_id="1", campaign_id=1
    )
    legs = tuple(
        Leg(uuid=f"l{place}", position=place, buyer_id=buyer, number="+18005550111", dialled_ms=NOW_MS)
        for place, buyer in enumerate(buyers, start=1)
    )
    return CallState(call=call, legs=legs)


def answered(state: CallState, leg: str = "l1") -> CallState:
    return after(state, LegNews(leg_uuid=leg, news="answered", at_ms=NOW_MS))


def a_rejection(leg: str = "l1", **fields: object) -> Rejection:
    told = Rejection(at_ms=NOW_MS, leg=leg, buyer_id=1, group_id=7, members=GROUP, fallback="group", key_id=9)
    return replace(told, **fields)


def test_it_may_be_handed_back_for_90_seconds() -> None:
    state = answered(a_call(1))
    leg = held_leg(state, GROUP, now_ms=NOW_MS + 90_000)
    assert isinstance(leg, Leg)
    assert leg.uuid == "l1"
    assert held_leg(state, GROUP, now_ms=NOW_MS + 90_001) is Reason.TOO_LATE


def test_only_a_buyer_of_the_group_that_has_the_caller_hands_it_back() -> None:
    assert held_leg(a_call(1), GROUP, now_ms=NOW_MS) is Reason.CALL_NOT_FOUND
    assert held_leg(answered(a_call(3)), GROUP, now_ms=NOW_MS) is Reason.CALL_NOT_FOUND
    over = after(answered(a_call(1)), CallOver(at_ms=NOW_MS))
    assert held_leg(over, GROUP, now_ms=NOW_MS) is Reason.CALL_NOT_FOUND


def test_it_is_handed_back_once() -> None:
    state = handed_back(answered(a_call(1)), a_rejection())
    assert held_leg(state, GROUP, now_ms=NOW_MS) is Reason.ALREADY_REJECTED
    state = answered(replace(state, legs=(*state.legs, a_call(1, 2).legs[1])), "l2")
    again = held_leg(state, GROUP, now_ms=NOW_MS)
    assert isinstance(again, Leg)
    assert again.uuid == "l2", "the next buyer of the group may do so as well"


def test_the_call_rings_on_without_its_buyer_and_the_place_is_given_back() -> None:
    state = handed_back(answered(a_call(1)), a_rejection())
    assert (state.legs[0].status, state.legs[0].place) == (LegStatus.REJECTED, "returned")
    assert (state.call.status, state.call.buyer_id, state.call.answered_ms) == (CallStatus.RINGING, 0, 0)
    late = after(state, LegNews(leg_uuid="l1", news="ended", at_ms=NOW_MS + 5_000, connected_s=5))
    assert (late.legs[0].status, late.legs[0].place) == (LegStatus.REJECTED, "returned")


def test_a_call_that_nobody_took_after_it_was_handed_back_has_no_target() -> None:
    state = after(handed_back(answered(a_call(1)), a_rejection()), CallOver(at_ms=NOW_MS + 9_000))
    assert state.call.outcome is Outcome.NO_TARGET
    assert state.call.closed_ms, "nothing is open any more"


def test_the_last_rejection_is_what_the_call_is_routed_by() -> None:
    state = handed_back(answered(a_call(1, 2)), a_rejection())
    assert last_rejection(()) is None
    assert last_rejection(state.call.flow) == a_rejection()
    further = a_rejection("l2", fallback="campaign")
    state = handed_back(answered(state, "l2"), further)
    assert last_rejection(state.call.flow) == further
