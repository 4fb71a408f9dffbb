"""What the switch does next, as a call stands.

Owns the one reading of a call's state into a step. Must never choose a buyer: where one is to be chosen, there is no step yet.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from shared.domain.calls import NOBODY_LEFT, CallState, Leg, LegStatus
from shared.domain.hand_ons import returning
from shared.domain.reasons import Reason, prevailing
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

_GONE = frozenset({LegStatus.CANCELED, LegStatus.TRANSFERRED})
_HAD_IT = frozenset({LegStatus.ENDED, LegStatus.TRANSFERRED})


class NoTarget(Struct, frozen=True, kw_only=True):
    """The decision that nobody is left, as the call's flow keeps it. Shape: dropped counts candidates by reason."""

    at_ms: int
    decision: str = NOBODY_LEFT
    reason: Reason
    dropped: Mapping[Reason, int]


def step_of(state: CallState, *, message: str, key: str) -> Step | None:
    """The next step; None when somebody must be dialled first."""
    call = state.call
    last = call.flow[-1] if call.flow else {}
    if last.get("decision") == NOBODY_LEFT:
        return HangUp(call_uuid=call.uuid, message=message, reason=str(last.get("reason", "")))
    if call.ended_ms:
        return HangUp(call_uuid=call.uuid)
    handed_on = [leg for leg in state.legs if leg.transferred_from and leg.status is LegStatus.DIALLING]
    if any(leg.status is LegStatus.ANSWERED for leg in state.legs) and all(leg.warm for leg in handed_on):
        late = tuple(leg.uuid for leg in state.legs if leg.status in _GONE and _is_there(leg))
        return Connected(call_uuid=call.uuid, drop=late)
    ringing = handed_on or [leg for leg in state.legs if leg.status is LegStatus.DIALLING]
    if ringing:
        legs = tuple(_dialled(leg, call_uuid=call.uuid, key=key) for leg in ringing)
        return Dial(call_uuid=call.uuid, legs=legs, caller=call.caller)
    if returning(state) is None and any(leg.status in _HAD_IT for leg in state.legs):
        return HangUp(call_uuid=call.uuid)
    return None


def _is_there(leg: Leg) -> bool:
    """Whether its phone is still to be hung up: one that answers though it was taken back, until its end is told."""
    return not leg.ended_ms or bool(leg.failure and leg.answered_ms and leg.connected_s is None)


def no_target(fall: Waterfall, *, capped: int, at_ms: int) -> NoTarget:
    """Nobody is left: why. Shape: capped candidates had no place."""
    dropped = Counter(fall.dropped)
    if capped:
        dropped[Reason.BUYERS_CAPPED] += capped
    reason = Reason(fall.decided) if fall.decided else prevailing(dropped)
    return NoTarget(at_ms=at_ms, reason=reason, dropped=dict(dropped))


def _dialled(leg: Leg, *, call_uuid: str, key: str) -> DialLeg:
    """A SIP leg tells the buyer which call it is, and the key that writes its tags."""
    headers = {"X-PH-RetreaverUUID": call_uuid, "X-PH-RetreaverKey": key}
    return DialLeg(
        leg_uuid=leg.uuid,
        number=leg.number,
        timeout_seconds=leg.timeout_seconds,
        send_digits=leg.send_digits,
        headers=headers if leg.number.startswith("sip:") else {},
    )


def without_postgres(event: LegEvent | CallEnded | Look, fallback: FallBack) -> Step:
    """What a live caller's switch is told while nothing can be read: whoever talks goes on, nobody is left in silence."""
    if isinstance(event, CallEnded):
        return HangUp(call_uuid=event.call_uuid)
    if isinstance(event, LegEvent) and event.news == "answered":
        return Connected(call_uuid=event.call_uuid)
    if isinstance(event, LegEvent) and event.news == "ended" and event.connected_s:
        return HangUp(call_uuid=event.call_uuid)
    return fallback
