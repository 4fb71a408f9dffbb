"""The Twilio adapter, also for SignalWire's cXML and Telnyx's TeXML: forms in, TwiML out.

Owns their parameter names, statuses and elements. Must never refuse a live call for a value that can be left out.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import assert_never
from urllib.parse import parse_qsl, quote, urlencode

from shared.domain import uuid7
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.refusals import XML
from shared.domain.switching.callers import is_call_id, read_caller
from shared.domain.switching.credentials import Credential
from shared.domain.switching.nouns import (
    CallEnded,
    Connected,
    Dial,
    DialLeg,
    FallBack,
    HangUp,
    Inbound,
    LegEvent,
    LegNews,
    Look,
    Refused,
    Reject,
    Step,
)
from shared.domain.switching.signatures import read_form
from shared.domain.web_address import is_web_address
from shared.domain.xml_text import xml_text

# A leg that was canceled rang until its caller hung up or another leg was answered.
_OVER: Mapping[str, LegNews] = {
    "completed": "ended",
    "canceled": "ended",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
}
_DIALLED: Mapping[str, LegNews] = {**_OVER, "answered": "ended"}
_LEG: Mapping[str, LegNews] = {**_OVER, "answered": "answered", "in-progress": "answered"}
_SIP = ("sip:", "sips:")
_SIP_USER = re.compile(r"sips?:([^@;?]+)@.+", re.IGNORECASE)


def read_account(request: HttpRequest) -> str:
    """The AccountSid that a request says it is of, "" when it says none."""
    return dict(read_form(request)).get("AccountSid", "")


def read_voice(request: HttpRequest, credential: Credential) -> Inbound | Refused:
    """A call that has come in: `POST /twilio/voice`."""
    form = dict(read_form(request))
    call_id = form.get("CallSid", "")
    if not is_call_id(call_id):
        return Refused(reason=Reason.BAD_REQUEST)
    number = _user(form.get("To", ""))
    return Inbound(
        provider=credential.provider,
        company_id=credential.company_id,
        provider_call_id=call_id,
        caller=read_caller(_user(form.get("From", ""))) or "",
        number=read_e164(number) or "",
        reservation=number.lower() if uuid7.is_uuid7(number.lower()) else "",
    )


def read_dial_action(request: HttpRequest, credential: Credential) -> tuple[LegEvent, ...] | Look | Refused:
    """A <Dial> is over: `POST /twilio/dial-action?call=&leg=`; without legs a redirected call asks what is next.

    Shape: of several legs each is over; which of them was answered, their own statuses say.
    """
    call_uuid, leg_uuids = _read_names(request)
    if not call_uuid:
        return Refused(reason=Reason.CALL_NOT_FOUND)
    if not leg_uuids:
        return Look(provider=credential.provider, call_uuid=call_uuid)
    form = dict(read_form(request))
    news = _DIALLED.get(form.get("DialCallStatus", ""), "failed")  # a status to come is no success
    told_s = _read_seconds(form.get("DialCallDuration", "")) if news == "ended" else None
    return tuple(
        LegEvent(
            provider=credential.provider,
            call_uuid=call_uuid,
            leg_uuid=leg_uuid,
            news=news,
            connected_s=told_s if len(leg_uuids) == 1 else None,
        )
        for leg_uuid in leg_uuids
    )


def read_status(request: HttpRequest, credential: Credential) -> LegEvent | CallEnded | Refused | None:
    """A new status: `POST /twilio/status`, of a leg when the query names one; None when it is no news.

    Shape: the whole call is named by Twilio's own id, as its address for statuses is the same for all calls of a number. Its
    CallDuration is not read: it begins with the answer.
    """
    form = dict(read_form(request))
    status, at_ms = form.get("CallStatus", ""), _read_ms(form.get("Timestamp", ""))
    call_uuid, leg_uuids = _read_names(request)
    if leg_uuids:
        news = _LEG.get(status)
        if not call_uuid:
            return Refused(reason=Reason.CALL_NOT_FOUND)
        return news and LegEvent(
            provider=credential.provider,
            call_uuid=call_uuid,
            leg_uuid=leg_uuids[0],
            news=news,
            at_ms=at_ms,
            connected_s=_read_seconds(form.get("CallDuration", "")) if status == "completed" else None,
        )
    call_id, recording = form.get("CallSid", ""), form.get("RecordingUrl", "")
    if not is_call_id(call_id):
        return Refused(reason=Reason.BAD_REQUEST)
    if status not in _OVER:
        return None
    return CallEnded(
        provider=credential.provider,
        call_uuid=call_uuid,
        provider_call_id=call_id,
        at_ms=at_ms,
        recording_url=recording if is_web_address(recording) else "",
    )


def write_step(step: Step, public_url: str) -> HttpAnswer:
    """What Twilio is to do next. Shape: public_url is our address as Twilio calls it, without a path."""
    return HttpAnswer(
        status=200,
        body=write_twiml(step, public_url).encode(),
        content_type=XML,
        outcome=type(step).__name__.lower(),
        reason=step.reason if isinstance(step, HangUp | Reject) else "",
    )


def write_noted() -> HttpAnswer:
    """The answer to a status, which nobody acts on."""
    return HttpAnswer(status=200, body=b"<Response/>", content_type=XML, outcome="noted")


def write_twiml(step: Step, public_url: str) -> str:
    """The document of a step. When the verbs of one are at their end, Twilio hangs up."""
    return f"<Response>{_verbs(step, public_url)}</Response>"


def _verbs(step: Step, public_url: str) -> str:
    match step:
        case Dial():
            attributes = {
                "action": address(public_url, "dial-action", call_uuid=step.call_uuid, legs=step.legs),
                "method": "POST",
                "timeout": max(leg.timeout_seconds for leg in step.legs),
                "callerId": step.caller,
                "answerOnBridge": "true",
            }
            legs = [_leg(leg, public_url, call_uuid=step.call_uuid) for leg in step.legs]
            return _element("Dial", attributes, inner="".join(legs))
        case Connected():
            return ""
        case HangUp() | FallBack(number=""):
            said = _element("Say", {}, inner=xml_text(step.message)) if step.message else ""
            return said + "<Hangup/>"
        case FallBack():
            return _element("Dial", {"answerOnBridge": "true"}, inner=_number(step.number, {}))
        case Reject():
            return "<Reject/>"
        case _:
            assert_never(step)


def _leg(leg: DialLeg, public_url: str, *, call_uuid: str) -> str:
    attributes = {
        "statusCallback": address(public_url, "status", call_uuid=call_uuid, legs=(leg,)),
        "statusCallbackEvent": "answered completed",
    }
    if not leg.number.startswith(_SIP):
        return _number(leg.number, {**attributes, "sendDigits": leg.send_digits})
    headers = urlencode(leg.headers, quote_via=quote)
    joint = "&" if "?" in leg.number else "?"
    return _number(leg.number + (joint + headers if headers else ""), attributes)


def _number(number: str, attributes: Mapping[str, object]) -> str:
    name = "Sip" if number.startswith(_SIP) else "Number"
    return _element(name, attributes, inner=xml_text(number))


def _element(name: str, attributes: Mapping[str, object], *, inner: str) -> str:
    """An element; attributes without a value are left out."""
    told = "".join(f' {key}="{xml_text(str(value))}"' for key, value in attributes.items() if value != "")
    return f"<{name}{told}>{inner}</{name}>"


def address(public_url: str, name: str, *, call_uuid: str, legs: tuple[DialLeg, ...] = ()) -> str:
    """Where Twilio asks what is next (dial-action) or tells a status. Shape: legs are those that it is about."""
    told = f"&leg={','.join(leg.leg_uuid for leg in legs)}" if legs else ""
    return f"{public_url}/twilio/{name}?call={call_uuid}{told}"


def _read_names(request: HttpRequest) -> tuple[str, tuple[str, ...]]:
    """The call and the legs that the query names, without those that cannot be a call's or a leg's."""
    named = dict(parse_qsl(request.query))
    call_uuid = named.get("call", "")
    legs = tuple(leg for leg in named.get("leg", "").split(",") if uuid7.is_uuid7(leg))
    return call_uuid if uuid7.is_uuid7(call_uuid) else "", legs


def _user(address: str) -> str:
    """The user of a SIP address; anything else as it is."""
    sip = _SIP_USER.fullmatch(address)
    return sip[1] if sip else address


def _read_seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else None


def _read_ms(text: str) -> int:
    """Twilio's own time of a status, 0 when there is none. Shape: RFC 2822, as in `Thu, 26 Nov 2026 15:00:00 +0000`."""
    try:
        moment = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %z")
    except ValueError:
        return 0
    return max(0, int(moment.timestamp()) * 1000)
