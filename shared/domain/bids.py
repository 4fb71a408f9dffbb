"""How a buyer is asked for its bid, as its account has it, and what came of it.

Owns the request's terms, and the two outcomes that an evaluation goes on with. Must never write a request or read a reply.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from shared.domain.reasons import Reason


class Asking(Struct, frozen=True, kw_only=True):
    """A request to a buyer: for its bid, or (post) to the winner. Units: timeout_ms.

    Shape: url, headers and body hold tokens; output_map is a field of the bid, or a tag, to its path in the reply; accept_when
    is a tag rule over the reply.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: str = ""
    timeout_ms: int | None = None
    output_map: Mapping[str, str] = {}
    accept_when: str = ""
    hide_caller_number: bool = False
    post: "Asking | None" = None


class Bid(Struct, frozen=True, kw_only=True):
    """A buyer's yes. Shape: number is E.164, a SIP address or ""; seconds None = it named none. Units: ping_ms of asking."""

    revenue: Decimal
    number: str = ""
    seconds: int | None = None
    tags: Mapping[str, str] = {}
    ping_ms: int = 0


class Missed(Struct, frozen=True, kw_only=True):
    """A buyer that did not bid, or was not asked (then ping_ms is None)."""

    reason: Reason = Reason.NO_BIDS
    ping_ms: int | None = None


Heard = Mapping[int, Bid | Missed]
