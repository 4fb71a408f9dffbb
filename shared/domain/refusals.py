"""How a refusal is told on every JSON and XML endpoint, and the refusals that a key can meet anywhere.

Owns the error body and the answers of keys.md. Must never be given a text that a client sent.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from shared.domain.http import Fault, HttpAnswer
from shared.domain.reasons import Reason
from shared.domain.xml_text import write_element

JSON = "application/json"
XML = "application/xml"


class Refusal(Struct, frozen=True):
    """What a reason is answered with. Units: retry_after_s in seconds, 0 says nothing."""

    status: int
    text: str
    retry_after_s: int = 0


KEY_REFUSALS: Mapping[Reason, Refusal] = {
    Reason.KEY_MISSING: Refusal(401, "a key is required"),
    Reason.KEY_UNKNOWN: Refusal(401, "the key is not known"),
    Reason.KEY_AMBIGUOUS: Refusal(401, "two different keys in one request"),
    Reason.KEY_PAUSED: Refusal(403, "the key is paused"),
    Reason.SCOPE: Refusal(403, "the key is not for this"),
    Reason.FEATURE_OFF: Refusal(403, "the company does not use this feature"),
    Reason.PERMISSION: Refusal(403, "the key has no permission for this"),
    Reason.SECRET: Refusal(401, "the secret is wrong or missing"),
    Reason.TOO_MANY_UNKNOWN_KEYS: Refusal(429, "too many unknown keys", 10),
    Reason.BAD_REQUEST: Refusal(400, "the request cannot be read"),
}


class _ErrorBody(Struct, frozen=True, kw_only=True):
    status: str
    error: str
    reason: str
    request_id: str


_encode = msgspec.json.Encoder().encode


def write_error(fault: Fault, *, root: str = "", key_id: int = 0) -> HttpAnswer:
    """The error body with its status. root: the XML root element, "" = JSON.

    Source: keys.md, scope.
    """
    body = _ErrorBody(status="error", error=fault.text, reason=fault.reason, request_id=fault.request_id)
    retry = (("Retry-After", str(fault.retry_after_s)),) if fault.retry_after_s else ()
    return HttpAnswer(
        status=fault.status,
        body=write_element(root, asdict(body).items()) if root else _encode(body),
        content_type=XML if root else JSON,
        headers=(*fault.headers, *retry),
        outcome="refused" if fault.status < 500 else "failed",
        reason=fault.reason,
        key_id=key_id,
    )
