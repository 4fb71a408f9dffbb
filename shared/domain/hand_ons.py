"""A live call that its buyer hands on to somebody of a directory: who may, where it is dialled, and what becomes of a failure.

Owns the legs of transfers. Must never touch a cap: whom a call is handed on to takes no place.
Source: control.md, transfer; calls.md, transfer.
"""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.calls import CallState, Failure, Leg, LegStatus, settled_states
from shared.domain.reasons import Reason

_RING_S = 30
_ENTRY = "transfer"
_TAKEN_BACK: Failure = "canceled"


class Entry(Struct, frozen=True, kw_only=True):
    """Somebody of a directory."""

    id: int
    name: str
    number: str


class ActiveCall(Struct, frozen=True, kw_only=True):
    """A live call of a group. Units: *_ms unix milliseconds."""

    call_uuid: str
    caller: str
    number: str
    dialled: str
    started_ms: int
    dialled_ms: int


class HandOn(Struct, frozen=True, kw_only=True):
    """What is dialled for a transfer.

    Shape: number is of the directory, and key_id of who asks; 0 = nobody: the buyer itself is dialled again. warm: the buyer
    stays, and the caller is held. leaves: the switch ends the buyer's leg at once, as a Twilio call's redirect does.
    """

    leg_uuid: str
    number: str
    name: str
    key_id: int
    at_ms: int
    warm: bool = False
    leaves: bool = False


def transferor(state: CallState, members: Collection[int]) -> Leg | Reason:
    """The leg by which a buyer of the group has the caller, if it may hand it on now; else why not.

    Shape: a buyer that was dialled again, as its transfer had failed, has the caller by that leg.
    """
    if state.call.ended_ms:
        return Reason.CALLER_HUNG_UP
    others = _others(state)
    of_group = [leg for leg in state.legs if leg.buyer_id in members and leg.uuid not in others]
    held = next((leg for leg in of_group if leg.status is LegStatus.ANSWERED), None)
    under_way = any(leg.transferred_from and leg.is_open and leg is not held for leg in state.legs)
    gone = held is None and any(leg.status is LegStatus.TRANSFERRED for leg in of_group)
    return Reason.ALREADY_TRANSFERRED if under_way or gone else held or Reason.CALL_NOT_FOUND


def _others(state: CallState) -> frozenset[str]:
    """The legs of those whom buyers have handed the caller on to; one that only dials its buyer again is none."""
    back = {each["leg"] for each in state.call.flow if each.get("decision") == _ENTRY and not each["key_id"]}
    return frozenset(leg.uuid for leg in state.legs if leg.transferred_from and leg.uuid not in back)


def handed_on(state: CallState, leg: Leg, *, to: HandOn) -> CallState:
    """The call with the leg that is dialled."""
    new = Leg(
        uuid=to.leg_uuid,
        position=len(state.legs) + 1,
        buyer_id=leg.buyer_id,
        group_id=leg.group_id,
        number=to.number,
        timeout_seconds=_RING_S,
        place="returned",
        dialled_ms=to.at_ms,
        transferred_from=leg.uuid,
        warm=to.warm,
    )
    entry = {"decision": _ENTRY, "at_ms": to.at_ms, "leg": to.leg_uuid, "to": to.name, "key_id": to.key_id}
    legs = tuple(
        replace(each, ended_ms=to.at_ms) if to.leaves and each.uuid == leg.uuid else each
        for each in state.legs
    )
    call = replace(state.call, flow=(*state.call.flow, entry))
    return settled_states(replace(state, call=call, legs=(*legs, new)))


def taken_back(state: CallState, leg: Leg, *, at_ms: int) -> CallState:
    """The call without a transfer: it is no longer dialled, and an answer that comes all the same takes the caller no more."""
    failure = leg.failure if leg.answered_ms else _TAKEN_BACK
    over = replace(leg, ended_ms=at_ms, failure=failure)
    return settled_states(
        replace(state, legs=tuple(over if each.uuid == leg.uuid else each for each in state.legs))
    )


def not_told(state: CallState, to: HandOn, *, at_ms: int) -> CallState | Reason | None:
    """The call as it was before a transfer whose switch did not take the command: its buyer has the caller.

    Shape: state is the call as it stands now. None = the transfer is under way all the same: there is news of its leg, or the
    buyer's has ended, and that report was answered with whom to dial.
    """
    if state.call.ended_ms:
        return Reason.CALLER_HUNG_UP
    leg = next(each for each in state.legs if each.uuid == to.leg_uuid)
    first = next(each for each in state.legs if each.uuid == leg.transferred_from)
    left = first.ended_ms != (to.at_ms if to.leaves else 0) or first.connected_s is not None
    if left or leg.answered_ms or not leg.is_open:
        return None
    failed = taken_back(state, leg, at_ms=at_ms)
    legs = tuple(replace(each, ended_ms=0) if each.uuid == first.uuid else each for each in failed.legs)
    return settled_states(replace(failed, legs=legs))


def returning(state: CallState) -> Leg | None:
    """The buyer's leg that a caller goes back to, once a transfer: it was over when that failed."""
    if state.call.ended_ms or any(leg.is_open for leg in state.legs):
        return None
    last = next((leg for leg in reversed(state.legs) if leg.transferred_from), None)
    if last is None or last.uuid not in _others(state):
        return None
    first = next(leg for leg in state.legs if leg.uuid == last.transferred_from)
    return first if first.status is LegStatus.ENDED and first.ended_ms <= last.ended_ms else None


def held_transfer(state: CallState, uuid: str, *, answered: bool) -> Leg | Reason:
    """A transfer that is under way, its caller held; else why it is none. answered: whoever was dialled must be there."""
    leg = next((each for each in state.legs if each.uuid == uuid), None)
    if leg is None or leg.uuid not in _others(state):
        return Reason.TRANSFER_NOT_FOUND
    if state.call.ended_ms:
        return Reason.CALLER_HUNG_UP
    if not leg.is_open or (leg.answered_ms and not leg.warm):
        return Reason.TRANSFER_OVER
    if not answered:
        return leg
    if not leg.warm:
        return Reason.CALLER_NOT_HELD
    first = next(each for each in state.legs if each.uuid == leg.transferred_from)
    if first.status is not LegStatus.ANSWERED:
        return Reason.TRANSFEROR_GONE
    return leg if leg.answered_ms else Reason.TRANSFER_OVER
