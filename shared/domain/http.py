"""A request and its answer as plain values, so that wire rooms need no web library.

Owns the shapes that pass between shared/server.py and every wire.py. Must never read a socket.
"""

from collections.abc import Mapping

from msgspec import Struct

from shared.domain.reasons import Reason


class HttpRequest(Struct, frozen=True, kw_only=True, gc=False):
    """One request, read whole.

    Shape: query is the raw text behind `?`; headers are case-insensitive; params are the path's own.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    client: str
    params: Mapping[str, str]
    request_id: str


class HttpAnswer(Struct, frozen=True, kw_only=True, gc=False):
    """One answer, and what its log line says of it (reason, outcome, key_id, caller)."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    outcome: str = ""
    reason: str = ""
    key_id: int = 0
    caller: str = ""


class Fault(Struct, frozen=True, kw_only=True):
    """What the server itself has to say instead of an endpoint: never an echo of what was sent.

    Units: retry_after_s in seconds, 0 says nothing.
    """

    status: int
    reason: Reason
    text: str
    request_id: str
    retry_after_s: int = 0
    headers: tuple[tuple[str, str], ...] = ()
