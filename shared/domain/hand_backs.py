"""A live call that its buyer hands back: whether it may, and who may get it then.

Owns the rule of 90 seconds and the entry that a rejection leaves in the call's flow. Must never choose the next buyer.
Source: control.md, rejection.
"""

from collections.abc import Collection, Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.domain.calls import CallState, Leg, LegStatus, settled_states
from shared.domain.reasons import Reason

REJECTED = "rejected"
WITHIN_MS = 90_000


class Rejection(Struct, frozen=True, kw_only=True):
    """A buyer has handed the call back, as the call's flow keeps it.

    Shape: members are the buyers of the key's group at that moment: they come next. With the fallback `group` nobody else does.
    """

    at_ms: int
    decision: str = REJECTED
    leg: str
    buyer_id: int
    group_id: int
    members: tuple[int, ...]
    fallback: Literal["group", "campaign"]
    key_id: int


def held_leg(state: CallState, members: Collection[int], *, now_ms: int) -> Leg | Reason:
    """The leg by which a buyer of the group has the caller, if it may still hand it back; else why not."""
    if state.call.ended_ms:
        return Reason.CALL_NOT_FOUND
    of_group = [
        leg for leg in state.legs if leg.buyer_id in members and leg.answered_ms and not leg.transferred_from
    ]
    held = next((leg for leg in of_group if leg.status is LegStatus.ANSWERED), None)
    if held is not None:
        return held if now_ms - held.answered_ms <= WITHIN_MS else Reason.TOO_LATE
    if any(leg.status is LegStatus.REJECTED for leg in of_group):
        return Reason.ALREADY_REJECTED
    return Reason.CALL_NOT_FOUND


def handed_back(state: CallState, rejection: Rejection) -> CallState:
    """The call without its buyer, whose places are given back whole."""
    legs = tuple(
        replace(leg, status=LegStatus.REJECTED, place="returned") if leg.uuid == rejection.leg else leg
        for leg in state.legs
    )
    flow = (*state.call.flow, msgspec.to_builtins(rejection))
    return settled_states(replace(state, call=replace(state.call, flow=flow), legs=legs))


def last_rejection(flow: Collection[Mapping[str, object]]) -> Rejection | None:
    """The rejection by which a call is routed now; None when nobody has handed it back."""
    told = [each for each in flow if each.get("decision") == REJECTED]
    return msgspec.convert(told[-1], Rejection) if told else None
