"""What partners ask of live calls, and what becomes of it, as values between the wire and the decisions.

Owns the control service's nouns. Must never know a parameter name, a status code or an encoding.
"""

from msgspec import Struct

from shared.domain.hand_ons import ActiveCall, Entry
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


class Handing(Struct, frozen=True, kw_only=True):
    """A buyer looks at its caller, or hands it on.

    Shape: group as in Reject, "" = the key's own; entry 0 and number "" = whom is not said yet; hold: the buyer talks first.
    """

    token: str
    group: str = ""
    caller: str = ""
    call_uuid: str = ""
    entry: int = 0
    number: str = ""
    hold: bool = False


class OnTransfer(Struct, frozen=True, kw_only=True):
    """Something is to become of a transfer."""

    token: str
    transfer_uuid: str


class Desk(Struct, frozen=True, kw_only=True):
    """What a buyer sees: its live call, and whom it may hand it on to."""

    key_id: int
    call_uuid: str
    caller: str
    entries: tuple[Entry, ...]


class HandedOn(Struct, frozen=True, kw_only=True):
    """A transfer has begun, or something has become of it."""

    key_id: int
    call_uuid: str
    transfer_uuid: str
    caller: str = ""


class Active(Struct, frozen=True, kw_only=True):
    """All of them, newest first."""

    key_id: int
    calls: tuple[ActiveCall, ...]


class Refused(Struct, frozen=True, kw_only=True):
    """A request that does nothing. Shape: key_id 0 = the key is not known; caller is E.164 or "", for the log."""

    reason: Reason
    key_id: int = 0
    caller: str = ""
