"""Every published reason, on one page.

Owns the codes that partners and logs see. Must never hold a text for people: wire rooms do that.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused, or why nobody took a caller."""

    # of a key
    KEY_MISSING = "key_missing"
    KEY_UNKNOWN = "key_unknown"
    KEY_PAUSED = "key_paused"
    KEY_AMBIGUOUS = "key_ambiguous"
    SCOPE = "scope"
    FEATURE_OFF = "feature_off"
    PERMISSION = "permission"
    SECRET = "secret"  # noqa: S105 - the published code, not a secret
    TOO_MANY_UNKNOWN_KEYS = "too_many_unknown_keys"
    # of a request
    PUBLISHER_UNKNOWN = "publisher_unknown"
    CALLER_NUMBER_MISSING = "caller_number_missing"
    CALLER_NUMBER_INVALID = "caller_number_invalid"
    INBOUND_NUMBER_UNKNOWN = "inbound_number_unknown"
    INBOUND_NUMBER_NOT_ALLOWED = "inbound_number_not_allowed"
    CAMPAIGN_REQUIRED = "campaign_required"
    CAMPAIGN_UNKNOWN = "campaign_unknown"
    TAG_INVALID = "tag_invalid"
    STATUS_INVALID = "status_invalid"
    BAD_REQUEST = "bad_request"
    CALL_MISSING = "call_missing"
    CALL_NOT_FOUND = "call_not_found"
    TAG_WINDOW_CLOSED = "tag_window_closed"
    MAP_KEYS_INVALID = "map_keys_invalid"
    VALUE_INVALID = "value_invalid"
    NO_CRITERIA = "no_criteria"
    CRITERIA_MISMATCH = "criteria_mismatch"
    TOO_LATE = "too_late"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    NUMBER_UNKNOWN = "number_unknown"
    EVENT_INVALID = "event_invalid"
    SIGNATURE = "signature"
    ALREADY_REJECTED = "already_rejected"
    ALREADY_TRANSFERRED = "already_transferred"
    CALLER_HUNG_UP = "caller_hung_up"
    CALLER_NOT_HELD = "caller_not_held"
    NOT_IN_DIRECTORY = "not_in_directory"
    TRANSFER_NOT_FOUND = "transfer_not_found"
    TRANSFER_OVER = "transfer_over"
    TRANSFEROR_GONE = "transferor_gone"
    SWITCH_SILENT = "switch_silent"
    LIST_NAME_INVALID = "list_name_invalid"
    LIST_NAME_TAKEN = "list_name_taken"
    EXPIRES_AT_INVALID = "expires_at_invalid"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    FAULT = "fault"
    HTTPS_REQUIRED = "https_required"
    # of a ping that was evaluated
    RATE_LIMITED = "rate_limited"
    DUPLICATE_CALLER = "duplicate_caller"
    CLAIM_RATE = "claim_rate"
    NO_BUYERS = "no_buyers"
    BUYERS_PAUSED = "buyers_paused"
    BUYERS_CLOSED = "buyers_closed"
    BUYERS_CAPPED = "buyers_capped"
    BUYERS_FILTERED = "buyers_filtered"
    CALLER_SUPPRESSED = "caller_suppressed"
    CALLER_NOT_ACCEPTED = "caller_not_accepted"
    MARGIN = "margin"
    NO_BIDS = "no_bids"
    OUTBOUND_LIMIT = "outbound_limit"
    DEADLINE = "deadline"
    CAMPAIGN_PAUSED = "campaign_paused"
    PUBLISHER_PAUSED = "publisher_paused"
    NO_NUMBER = "no_number"


NO_TARGET_REASONS: tuple[Reason, ...] = (
    Reason.NO_BUYERS,
    Reason.BUYERS_PAUSED,
    Reason.BUYERS_CLOSED,
    Reason.BUYERS_CAPPED,
    Reason.BUYERS_FILTERED,
    Reason.CALLER_SUPPRESSED,
    Reason.CALLER_NOT_ACCEPTED,
    Reason.MARGIN,
    Reason.NO_BIDS,
    Reason.OUTBOUND_LIMIT,
    Reason.DEADLINE,
    Reason.CAMPAIGN_PAUSED,
    Reason.PUBLISHER_PAUSED,
    Reason.NO_NUMBER,
)
_RANK = {reason: rank for rank, reason in enumerate(NO_TARGET_REASONS)}


def prevailing(counts: Mapping[Reason, int]) -> Reason:
    """The reason that applied to most candidates; ties go to the later of the published order.

    Errors: no counts at all is `no_buyers`.
    Source: rtb.md, answers.
    """
    if not counts:
        return Reason.NO_BUYERS
    return max(counts, key=lambda reason: (counts[reason], _RANK[reason]))
