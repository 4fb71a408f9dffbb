"""What is told to a buyer, and what comes of it.

Owns the nouns of asking. Must never hold a word of anybody's wire.
"""

import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from shared.domain.call_keys import call_key
from shared.domain.reasons import Reason
from shared.domain.tags import Tags


class Facts(Struct, frozen=True, kw_only=True):
    """One ping, as far as a buyer may be told of it.

    Shape: call_uuid is the reservation's; caller is E.164 or ""; campaign_id and publisher_id are customer-set; tags all of the
    ping's.
    """

    company_id: int
    call_uuid: str
    caller: str
    campaign_id: str
    publisher_id: str
    tags: Tags = {}


class Secrets:
    """What follows from the pepper and may be told: a call's key, and a caller's number hidden."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def key_of(self, call_uuid: str) -> str:
        """The key of the call that will claim this reservation."""
        return call_key(self._pepper, call_uuid)

    def hidden(self, caller: str, company_id: int) -> str:
        """A caller's number as the same 64 hexadecimal digits for every buyer of a company; "" for no number."""
        if not caller:
            return ""
        text = f"hidden caller of {company_id}: {caller}"
        return hmac.digest(self._pepper, text.encode(), hashlib.sha256).hex()


class Bid(Struct, frozen=True, kw_only=True):
    """A buyer wants the caller.

    Shape: revenue None = its answers give no price, so what it pays is expected as of any buyer without a bid. number is E.164
    or a SIP URI to dial, "" = the buyer's own. tags under the names they are kept by; said holds every part of the answer by
    the buyer's own names, for the tokens of the post. Units: seconds of connected call that the bid asks for.
    """

    revenue: Decimal | None
    number: str = ""
    seconds: int | None = None
    tags: Mapping[str, str] = {}
    said: Mapping[str, str] = {}


class Why(StrEnum):
    """Why a buyer has no bid, as its network may see it."""

    NOT_ASKED = "not_asked"  # no request could be made, or the buyer is left alone for now
    NO_ANSWER = "no_answer"
    LATE = "late"
    STATUS = "http_status"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    DECLINED = "declined"
    NO_PRICE = "no_price"
    PRICE = "price_invalid"
    NUMBER = "number_invalid"

    @property
    def reason(self) -> Reason:
        """What the publisher is told."""
        return Reason.DEADLINE if self is Why.LATE else Reason.NO_BIDS


class NoBid(Struct, frozen=True, kw_only=True):
    """A buyer does not want the caller, or nobody knows. Shape: status of its answer, 0 = there was none."""

    why: Why
    status: int = 0
