"""What a switch says and what it is told, as values between the wire and the decisions.

Owns the calls service's nouns. Must never know an adapter's parameter names, encodings or status codes.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from shared.domain.reasons import Reason

LegNews = Literal["answered", "busy", "no_answer", "failed", "ended"]


class Inbound(Struct, frozen=True, kw_only=True):
    """A call has come in.

    Shape: provider names the switch's credential (`generic/12`); caller is E.164 or "" (anonymous); number is the dialled
    one, E.164 or ""; reservation is the uuid that a SIP user was, or "".
    """

    provider: str
    company_id: int
    provider_call_id: str
    caller: str = ""
    number: str = ""
    reservation: str = ""


class LegEvent(Struct, frozen=True, kw_only=True):
    """What became of one leg. Shape: at_ms 0 = now. Units: connected_s of talk, None = not told."""

    provider: str
    call_uuid: str
    leg_uuid: str
    news: LegNews
    at_ms: int = 0
    connected_s: int | None = None


class CallEnded(Struct, frozen=True, kw_only=True):
    """The call is over.

    Shape: call_uuid "" = only provider_call_id names the call; at_ms 0 = now; hung_up_by is caller | buyer | switch | "".
    Units: total_s of the whole call, connected_s of talk; None = not told.
    """

    provider: str
    call_uuid: str = ""
    provider_call_id: str = ""
    at_ms: int = 0
    total_s: int | None = None
    connected_s: int | None = None
    hung_up_by: str = ""
    recording_url: str = ""


class Look(Struct, frozen=True, kw_only=True):
    """The switch only asks what is next."""

    provider: str
    call_uuid: str


class Refused(Struct, frozen=True, kw_only=True):
    """A request that is not acted on."""

    reason: Reason
    text: str = ""


class DialLeg(Struct, frozen=True, kw_only=True):
    """One leg to dial. Shape: number is E.164 or `sip:user@host`; headers only where a SIP leg carries them."""

    leg_uuid: str
    number: str
    timeout_seconds: int
    send_digits: str = ""
    headers: Mapping[str, str] = {}


class Dial(Struct, frozen=True, kw_only=True):
    """Ring these, all at once; the first that answers gets the caller. Shape: caller is shown to them, E.164 or ""."""

    call_uuid: str
    legs: tuple[DialLeg, ...]
    caller: str = ""


class Connected(Struct, frozen=True, kw_only=True):
    """A buyer talks with the caller: leave them. Shape: drop are the uuids of other legs that still ring or answered late."""

    call_uuid: str
    drop: tuple[str, ...] = ()


class HangUp(Struct, frozen=True, kw_only=True):
    """Nobody takes the call, or it is over. Shape: message is said to the caller first, "" = nothing."""

    call_uuid: str
    message: str = ""
    reason: str = ""


class FallBack(Struct, frozen=True, kw_only=True):
    """We cannot decide now: dial this number, or (number "") say the message. Shape: number as in DialLeg."""

    number: str = ""
    message: str = ""


class Reject(Struct, frozen=True, kw_only=True):
    """The call is not ours to take."""

    reason: str


class DropLeg(Struct, frozen=True, kw_only=True):
    """End this leg and ask what is next: the caller stays."""

    call_uuid: str
    leg_uuid: str


class Transfer(Struct, frozen=True, kw_only=True):
    """Dial this leg for the caller of another one. Shape: hold: the caller waits, and the other leg talks to it first."""

    call_uuid: str
    leg: DialLeg
    from_leg_uuid: str
    caller: str = ""
    hold: bool = False


class Conference(Struct, frozen=True, kw_only=True):
    """Let the caller and these legs talk with one another."""

    call_uuid: str
    legs: tuple[str, ...]


Step = Dial | Connected | HangUp | FallBack | Reject
