"""A ping and its outcomes, as values between the wire and the decisions.

Owns the nouns of a ping. Must never know a parameter name, a status code or an encoding.
"""

from collections.abc import Mapping

from msgspec import Struct

from shared.domain.pings import Winner
from shared.domain.reasons import Reason


class Ping(Struct, frozen=True, kw_only=True, gc=False):
    """One ping as it was sent.

    Shape: publisher is an afid or ""; caller and inbound_number are E.164 or ""; campaign is a cid or ""; tags as sent,
    unprefixed; traceparent as it came. caller_refused says why there is no caller; number_refused: an inbound number was sent
    that is none.
    """

    token: str
    publisher: str = ""
    caller: str = ""
    caller_refused: Reason | None = None
    inbound_number: str = ""
    number_refused: bool = False
    campaign: str = ""
    tags: Mapping[str, str] = {}
    xml: bool = False
    traceparent: str = ""


class Refused(Struct, frozen=True, kw_only=True):
    """A request that is not evaluated; key_id is 0 when the key is not known. Units: retry_after_s, 0 says nothing."""

    reason: Reason
    text: str = ""
    xml: bool = False
    key_id: int = 0
    retry_after_s: int = 0


class Reserved(Struct, frozen=True, kw_only=True, gc=False):
    """A reservation as its publisher is told.

    Shape: number is E.164 or ""; status is reserved | confirmed | claimed | expired; repeat: the same caller again.
    """

    uuid: str
    winner: Winner
    number: str
    expires_ms: int
    status: str = "reserved"
    repeat: bool = False
    return_dba: bool = False


class NoTarget(Struct, frozen=True, kw_only=True):
    """Nobody takes the caller; reason is None where the wire gives none (a confirm that came too late)."""

    uuid: str
    reason: Reason | None = None


class Rejected(Struct, frozen=True, kw_only=True):
    """The ping shield keeps the caller away."""

    uuid: str
    reason: Reason


Outcome = Reserved | NoTarget | Rejected
