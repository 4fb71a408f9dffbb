"""Answers of the data service, as its partners read them.

Owns field names, the words of conversions, and who may read an answer in a browser. Must never be given a text that was sent.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from services.data.rules.nouns import Converted, ReadOut, Refused, Written
from shared.domain.http import Fault, HttpAnswer
from shared.domain.money import rounded
from shared.domain.reasons import Reason
from shared.domain.refusals import KEY_REFUSALS, Refusal, write_error

TEXT = "text/plain; charset=utf-8"
_ANY_ORIGIN = (("Access-Control-Allow-Origin", "*"),)
_NO_MATCH = (("X-Ringpost-Match", "none"), ("Access-Control-Expose-Headers", "X-Ringpost-Match"))
_PREFLIGHT = (
    *_ANY_ORIGIN,
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, X-Api-Key, Authorization, X-Request-Id"),
    ("Access-Control-Max-Age", "86400"),
)
_LANDED = {
    "live": "in-progress call found, tags may be ignored",
    "completed": "completed call found, tags applied",
    "stored": "call not found, tags stored",
}
_REFUSALS: Mapping[Reason, Refusal] = {
    **KEY_REFUSALS,
    Reason.CALL_MISSING: Refusal(422, "must include caller_number or call_uuid"),
    Reason.CALLER_NUMBER_INVALID: Refusal(422, "caller_number is not a possible phone number"),
    Reason.CALL_NOT_FOUND: Refusal(404, "call not found"),
    Reason.TAG_WINDOW_CLOSED: Refusal(422, "tag window closed"),
    Reason.TAG_INVALID: Refusal(422, "a tag is not valid"),
    Reason.MAP_KEYS_INVALID: Refusal(422, "map_keys must be written as theirs:ours,theirs:ours"),
    Reason.VALUE_INVALID: Refusal(422, "invalid value"),
    Reason.NO_CRITERIA: Refusal(422, "no conversion criteria"),
    Reason.CRITERIA_MISMATCH: Refusal(422, "criteria do not match"),
    Reason.TOO_LATE: Refusal(422, "too late"),
    Reason.IDEMPOTENCY_MISMATCH: Refusal(422, "the Idempotency-Key stands for another request"),
    Reason.UNAVAILABLE: Refusal(503, "try again", 1),
}
_IN_WORDS: Mapping[Reason, str] = {
    Reason.KEY_MISSING: "unknown key",
    Reason.KEY_UNKNOWN: "unknown key",
    Reason.KEY_PAUSED: "key is paused",
    Reason.CALLER_NUMBER_INVALID: "must include caller_number or call_uuid",
    Reason.TAG_INVALID: "invalid value",
}
# A reason that no refusal of this service should have is still answered, and as our own fault.
_UNEXPECTED = Refusal(500, "internal error")
_encode = msgspec.json.Encoder().encode


def write_written(written: Written) -> HttpAnswer:
    """Tags as they are kept, the identifier that was used, and where they went."""
    whose = written.whose
    used = {"call_uuid": whose.call_uuid} if whose.call_uuid else {"caller_number": whose.caller}
    return HttpAnswer(
        status=200,
        body=_encode({"tag_values": written.tags, **used, "status": _LANDED[written.landed]}),
        headers=_ANY_ORIGIN,
        outcome=written.landed,
        key_id=written.key_id,
        caller=whose.caller,
    )


def write_read_out(told: ReadOut) -> HttpAnswer:
    """One flat object of texts; without a call an empty one, and a header that says so."""
    return HttpAnswer(
        status=200,
        body=_encode(told.values),
        headers=_ANY_ORIGIN if told.found else (*_ANY_ORIGIN, *_NO_MATCH),
        outcome="found" if told.found else "none",
        key_id=told.key_id,
        caller=told.whose.caller,
    )


def write_converted(converted: Converted) -> HttpAnswer:
    """`SUCCESS <call uuid> <value, 2 decimals>`."""
    return HttpAnswer(
        status=200,
        body=f"SUCCESS {converted.call_uuid} {rounded(converted.value)}".encode(),
        content_type=TEXT,
        outcome="repeat" if converted.repeat else "converted",
        key_id=converted.key_id,
        caller=converted.caller,
    )


def write_refusal(refused: Refused, request_id: str) -> HttpAnswer:
    """The error body of writing and reading, for any origin."""
    fault = _fault(refused, request_id=request_id, text=refused.text)
    return replace(write_open_fault(fault), key_id=refused.key_id, caller=refused.caller)


def write_failed(refused: Refused) -> HttpAnswer:
    """`FAILED <words>`, with the reason's status."""
    fault = _fault(refused, text=_IN_WORDS.get(refused.reason, ""))
    return replace(write_text_fault(fault), key_id=refused.key_id, caller=refused.caller)


def _fault(refused: Refused, *, text: str, request_id: str = "") -> Fault:
    refusal = _REFUSALS.get(refused.reason, _UNEXPECTED)
    return Fault(
        status=refusal.status,
        reason=refused.reason,
        text=text or refusal.text,
        request_id=request_id,
        retry_after_s=refusal.retry_after_s,
    )


def write_text_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for conversions."""
    words = "try again" if fault.status == 503 else fault.text
    return replace(write_error(fault), body=f"FAILED {words}".encode(), content_type=TEXT)


def write_open_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for writing and reading."""
    return write_error(replace(fault, headers=(*fault.headers, *_ANY_ORIGIN)))


def write_preflight() -> HttpAnswer:
    """What a browser asks before a request of another origin."""
    return HttpAnswer(status=204, body=b"", headers=_PREFLIGHT, outcome="preflight")
