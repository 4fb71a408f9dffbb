"""Transfers: the page, its JSON and its words, and Call Control v1.

Owns their parameter names, words, errors and the page. Must never put a key into the page, nor a text that was sent unescaped.
"""

from collections.abc import Mapping
from html import escape

import msgspec
from msgspec.structs import replace

from services.control.rules.nouns import Active, Desk, HandedOn, Handing, OnTransfer, Refused
from shared.domain.hand_ons import ActiveCall
from shared.domain.http import Fault, HttpAnswer, HttpRequest
from shared.domain.parameters import Parameters, Unreadable, read_parameters
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.refusals import JSON, KEY_REFUSALS, Refusal, write_error
from shared.domain.request_keys import read_key, stated

TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_PAGE_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
_REFUSALS: Mapping[Reason, Refusal] = {
    **KEY_REFUSALS,
    Reason.CALL_MISSING: Refusal(422, "must include caller_number or call_uuid"),
    Reason.CALLER_NUMBER_INVALID: Refusal(422, "caller_number is not a possible phone number"),
    Reason.TAG_INVALID: Refusal(422, "a value is not valid"),
    Reason.CALL_NOT_FOUND: Refusal(404, "call not live"),
    Reason.NOT_IN_DIRECTORY: Refusal(403, "cannot dial transfer_to number"),
    Reason.ALREADY_TRANSFERRED: Refusal(409, "call already transferred"),
    Reason.CALLER_HUNG_UP: Refusal(409, "caller hung up"),
    Reason.CALLER_NOT_HELD: Refusal(409, "caller not held"),
    Reason.TRANSFER_NOT_FOUND: Refusal(404, "transfer not found"),
    Reason.TRANSFER_OVER: Refusal(409, "transfer not in progress"),
    Reason.TRANSFEROR_GONE: Refusal(409, "transferor not present"),
    Reason.SWITCH_SILENT: Refusal(503, "cannot dial transfer_to number", 1),
}
_UNEXPECTED = Refusal(500, "internal error")
_UNAUTHORIZED = frozenset({401, 403})
_TRUE = frozenset({"1", "true", "yes", "on"})
_encode = msgspec.json.Encoder().encode


def read_handing(request: HttpRequest) -> Handing | Refused:
    """The page, or its form: `/handler_groups/{group}/transfers/interface`."""
    parameters = _read_authorized(request)
    if isinstance(parameters, Refused):
        return parameters
    call_uuid = stated(parameters, "call_uuid").strip().lower()
    number = stated(parameters, "caller_number")
    caller = read_e164(number) or "" if number else ""
    if not call_uuid and not caller:
        return Refused(reason=Reason.CALLER_NUMBER_INVALID if number else Reason.CALL_MISSING)
    entry = parameters.get("entry", "")
    return Handing(
        token=parameters["key"],
        group=request.params["group"],
        caller=caller,
        call_uuid=call_uuid,
        entry=int(entry) if entry.isascii() and entry.isdecimal() and len(entry) < 19 else 0,
        number=parameters.get("transfer_to", "").strip(),
    )


def read_transfer(request: HttpRequest) -> Handing | Refused:
    """Call Control v1: `POST /call_control/v1/calls/{uuid}/transfer.json`, and the list of live calls, which names none."""
    parameters = _read_authorized(request)
    if isinstance(parameters, Refused):
        return parameters
    return Handing(
        token=parameters["key"],
        call_uuid=request.params.get("uuid", "").lower(),
        number=parameters.get("transfer_to", "").strip(),
        hold=parameters.get("hold_caller", "").lower() in _TRUE,
    )


def read_on_transfer(request: HttpRequest) -> OnTransfer | Refused:
    """Call Control v1: something is to become of `/call_control/v1/transfers/{uuid}`."""
    parameters = _read_authorized(request)
    if isinstance(parameters, Refused):
        return parameters
    return OnTransfer(token=parameters["key"], transfer_uuid=request.params["uuid"].lower())


def _read_authorized(request: HttpRequest) -> Parameters | Refused:
    parameters = read_parameters(request)
    if isinstance(parameters, Unreadable):
        return Refused(reason=parameters.reason)
    token = read_key(parameters, request.headers, path_token=parameters.get("api_key", ""))
    if isinstance(token, Reason):
        return Refused(reason=token)
    parameters["key"] = token
    return parameters


