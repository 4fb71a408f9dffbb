"""What came of asking a buyer for its bid.

Owns the two outcomes that an evaluation goes on with. Must never know how a buyer was asked.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from shared.domain.reasons import Reason


class Bid(Struct, frozen=True, kw_only=True):
    """A buyer's yes. Shape: revenue None = no price was named; number is E.164, a SIP address or "". Units: ping_ms."""

    revenue: Decimal | None
    number: str = ""
    seconds: int | None = None
    tags: Mapping[str, str] = {}
    ping_ms: int = 0


class Missed(Struct, frozen=True, kw_only=True):
    """A buyer that did not bid, or was not asked (then ping_ms is None)."""

    reason: Reason = Reason.NO_BIDS
    ping_ms: int | None = None


Heard = Mapping[int, Bid | Missed]
