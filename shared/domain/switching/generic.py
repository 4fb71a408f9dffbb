"""The generic JSON adapter: for any switch that can speak HTTP.

Owns its bodies, both ways. Must never say of what it refuses more than which field it was.
"""

from typing import Annotated, Any, Literal, assert_never

import msgspec
from msgspec import Meta, Struct, field

from shared.domain import uuid7
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.switching.callers import is_call_id, read_caller
from shared.domain.switching.credentials import Credential
from shared.domain.switching.nouns import (
    CallEnded,
    Conference,
    Connected,
    Dial,
    DialLeg,
    FallBack,
    HangUp,
    Inbound,
    LegEvent,
    LegNews,
    Refused,
    Reject,
    Step,
    Transfer,
)
from shared.domain.web_address import is_web_address

_Moment = Annotated[float, Meta(ge=0, lt=4_102_444_800)]  # until 2100, so milliseconds are told from seconds
_Duration = Annotated[float, Meta(ge=0, le=604_800)]  # a week


class _CallBody(Struct, frozen=True, kw_only=True):
    call_id: str
    caller: str | None = field(default=None, name="from")
    number: str | None = field(default=None, name="to")
    sip_user: str | None = None


class _EventBody(Struct, frozen=True, kw_only=True):
    event: LegNews
    call_uuid: str | None = None
    leg_id: str | None = None
    at: _Moment | None = None
    connected_duration: _Duration | None = None
    duration: _Duration | None = None
    hung_up_by: Literal["", "caller", "buyer", "switch"] | None = None
    recording_url: str | None = None


_decode_call = msgspec.json.Decoder(_CallBody).decode
_decode_event = msgspec.json.Decoder(_EventBody).decode
_encode = msgspec.json.Encoder().encode


def read_inbound(request: HttpRequest, credential: Credential) -> Inbound | Refused:
    """A call that has come in: `POST /v1/calls`. Shape: a SIP user that is no reservation's uuid says nothing."""
    try:
        body = _decode_call(request.body)
    except msgspec.ValidationError:
        return _invalid("call_id, from, to and sip_user are texts, and call_id is required")
    except (ValueError, RecursionError):
        return Refused(reason=Reason.BAD_REQUEST)
    if not is_call_id(body.call_id):
        return _invalid("call_id has 1 to 128 visible ASCII characters")
    caller = read_caller(body.caller or "")
    if caller is None:
        return Refused(reason=Reason.CALLER_NUMBER_INVALID)
    number = read_e164(body.number) if body.number else ""
    user = (body.sip_user or "").lower()
    reservation = user if uuid7.is_uuid7(user) else ""
    if number is None or not (number or reservation):
        return Refused(reason=Reason.NUMBER_UNKNOWN)
    return Inbound(
        provider=credential.provider,
        company_id=credential.company_id,
        provider_call_id=body.call_id,
        caller=caller,
        number=number,
        reservation=reservation,
    )


def read_event(request: HttpRequest, credential: Credential) -> LegEvent | CallEnded | Refused:
    """What became of a leg or, without one, of the whole call: `POST /v1/calls/{uuid}/events`."""
    try:
        body = _decode_event(request.body)
    except msgspec.ValidationError:
        return _invalid(
            "event is answered, busy, no_answer, failed or ended; a field has a value that it cannot have"
        )
    except (ValueError, RecursionError):
        return Refused(reason=Reason.BAD_REQUEST)
    call_uuid, leg_uuid = request.params["uuid"].lower(), (body.leg_id or "").lower()
    if not uuid7.is_uuid7(call_uuid):
        return Refused(reason=Reason.CALL_NOT_FOUND)
    if body.call_uuid and body.call_uuid.lower() != call_uuid:
        return _invalid("call_uuid is not the path's")
    if not leg_uuid:
        return _call_ended(body, credential, call_uuid=call_uuid)
    if not uuid7.is_uuid7(leg_uuid):
        return _invalid("leg_id is no leg's")
    return LegEvent(
        provider=credential.provider,
        call_uuid=call_uuid,
        leg_uuid=leg_uuid,
        news=body.event,
        at_ms=round((body.at or 0) * 1000),
        connected_s=_whole(body.connected_duration),
    )


def write_step(step: Step) -> HttpAnswer:
    """What the switch is to do next."""
    told = write_body(step, word="action")
    return HttpAnswer(status=200, body=_encode(told), outcome=told["action"], reason=told.get("reason", ""))


def write_body(step: Step, *, word: str) -> dict[str, Any]:
    """A step as a JSON object. Shape: word is the name under which it says what to do: action, or command."""
    match step:
        case Dial():
            legs = [_leg(leg) for leg in step.legs]
            return {"call_uuid": step.call_uuid, word: "dial", "caller": step.caller, "legs": legs}
        case Connected():
            return {"call_uuid": step.call_uuid, word: "connected", "drop_legs": step.drop}
        case HangUp():
            told = {"message": step.message, "reason": step.reason}
            return {"call_uuid": step.call_uuid, word: "hangup", **told}
        case FallBack(number=""):
            return {word: "hangup", "message": step.message}
        case FallBack():
            return {word: "dial", "fallback": True, "number": step.number}
        case Reject():
            return {word: "reject", "reason": step.reason}
        case _:
            assert_never(step)


def write_handing_on(command: Transfer | Conference) -> dict[str, Any]:
    """A caller is handed on: `transfer`, or `conference`."""
    if isinstance(command, Conference):
        return {"call_uuid": command.call_uuid, "command": "conference", "leg_ids": command.legs}
    told = {"from_leg_id": command.from_leg_uuid, "caller": command.caller, "hold_caller": command.hold}
    return {"call_uuid": command.call_uuid, "command": "transfer", **told, **_leg(command.leg)}


def _call_ended(body: _EventBody, credential: Credential, *, call_uuid: str) -> CallEnded | Refused:
    if body.event != "ended":
        return _invalid("leg_id is required: only ended may be said of the whole call")
    if body.recording_url and not is_web_address(body.recording_url):
        return _invalid("recording_url is no http(s) address")
    return CallEnded(
        provider=credential.provider,
        call_uuid=call_uuid,
        at_ms=round((body.at or 0) * 1000),
        total_s=_whole(body.duration),
        connected_s=_whole(body.connected_duration),
        hung_up_by=body.hung_up_by or "",
        recording_url=body.recording_url or "",
    )


def _leg(leg: DialLeg) -> dict[str, Any]:
    told = {"number": leg.number, "timeout_seconds": leg.timeout_seconds, "send_digits": leg.send_digits}
    return {"leg_id": leg.leg_uuid, **told, "headers": leg.headers}


def _invalid(text: str) -> Refused:
    return Refused(reason=Reason.EVENT_INVALID, text=text)


def _whole(duration: float | None) -> int | None:
    return None if duration is None else int(duration)
