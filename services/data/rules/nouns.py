"""Writes, reads and posts, and what becomes of them, as values between the wire and the decisions.

Owns the data service's nouns. Must never know a parameter name, a status code or an encoding.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from shared.domain.reasons import Reason


class Whose(Struct, frozen=True, kw_only=True):
    """Which call is meant. Shape: caller is E.164 or "", call_uuid "" when the caller alone names it; one of both is there."""

    caller: str = ""
    call_uuid: str = ""


class Write(Struct, frozen=True, kw_only=True):
    """Tags for a call. Shape: tags as sent, unprefixed."""

    token: str
    whose: Whose
    tags: Mapping[str, str]


class Read(Struct, frozen=True, kw_only=True):
    """Tags of a call are wanted. Shape: names are (theirs, ours); None = all that the key may read."""

    token: str
    whose: Whose
    names: tuple[tuple[str, str], ...] | None


class Post(Struct, frozen=True, kw_only=True):
    """A conversion is posted.

    Shape: refused says what is wrong with the request, for the log of its key. value None = none was sent; start_ms and
    connected_s choose among a caller's calls, None = not told. repeat_key is the Idempotency-Key or "", fingerprint what the
    request says besides.
    """

    token: str
    whose: Whose
    refused: Reason | None = None
    value: Decimal | None = None
    start_ms: int | None = None
    connected_s: int | None = None
    repeat_key: str = ""
    fingerprint: bytes = b""


class Refused(Struct, frozen=True, kw_only=True):
    """A request that does nothing. Shape: key_id 0 = the key is not known; caller is E.164 or "", for the log."""

    reason: Reason
    text: str = ""
    key_id: int = 0
    caller: str = ""


class Written(Struct, frozen=True, kw_only=True):
    """Where tags went: `live`, `completed` or `stored`, under the names they are kept by."""

    key_id: int
    whose: Whose
    landed: str
    tags: Mapping[str, str]


class ReadOut(Struct, frozen=True, kw_only=True):
    """What is told of a call; found: whether there was one."""

    key_id: int
    whose: Whose
    values: Mapping[str, str]
    found: bool


class Converted(Struct, frozen=True, kw_only=True):
    """A posted value stands. Shape: repeat: it stood before."""

    key_id: int
    call_uuid: str
    value: Decimal
    caller: str = ""
    repeat: bool = False
