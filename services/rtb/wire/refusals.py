"""Refusals of the rtb service: one status and one text for each reason.

Owns the error body. Must never be given a text that a client sent.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from services.rtb.rules.nouns import Refused
from shared.domain.http import Fault, HttpAnswer
from shared.domain.reasons import Reason
from shared.domain.xml_text import write_element

JSON = "application/json"
XML = "application/xml"
ROOT = "rtb"

Headers = tuple[tuple[str, str], ...]


class _Answer(Struct, frozen=True):
    status: int
    text: str
    headers: Headers = ()


_ANSWERS: Mapping[Reason, _Answer] = {
    Reason.KEY_MISSING: _Answer(401, "a key is required"),
    Reason.KEY_UNKNOWN: _Answer(401, "the key is not known"),
    Reason.KEY_AMBIGUOUS: _Answer(401, "two different keys in one request"),
    Reason.KEY_PAUSED: _Answer(403, "the key is paused"),
    Reason.SCOPE: _Answer(403, "the key is not for this"),
    Reason.FEATURE_OFF: _Answer(403, "real-time bidding is switched off for this account"),
    Reason.TOO_MANY_UNKNOWN_KEYS: _Answer(429, "too many unknown keys", (("Retry-After", "10"),)),
    Reason.PUBLISHER_UNKNOWN: _Answer(422, "publisher_id is not a publisher of this account"),
    Reason.CALLER_NUMBER_MISSING: _Answer(422, "FAILED must include caller_number (string)"),
    Reason.CALLER_NUMBER_INVALID: _Answer(422, "caller_number is not a possible phone number"),
    Reason.INBOUND_NUMBER_UNKNOWN: _Answer(422, "inbound_number is not a number of this campaign"),
    Reason.INBOUND_NUMBER_NOT_ALLOWED: _Answer(422, "the key is bound to another inbound_number"),
    Reason.CAMPAIGN_REQUIRED: _Answer(422, "campaign_id is required"),
    Reason.CAMPAIGN_UNKNOWN: _Answer(422, "campaign_id is not a campaign of this account"),
    Reason.TAG_INVALID: _Answer(422, "a tag is not valid"),
    Reason.STATUS_INVALID: _Answer(422, "status must be confirmed"),
    Reason.BAD_REQUEST: _Answer(400, "the request cannot be read"),
    Reason.NOT_FOUND: _Answer(404, "there is no such reservation"),
}
# A reason that no refusal of this service should have is still answered, and as our own fault.
_UNEXPECTED = _Answer(500, "internal error")


class _ErrorBody(Struct, frozen=True, kw_only=True):
    status: str
    error: str
    reason: str
    request_id: str


_encode = msgspec.json.Encoder().encode


def write_refusal(
    refused: Refused, request_id: str, *, xml: bool | None = None, key_id: int = 0
) -> HttpAnswer:
    """The error body with the reason's status. xml: the form asked for, if the refusal cannot know it."""
    answer = _ANSWERS.get(refused.reason, _UNEXPECTED)
    xml = refused.xml if xml is None else xml
    return HttpAnswer(
        status=answer.status,
        body=_error_body(refused.text or answer.text, refused.reason, request_id, xml=xml),
        content_type=XML if xml else JSON,
        headers=answer.headers,
        outcome="refused",
        reason=refused.reason,
        key_id=key_id or refused.key_id,
    )


def write_rate_limited(retry_after_s: int, request_id: str, *, xml: bool, key_id: int) -> HttpAnswer:
    """A key that pings too fast. Units: seconds until it may again."""
    return HttpAnswer(
        status=429,
        body=_error_body("too many pings in this second", Reason.RATE_LIMITED, request_id, xml=xml),
        content_type=XML if xml else JSON,
        headers=(("Retry-After", str(max(retry_after_s, 1))),),
        outcome="rejected",
        reason=Reason.RATE_LIMITED,
        key_id=key_id,
    )


def write_xml_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for the .xml endpoints."""
    retry = (("Retry-After", str(fault.retry_after_s)),) if fault.retry_after_s else ()
    return HttpAnswer(
        status=fault.status,
        body=_error_body(fault.text, fault.reason, fault.request_id, xml=True),
        content_type=XML,
        headers=(*fault.headers, *retry),
        outcome="refused" if fault.status < 500 else "failed",
        reason=fault.reason,
    )


def _error_body(text: str, reason: Reason, request_id: str, *, xml: bool) -> bytes:
    body = _ErrorBody(status="error", error=text, reason=reason, request_id=request_id)
    return write_element(ROOT, asdict(body).items()) if xml else _encode(body)
