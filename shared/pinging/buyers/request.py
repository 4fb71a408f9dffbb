"""A message as the bytes of an HTTP/1.1 request, and where they go.

Owns what of a message is believed: a URL, a header or a method that could be read in two ways makes no request. Must never let
a message say how it is framed: those headers are written here, a message's own are left out.
"""

import re
from functools import lru_cache

from msgspec import Struct

from shared.domain.outgoing import Message

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OURS = frozenset(
    {
        *(
            "accept-encoding",
            "connection",
            "content-length",
            "expect",
            "host",
            "keep-alive",
            "te",
            "traceparent",
        ),
        *("proxy-authorization", "proxy-connection", "trailer", "transfer-encoding", "upgrade"),
    }
)
_url = re.compile(r"(https?://[A-Za-z0-9._\[\]:-]+)([/?][!\"$-~]*)?(?:#.*)?", re.IGNORECASE).fullmatch
_start = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?").fullmatch
_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_STARTS_KEPT = 4096


class Origin(Struct, frozen=True, kw_only=True):
    """Whom a connection leads to. Shape: host without the brackets of an IPv6 address; authority with them."""

    secure: bool
    host: str
    port: int
    authority: str


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """What is sent, and where."""

    origin: Origin
    data: bytes


def write_request(message: Message, traceparent: str) -> Request | None:
    """The whole request; None when the message is none. Shape: traceparent is a valid one, or empty."""
    found = _url(message.url)
    origin = _origin_of(found[1].lower()) if found else None
    if found is None or origin is None or message.method not in _METHODS:
        return None
    fields = _fields(message)
    if fields is None:
        return None
    target = found[2] or "/"
    slash = "" if target[0] == "/" else "/"
    trace = f"traceparent: {traceparent}\r\n" if traceparent else ""
    head = (
        f"{message.method} {slash}{target} HTTP/1.1\r\nHost: {origin.authority}\r\n"
        f"Accept-Encoding: identity\r\n{trace}{fields}\r\n"  # identity: a reply is never unpacked
    )
    return Request(origin=origin, data=head.encode() + message.body)


def _fields(message: Message) -> str | None:
    """The message's own headers and the body's length; None when one could be two."""
    lines = []
    names_itself = False
    for name, value in message.headers.items():
        lower = name.lower()
        if _token(name) is None or not value.isprintable():
            return None
        if lower not in _OURS:
            lines.append(f"{name}: {value}\r\n")
            names_itself = names_itself or lower == "user-agent"
    if not names_itself:
        lines.append("User-Agent: Ringpost\r\n")
    if message.body or message.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(message.body)}\r\n")
    return "".join(lines)


@lru_cache(_STARTS_KEPT)
def _origin_of(start: str) -> Origin | None:
    found = _start(start)
    if found is None:
        return None
    secure, host = found[1] == "https", found[2]
    usual = 443 if secure else 80
    port = int(found[3]) if found[3] else usual
    if not 0 < port < 65536:
        return None
    authority = host if port == usual else f"{host}:{port}"
    return Origin(secure=secure, host=host.strip("[]"), port=port, authority=authority)
