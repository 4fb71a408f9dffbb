"""A call and its legs: what is known of them, and what follows from that.

Owns the nouns and the way from facts to states. Must never know who reported a fact, or in which order.

The laws (calls.md):
- a fact is only ever added: a leg was answered, was busy, is over; the call is over. So events may come twice, late and out
  of order, and the same facts give the same record;
- a leg's status follows from its facts, the call's from its own and its legs';
- the first leg that is known to be answered has the caller; the others of its call are then over;
- a leg may hand its caller on: to a leg that takes no place in caps, and whose answer ends the first one's part;
- a call is closed once it is over and the fate of each leg is known.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Failure = Literal["busy", "no_answer", "failed", "canceled"]
Place = Literal["taken", "used", "returned"]
ZERO = Decimal(0)
NOBODY_LEFT = "no-target"  # our own decision, in a call's flow: then no caller has abandoned it


class CallStatus(StrEnum):
    """Where a call is."""

    RINGING = "ringing"
    LIVE = "live"
    FINISHED = "finished"


class Outcome(StrEnum):
    """What became of a finished call."""

    CONNECTED = "connected"
    NO_TARGET = "no-target"
    ABANDONED = "abandoned"
    FAILED = "failed"


class LegStatus(StrEnum):
    """Where a leg is; it only moves forward."""

    DIALLING = "dialling"
    ANSWERED = "answered"
    ENDED = "ended"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"
    TRANSFERRED = "transferred"


class Leg(Struct, frozen=True, kw_only=True):
    """One attempt to reach a buyer, or whom a buyer hands its caller on to.

    Shape: facts are answered_ms, ended_ms, failure and connected_s; status and place follow from them. failure is "", what the
    switch said, or `canceled`: a transfer was taken back. subjects as in `b12,g3`; windows are the buyer's hour, day, month
    and the group's, in which its places were counted. transferred_from is the leg that hands on, "" = none does; warm: its
    buyer stays in the call.
    Units: *_ms unix milliseconds, 0 = not yet; connected_s of talk, None = not told.
    """

    uuid: str
    position: int
    buyer_id: int
    group_id: int = 0
    number: str
    timeout_seconds: int = 30
    send_digits: str = ""
    bid: Decimal | None = None
    status: LegStatus = LegStatus.DIALLING
    place: Place = "taken"
    subjects: str = ""
    windows: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    dialled_ms: int
    answered_ms: int = 0
    ended_ms: int = 0
    failure: str = ""
    connected_s: int | None = None
    transferred_from: str = ""
    warm: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its fate is not known yet."""
        return self.status in {LegStatus.DIALLING, LegStatus.ANSWERED}


class Call(Struct, frozen=True, kw_only=True):
    """One call, without its legs and tags.

    Shape: an id of 0, a text of "" and a moment of 0 are none. caller and number are E.164 or ""; buyer_id and group_id are of
    the leg that has the caller; number_id is only told of a new call. rev is the revision that was loaded; told_* are as the
    call's end told them.
    """

    uuid: str
    company_id: int
    started_ms: int
    rev: int = 1
    status: CallStatus = CallStatus.RINGING
    outcome: Outcome | None = None
    provider: str
    provider_call_id: str
    caller: str = ""
    number: str = ""
    number_id: int = 0
    campaign_id: int
    publisher_id: int = 0
    buyer_id: int = 0
    group_id: int = 0
    reservation_uuid: str = ""
    ping_key_id: int = 0
    reserved_buyer_id: int = 0
    reserved_group_id: int = 0
    reserved_bid: Decimal | None = None
    reserved_number: str = ""
    only_reserved: bool = False
    promised_payout: Decimal | None = None
    bid: Decimal | None = None
    via: str = ""
    rescued: bool = False
    repeat: bool = False
    duplicate: bool = False
    forwarded_ms: int = 0
    answered_ms: int = 0
    ended_ms: int = 0
    closed_ms: int = 0
    hung_up_by: str = ""
    told_total_s: int | None = None
    told_connected_s: int | None = None
    connected_s: int | None = None
    dialed_s: int | None = None
    recording_url: str = ""
    payable: bool = False
    receivable: bool = False
    revenue: Decimal = ZERO
    payout: Decimal = ZERO
    posted: Decimal | None = None
    posted_ms: int = 0
    revision: int = 0
    ledger_entries: int = 0
    fired: tuple[str, ...] = ()
    flow: tuple[Mapping[str, object], ...] = ()

    @property
    def key_seed(self) -> str:
        """What its per-call key follows from."""
        return self.reservation_uuid or self.uuid

    @property
    def total_s(self) -> int | None:
        """How long it took in all, once that is known."""
        if self.told_total_s is not None:
            return self.told_total_s
        return _seconds(self.started_ms, self.ended_ms) if self.ended_ms else None


class CallState(Struct, frozen=True, kw_only=True):
    """A call with its legs, by position, and its tags."""

    call: Call
    legs: tuple[Leg, ...] = ()
    tags: Mapping[str, str] = {}


def settled_states(state: CallState) -> CallState:
    """Every status, place, duration and outcome, as the facts have it. The same again when nothing is new."""
    ended = [_over_with_the_call(leg, state.call) for leg in state.legs]
    winner = _winner(state.call, [leg for leg in ended if not leg.transferred_from])
    known = [_handed_on(leg) if leg.transferred_from else _leg_state(leg, winner) for leg in ended]
    legs = tuple(_transferred(leg, known) for leg in known)
    return replace(state, call=_call_state(state.call, legs), legs=legs)


