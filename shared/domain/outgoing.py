"""A request that we send and what came of it, as plain values, so that wire rooms need no web library.

Owns the shapes that pass between shared/outbound.py and whoever writes a request. Must never hold an open connection.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True):
    """One request to somebody else's server. Shape: url is absolute, http or https, each value in it encoded already."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Reply(Struct, frozen=True, kw_only=True):
    """What the server answered. Shape: body is cut where Outbound stops reading; it is as sent, never decompressed."""

    status: int
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx; a redirect is not followed, and is no success."""
        return 200 <= self.status < 300


class Failure(StrEnum):
    """Why there is no answer."""

    INVALID = "invalid"  # no request can be made of it: the URL or a header
    NAME = "name"  # the host's name leads to no address
    ADDRESS = "refused_address"  # it leads where we do not go
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the connection ended before the answer did
    PROTOCOL = "protocol"  # what came is not HTTP
    TOO_LARGE = "too_large"  # more came than anybody reads; where a reply is not cut instead
    BUSY = "busy"  # not sent: as much as may be is under way there already
    SHUT = "shut"  # not sent: it failed so often of late that it is left alone for a while


class Failed(Struct, frozen=True, kw_only=True):
    """There is no whole answer. Shape: says neither URL nor address, so that it may stand in a log."""

    kind: Failure
