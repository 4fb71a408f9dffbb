"""What partners ask of live calls, and what becomes of it, as values between the wire and the decisions.

Owns the control service's nouns. Must never know a parameter name, a status code or an encoding.
"""

from msgspec import Struct

from shared.domain.reasons import Reason


class Reject(Struct, frozen=True, kw_only=True):
    """A buyer hands its caller back.

    Shape: group is what the path names, an id or a name; caller is E.164 or "", call_uuid "" when the caller alone names the
    call; one of both is there.
    """

    token: str
    group: str
    caller: str = ""
    call_uuid: str = ""


class Rejected(Struct, frozen=True, kw_only=True):
    """The call goes on without that buyer."""

    key_id: int
    call_uuid: str
    caller: str


class Refused(Struct, frozen=True, kw_only=True):
    """A request that does nothing. Shape: key_id 0 = the key is not known; caller is E.164 or "", for the log."""

    reason: Reason
    key_id: int = 0
    caller: str = ""
