"""The replies of a ping's scripts, as values.

Owns the reading of what reserve.lua, admit.lua and settle.lua return. Must never send anything.
"""

from typing import Any

from msgspec import Struct

from shared.domain.reservations import Reservation, read_reservation
from shared.domain.stored_tags import StoredTags, read_stored_tags
from shared.stores.fence import ClockOff, Stale, not_applied


class Taken(Struct, frozen=True, kw_only=True):
    """A candidate was reserved: its place in the ask's candidates. Shape: unlogged is what is still to be logged, or ""."""

    place: int
    number: str
    expires_ms: int
    verdicts: str
    shadow: str
    unlogged: str = ""


class Nobody(Struct, frozen=True, kw_only=True):
    """No candidate may take the caller."""

    verdicts: str
    shadow: str


class More(Struct, frozen=True, kw_only=True):
    """None of these candidates may; others follow."""

    verdicts: str


class Doubled(Struct, frozen=True, kw_only=True):
    """Another publisher holds this caller."""

    original_uuid: str


class Limited(Struct, frozen=True, kw_only=True):
    """The key pings too fast. Units: milliseconds until it may again."""

    wait_ms: int


class Asking(Struct, frozen=True, kw_only=True):
    """An equal ping's buyers are being asked. Units: Redis time until which they are at most."""

    until_ms: int
    uuid: str


class Over(Struct, frozen=True, kw_only=True):
    """The equal ping that was waited for found nobody."""

    reason: str


class Free(Struct, frozen=True, kw_only=True):
    """These buyers may be asked. Shape: a letter for each candidate, as admit.lua says."""

    letters: str
    shadow: str


Judged = Taken | Reservation | Nobody | More | Doubled | Limited | StoredTags | Stale | ClockOff | Asking
Admitted = Free | Over


def judged(reply: list[Any]) -> Judged:
    """What reserve.lua decided. Errors: Unavailable when the shard is cold or its stream full."""
    word = reply[0]
    if word == b"reserved":
        _, place, number, expires_ms, verdicts, shadow, unlogged = reply
        return Taken(
            place=place - 1,
            number=number.decode(),
            expires_ms=expires_ms,
            verdicts=verdicts.decode(),
            shadow=shadow.decode(),
            unlogged=unlogged.decode(),
        )
    if word == b"no-target":
        return Nobody(verdicts=reply[1].decode(), shadow=reply[2].decode())
    if word == b"repeat":
        return read_reservation(reply[1])
    if word == b"duplicate":
        return Doubled(original_uuid=reply[1].decode())
    if word == b"more":
        return More(verdicts=reply[1].decode())
    if word == b"limited":
        return Limited(wait_ms=reply[1])
    if word == b"tags":
        return read_stored_tags(reply[1].decode(), reply[2].decode())
    if word == b"asking":
        return Asking(until_ms=reply[1], uuid=reply[2].decode())
    return not_applied(word)


def admitted(reply: list[Any]) -> Judged | Admitted | None:
    """What admit.lua decided; None = settle.lua has done it. Errors: Unavailable when the shard is cold or its stream full."""
    word = reply[0]
    if word == b"ask":
        return Free(letters=reply[1].decode(), shadow=reply[2].decode())
    if word == b"over":
        return Over(reason=reply[1].decode())
    return None if word in {b"kept", b"back"} else judged(reply)
