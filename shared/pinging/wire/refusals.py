"""Refusals of pings: one status and one text for each reason.

Owns the answers to what only they are refused for. Must never be given a text that a client sent.
"""

from collections.abc import Mapping

from shared.domain.http import Fault, HttpAnswer
from shared.domain.reasons import Reason
from shared.domain.refusals import KEY_REFUSALS, Refusal, write_error
from shared.pinging.rules.nouns import Refused

ROOT = "rtb"

_REFUSALS: Mapping[Reason, Refusal] = {
    **KEY_REFUSALS,
    Reason.FEATURE_OFF: Refusal(403, "real-time bidding is switched off for this account"),
    Reason.PUBLISHER_UNKNOWN: Refusal(422, "publisher_id is not a publisher of this account"),
    Reason.CALLER_NUMBER_MISSING: Refusal(422, "FAILED must include caller_number (string)"),
    Reason.CALLER_NUMBER_INVALID: Refusal(422, "caller_number is not a possible phone number"),
    Reason.INBOUND_NUMBER_UNKNOWN: Refusal(422, "inbound_number is not a number of this campaign"),
    Reason.INBOUND_NUMBER_NOT_ALLOWED: Refusal(422, "the key is bound to another inbound_number"),
    Reason.CAMPAIGN_REQUIRED: Refusal(422, "campaign_id is required"),
    Reason.CAMPAIGN_UNKNOWN: Refusal(422, "campaign_id is not a campaign of this account"),
    Reason.TAG_INVALID: Refusal(422, "a tag is not valid"),
    Reason.STATUS_INVALID: Refusal(422, "status must be confirmed"),
    Reason.NOT_FOUND: Refusal(404, "there is no such reservation"),
    Reason.RATE_LIMITED: Refusal(429, "too many pings in this second", 1),
}
# A reason that no refusal of a ping should have is still answered, and as our own fault.
_UNEXPECTED = Refusal(500, "internal error")


def write_refusal(
    refused: Refused, request_id: str, *, xml: bool | None = None, key_id: int = 0
) -> HttpAnswer:
    """The error body with the reason's status. xml: the form asked for, where the refusal does not know it."""
    refusal = _REFUSALS.get(refused.reason, _UNEXPECTED)
    fault = Fault(
        status=refusal.status,
        reason=refused.reason,
        text=refused.text or refusal.text,
        request_id=request_id,
        retry_after_s=refused.retry_after_s or refusal.retry_after_s,
    )
    return write_error(fault, root=ROOT if (refused.xml if xml is None else xml) else "", key_id=key_id)


def write_xml_fault(fault: Fault) -> HttpAnswer:
    """The server's own refusals for the .xml endpoints."""
    return write_error(fault, root=ROOT)
