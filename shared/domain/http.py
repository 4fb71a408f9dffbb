"""A request and its answer as plain values, so that wire rooms need no web library.

Owns the two shapes that pass between shared/server.py and every wire.py. Must never read a socket.
"""

from collections.abc import Mapping

from msgspec import Struct


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