def _over_with_the_call(leg: Leg, call: Call) -> Leg:
    """An end that told how long the buyer talked says that every leg is over."""
    if not call.ended_ms or call.told_connected_s is None or leg.failure:
        return leg
    return replace(leg, ended_ms=min(leg.ended_ms or call.ended_ms, call.ended_ms))


def _winner(call: Call, legs: list[Leg]) -> Leg | None:
    """The leg that has the caller, and keeps it: of several the one that was known first."""
    answered = [leg for leg in legs if leg.answered_ms and leg.status is not LegStatus.REJECTED]
    held = [leg for leg in answered if (leg.buyer_id, leg.group_id) == (call.buyer_id, call.group_id)]
    return min(held or answered, key=lambda leg: (leg.answered_ms, leg.position), default=None)


def _leg_state(leg: Leg, winner: Leg | None) -> Leg:
    if leg.status is LegStatus.REJECTED:
        return leg
    if winner is not None and leg.uuid == winner.uuid:
        status = LegStatus.ENDED if leg.ended_ms else LegStatus.ANSWERED
        return replace(leg, status=status, place="used" if leg.ended_ms else "taken")
    if leg.failure:
        return replace(leg, status=LegStatus(leg.failure), place="returned")
    if leg.ended_ms or winner is not None:
        return replace(leg, status=LegStatus.CANCELED, place="returned")
    return leg


def _handed_on(leg: Leg) -> Leg:
    """A leg that a buyer's caller is handed on to."""
    if leg.failure:
        return replace(leg, status=LegStatus(leg.failure))
    if leg.ended_ms:
        return replace(leg, status=LegStatus.ENDED if leg.answered_ms else LegStatus.CANCELED)
    return replace(leg, status=LegStatus.ANSWERED if leg.answered_ms else LegStatus.DIALLING)


def _transferred(leg: Leg, legs: list[Leg]) -> Leg:
    """A leg whose caller somebody else has; one that stays in the call has it until its own end."""
    others = [each for each in legs if each.transferred_from == leg.uuid and _took(each)]
    taken = any(not each.warm or 0 < leg.ended_ms <= (each.ended_ms or leg.ended_ms) for each in others)
    if not taken or leg.status not in {LegStatus.ANSWERED, LegStatus.ENDED}:
        return leg
    place = leg.place if leg.transferred_from else "used"  # one that dialled its buyer again took none
    return replace(leg, status=LegStatus.TRANSFERRED, place=place)


def _took(leg: Leg) -> bool:
    """Whether a caller was handed on to this leg: one that answers though it was taken back, or has failed, takes nobody."""
    return bool(leg.answered_ms) and not leg.failure


def _call_state(call: Call, legs: tuple[Leg, ...]) -> Call:
    talked = next((leg for leg in legs if leg.status in _TALKED), None)
    closed = bool(call.ended_ms) and not any(leg.is_open for leg in legs)
    if call.ended_ms:
        status = CallStatus.FINISHED
    else:
        is_live = talked and any(leg.is_open for leg in legs if leg is talked or leg.transferred_from)
        status = CallStatus.LIVE if is_live else CallStatus.RINGING
    return replace(
        call,
        status=status,
        outcome=_outcome(call, legs) if call.ended_ms else None,
        buyer_id=talked.buyer_id if talked else 0,
        group_id=talked.group_id if talked else 0,
        bid=talked.bid if talked else None,
        answered_ms=talked.answered_ms if talked else 0,
        forwarded_ms=legs[0].dialled_ms if legs else 0,
        connected_s=_connected_s(call, talked, legs=legs),
        dialed_s=_seconds(talked.dialled_ms, talked.ended_ms) if talked and talked.ended_ms else None,
        rescued=talked is not None and any(leg.position < talked.position and leg.failure for leg in legs),
        closed_ms=call.ended_ms if closed else 0,
    )


_RANG_ON = frozenset({LegStatus.CANCELED, LegStatus.DIALLING})
_TALKED = frozenset({LegStatus.ANSWERED, LegStatus.ENDED, LegStatus.TRANSFERRED})


def _connected_s(call: Call, talked: Leg | None, *, legs: tuple[Leg, ...]) -> int | None:
    """How long the buyer talked, and whom it has handed on to: as its leg's end told, else as the call's, else by the clock."""
    if talked is None:
        return 0 if call.ended_ms else None
    others = [leg for leg in legs if leg.transferred_from and _took(leg)]
    if others and talked.status is LegStatus.TRANSFERRED:
        told = call.told_connected_s
        ended_ms = 0 if any(leg.is_open for leg in others) else max(leg.ended_ms for leg in others)
        return told if told is not None or not ended_ms else _seconds(talked.answered_ms, ended_ms)
    if talked.connected_s is not None:
        return talked.connected_s
    if not talked.ended_ms:
        return None
    told = call.told_connected_s
    return told if told is not None else _seconds(talked.answered_ms, talked.ended_ms)


def _outcome(call: Call, legs: tuple[Leg, ...]) -> Outcome:
    """A caller who hung up while somebody's phone rang has abandoned the call, whatever the switch calls that; else nobody
    took it: neither did a buyer who handed it back.
    """
    if any(leg.status in _TALKED for leg in legs):
        return Outcome.CONNECTED
    nobody_left = bool(call.flow) and call.flow[-1].get("decision") == NOBODY_LEFT
    if not nobody_left and any(leg.status in _RANG_ON or leg.ended_ms > call.ended_ms for leg in legs):
        return Outcome.ABANDONED
    return Outcome.FAILED if legs and all(leg.failure == "failed" for leg in legs) else Outcome.NO_TARGET


def _seconds(from_ms: int, until_ms: int) -> int:
    return max(0, until_ms - from_ms) // 1000
