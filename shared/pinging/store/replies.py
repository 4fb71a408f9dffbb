"""The replies of reserve.lua, as values.

Owns the reading of what the script returns. Must never send anything.
"""

from typing import Any

from msgspec import Struct

from shared.domain.reservations import Reservation, read_reservation
from shared.domain.stored_tags import StoredTags, read_stored_tags
from shared.stores.fence import ClockOff, Stale, not_applied


class Taken(Struct, frozen=True, kw_only=True):
    """A candidate was reserved: its place in the ask's candidates."""

    place: int
    number: str
    expires_ms: int
    verdicts: str
    shadow: str


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


Judged = Taken | Reservation | Nobody | More | Doubled | Limited | StoredTags | Stale | ClockOff


def judged(reply: list[Any]) -> Judged:
    """What reserve.lua decided. Errors: Unavailable when the shard is cold or its stream full."""
    word = reply[0]
    if word == b"reserved":
        _, place, number, expires_ms, verdicts, shadow = reply
        return Taken(
            place=place - 1,
            number=number.decode(),
            expires_ms=expires_ms,
            verdicts=verdicts.decode(),
            shadow=shadow.decode(),
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
    return not_applied(word)
