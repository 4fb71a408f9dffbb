"""Whose request it is: signatures of switches, and ours on what we send to them.

Owns both algorithms. Must never look a secret up, nor tell how a signature differs from the right one.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from shared.domain.http import HttpRequest
from shared.domain.tokens import Hidden

SWITCH = "X-Ringpost-Switch"
TIMESTAMP = "X-Ringpost-Timestamp"
SIGNATURE = "X-Ringpost-Signature"
_TWILIO = "X-Twilio-Signature"
_TOLERANCE_S = 300
_LONGEST_NUMBER = 18
_DEFAULT_PORTS: Mapping[str, int] = {"https": 443, "http": 80}


def signed_headers(body: bytes, secret: Hidden, *, credential_id: int, at_s: int) -> dict[str, str]:
    """The headers that make a generic request a credential's own, in either direction. Units: at_s since 1970."""
    return {
        SWITCH: str(credential_id),
        TIMESTAMP: str(at_s),
        SIGNATURE: _signature(body, secret, timestamp=str(at_s)),
    }


def read_credential_id(request: HttpRequest) -> int:
    """The credential that a generic request says it is signed with, 0 when it says none."""
    return _read_whole(request.headers.get(SWITCH, ""))


def is_signed(request: HttpRequest, secret: Hidden, *, now_s: int) -> bool:
    """Whether a generic request was signed with the secret, at most 5 minutes ago or ahead."""
    timestamp = request.headers.get(TIMESTAMP, "")
    right = _signature(request.body, secret, timestamp=timestamp)
    recent = abs(now_s - _read_whole(timestamp)) <= _TOLERANCE_S
    return _same(request.headers.get(SIGNATURE, ""), right) and recent


def read_form(request: HttpRequest) -> list[tuple[str, str]]:
    """Names and values of a Twilio request's body, in order; none when it cannot be read."""
    try:
        return parse_qsl(request.body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        return []


def is_from_twilio(request: HttpRequest, token: Hidden, *, public_url: str) -> bool:
    """Whether Twilio signed the request with the account's auth token.

    Shape: public_url is our address as Twilio calls it, without a path. Twilio signs it with or without its port.
    """
    said = "".join(name + value for name, value in sorted(set(read_form(request))))
    path = f"{request.path}?{request.query}" if request.query else request.path
    sent = request.headers.get(_TWILIO, "")
    bases = _with_and_without_port(public_url)
    verdicts = [_same(sent, _twilio_signature(base + path + said, token)) for base in bases]
    return any(verdicts)


def _signature(body: bytes, secret: Hidden, *, timestamp: str) -> str:
    signed = _bytes(timestamp) + b"." + body
    return "v1=" + hmac.new(_bytes(secret.reveal()), signed, hashlib.sha256).hexdigest()


def _twilio_signature(text: str, token: Hidden) -> str:
    return b64encode(hmac.new(_bytes(token.reveal()), _bytes(text), hashlib.sha1).digest()).decode()


def _with_and_without_port(url: str) -> tuple[str, str]:
    address = urlsplit(url)
    host = address.netloc.rpartition(":")[0] if address.port else address.netloc
    port = address.port or _DEFAULT_PORTS.get(address.scheme, 80)
    return f"{address.scheme}://{host}", f"{address.scheme}://{host}:{port}"


def _read_whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0


def _same(sent: str, right: str) -> bool:
    return hmac.compare_digest(_bytes(sent), _bytes(right))


def _bytes(text: str) -> bytes:
    """Lone surrogates, by which a parser hands over bytes that are not UTF-8, are bytes like any other."""
    return text.encode(errors="surrogatepass")
