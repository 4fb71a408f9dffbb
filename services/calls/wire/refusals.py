"""Refusals of the calls service: one status and one text for each reason.

Owns the answers to requests that are not acted on. Must never be given a text that a client sent. What becomes of a call
is never told here: a live caller's switch gets a step.
"""

from collections.abc import Mapping

from shared.domain.http import Fault, HttpAnswer
from shared.domain.reasons import Reason
from shared.domain.refusals import Refusal, write_error
from shared.domain.switching.nouns import Refused

_REFUSALS: Mapping[Reason, Refusal] = {
    Reason.BAD_REQUEST: Refusal(400, "the request cannot be read"),
    Reason.SIGNATURE: Refusal(403, "the signature is missing, wrong or too old"),
    Reason.CALL_NOT_FOUND: Refusal(404, "there is no such call"),
    Reason.EVENT_INVALID: Refusal(422, "the event is not valid"),
    Reason.CALLER_NUMBER_INVALID: Refusal(422, "from is not a possible phone number"),
    Reason.NUMBER_UNKNOWN: Refusal(422, "to is not a possible phone number"),
    Reason.UNAVAILABLE: Refusal(503, "try again", 1),
}
# A reason that no refusal of this service should have is still answered, and as our own fault.
_UNEXPECTED = Refusal(500, "internal error")


def write_refusal(refused: Refused, request_id: str) -> HttpAnswer:
    """The error body with the reason's status."""
    refusal = _REFUSALS.get(refused.reason, _UNEXPECTED)
    fault = Fault(
        status=refusal.status,
        reason=refused.reason,
        text=refused.text or refusal.text,
        request_id=request_id,
        retry_after_s=refusal.retry_after_s,
    )
    return write_error(fault)