def wants_json(request: HttpRequest) -> bool:
    """Whether the page is asked for as JSON."""
    accepted = request.headers.get("Accept", "")
    return JSON in accepted and "text/html" not in accepted


def write_desk(desk: Desk, *, as_json: bool) -> HttpAnswer:
    """The live call and the directory's entries, as a page with buttons or as JSON."""
    told = HttpAnswer(status=200, body=b"", outcome="viewed", key_id=desk.key_id, caller=desk.caller)
    if as_json:
        entries = [{"id": each.id, "name": each.name, "number": each.number} for each in desk.entries]
        body = {"call_uuid": desk.call_uuid, "caller_number": desk.caller, "entries": entries}
        return replace(told, body=_encode(body), headers=_PAGE_HEADERS[:1])
    buttons = "".join(
        f'<li><button name="entry" value="{each.id}">{escape(each.name)} '
        f"<span>{escape(each.number)}</span></button></li>"
        for each in desk.entries
    )
    page = _PAGE.format(caller=escape(desk.caller) or "an anonymous caller", buttons=buttons or _NOBODY)
    return replace(told, body=page.encode(), content_type=_HTML, headers=_PAGE_HEADERS)


_NOBODY = "<li>The directory is empty.</li>"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Transfer a call</title><style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 2rem auto; padding: 0 1rem; }}
ul {{ list-style: none; padding: 0; }}
button {{ font: inherit; width: 100%; padding: .8rem; margin: .3rem 0; text-align: left; }}
button:focus-visible {{ outline: .2rem solid; }} span {{ float: right; }}
</style></head><body><main><h1>Transfer a call</h1>
<p>You are talking with <strong>{caller}</strong>. Hand the call on to:</p>
<form method="post"><ul>{buttons}</ul></form></main></body></html>
"""


def write_handed_on(done: HandedOn) -> HttpAnswer:
    """`SUCCESS call <uuid> transferred`."""
    text = f"SUCCESS call {done.call_uuid} transferred"
    return replace(_done(done), body=text.encode(), content_type=TEXT)


def write_success(done: HandedOn) -> HttpAnswer:
    """`{"success":true,"transfer_uuid"}`."""
    return replace(_done(done), body=_encode({"success": True, "transfer_uuid": done.transfer_uuid}))


def _done(done: HandedOn) -> HttpAnswer:
    return HttpAnswer(status=200, body=b"", outcome="done", key_id=done.key_id, caller=done.caller)


def write_active(active: Active) -> HttpAnswer:
    """The live calls, newest first."""
    rows = [_active_row(each) for each in active.calls]
    return HttpAnswer(status=200, body=_encode(rows), outcome="viewed", key_id=active.key_id)


def _active_row(call: ActiveCall) -> dict[str, object]:
    return {
        "caller_number": call.caller,
        "caller_number_sent": call.caller,
        "dialed_out_number": call.dialled,
        "call_uuid": call.call_uuid,
        "started_at": call.started_ms,
        "dialed_out_at": call.dialled_ms,
    }


def write_failed(refused: Refused) -> HttpAnswer:
    """`FAILED <reason>`, as text."""
    refusal = _REFUSALS.get(refused.reason, _UNEXPECTED)
    return replace(write_transfer_fault(_fault(refused.reason, refusal)), key_id=refused.key_id)


def write_no_success(refused: Refused) -> HttpAnswer:
    """`{"success":false,"error"}`, in the words of Call Control."""
    refusal = _REFUSALS.get(refused.reason, _UNEXPECTED)
    if refusal.status in _UNAUTHORIZED and refused.reason is not Reason.NOT_IN_DIRECTORY:
        refusal = Refusal(refusal.status, "not authorized")
    return replace(write_control_fault(_fault(refused.reason, refusal)), key_id=refused.key_id)


def _fault(reason: Reason, refusal: Refusal) -> Fault:
    return Fault(
        status=refusal.status,
        reason=reason,
        text=refusal.text,
        request_id="",
        retry_after_s=refusal.retry_after_s,
    )


def write_transfer_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for the page and its form."""
    return replace(_told(fault), body=f"FAILED {fault.text}".encode(), content_type=TEXT)


def write_control_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for Call Control, whose words do not tell one reason from another."""
    return replace(_told(fault), body=_encode({"success": False, "error": fault.text}))


def _told(fault: Fault) -> HttpAnswer:
    return write_error(replace(fault, headers=(*fault.headers, ("X-Ringpost-Reason", fault.reason))))
