"""A rejection, as people paste it into a browser.

Owns its parameter names, its words and its statuses. Must never be given a text that was sent.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from services.control.rules.nouns import Refused, Reject, Rejected
from shared.domain.http import Fault, HttpAnswer, HttpRequest
from shared.domain.parameters import Unreadable, read_authorized
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.refusals import KEY_REFUSALS, Refusal, write_error
from shared.domain.request_keys import stated

TEXT = "text/plain; charset=utf-8"
_FAILED = b"FAILED rejected"
_REFUSALS: Mapping[Reason, Refusal] = {
    **KEY_REFUSALS,
    Reason.CALL_MISSING: Refusal(422, ""),
    Reason.CALLER_NUMBER_INVALID: Refusal(422, ""),
    Reason.TAG_INVALID: Refusal(422, ""),
    Reason.CALL_NOT_FOUND: Refusal(404, ""),
    Reason.TOO_LATE: Refusal(409, ""),
    Reason.ALREADY_REJECTED: Refusal(409, ""),
}
_UNEXPECTED = Refusal(500, "")


def read_reject(request: HttpRequest) -> Reject | Refused:
    """Which call is handed back: `/handler_groups/{id}/call_control/reject`; a call's uuid wins over its caller."""
    parameters = read_authorized(request)
    if isinstance(parameters, Unreadable):
        return Refused(reason=parameters.reason)
    call_uuid = stated(parameters, "call_uuid").strip().lower()
    number = stated(parameters, "caller_number")
    caller = read_e164(number) or "" if number else ""
    if not call_uuid and not caller:
        return Refused(reason=Reason.CALLER_NUMBER_INVALID if number else Reason.CALL_MISSING)
    return Reject(token=parameters["key"], group=request.params["group"], caller=caller, call_uuid=call_uuid)


def write_rejected(rejected: Rejected) -> HttpAnswer:
    """`SUCCESS call <uuid> rejected`."""
    return HttpAnswer(
        status=200,
        body=f"SUCCESS call {rejected.call_uuid} rejected".encode(),
        content_type=TEXT,
        outcome="rejected",
        key_id=rejected.key_id,
        caller=rejected.caller,
    )


def write_not_rejected(refused: Refused) -> HttpAnswer:
    """`FAILED rejected`, with the status that fits and the reason in a header."""
    refusal = _REFUSALS.get(refused.reason, _UNEXPECTED)
    fault = Fault(
        status=refusal.status,
        reason=refused.reason,
        text="",
        request_id="",
        retry_after_s=refusal.retry_after_s,
    )
    return replace(write_reject_fault(fault), key_id=refused.key_id, caller=refused.caller)


def write_reject_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for rejections."""
    told = replace(fault, headers=(*fault.headers, ("X-Ringpost-Reason", fault.reason)))
    return replace(write_error(told), body=_FAILED, content_type=TEXT)
