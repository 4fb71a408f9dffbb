"""Requests for caller lists, in every encoding.

Owns parameter names. Must never look anything up.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from shared.domain.http import HttpRequest
from shared.domain.keys import Level
from shared.domain.list_rights import Bearer
from shared.domain.lists import is_name
from shared.domain.parameters import Unreadable, read_parameters
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.request_keys import read_bearer, read_key, stated

LEVELS: Mapping[str, Level] = {
    "campaigns": Level.CAMPAIGN,
    "targets": Level.BUYER,
    "companies": Level.COMPANY,
}
_BOM = b"\xef\xbb\xbf"
_MOST_PAGES = 100_000
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True, kw_only=True):
    """Who asks, and what. Shape: params are the path's, said is the rest, one word a name."""

    by: Bearer
    params: Mapping[str, str]
    said: Mapping[str, str]


def read_asked(request: HttpRequest) -> Asked | Reason:
    """A request with its key. Shape: a bearer beside another key is the secret. Source: keys.md."""
    said = read_parameters(replace(request, body=_flat(request.body)))
    if isinstance(said, Unreadable):
        return said.reason
    token, secret = read_key(said, request.headers, bearer_is_key=False), read_bearer(request.headers)
    if token is Reason.KEY_MISSING and secret:
        token, secret = secret, ""
    if isinstance(token, Reason):
        return token
    level = LEVELS[request.path.split("/")[3]]
    by = Bearer(token=token, secret=secret, level=level, entity=request.params["entity"])
    return Asked(by=by, params=request.params, said=said)


def _flat(body: bytes) -> bytes:
    """`{"a": {"b": 1}}` as `{"a[b]": 1}`, which is how a form says it; anything else as it is."""
    try:
        fields = _decode_object(body.removeprefix(_BOM))
        flat: dict[str, Raw] = {}
        for name, value in fields.items():
            if bytes(value).startswith(b"{"):
                flat |= {f"{name}[{inner}]": each for inner, each in _decode_object(value).items()}
            else:
                flat[name] = value
    except (ValueError, RecursionError):
        return body  # whoever reads it says what is wrong
    return _encode(flat)


def read_list_name(asked: Asked) -> str | Reason:
    """The list that the path names."""
    name = asked.params["name"]
    return name if is_name(name) else Reason.LIST_NAME_INVALID


def read_new_name(asked: Asked) -> str | Reason:
    """The name that a list shall have."""
    name = _first(asked, "caller_list[name]", "name")
    return name if is_name(name) else Reason.LIST_NAME_INVALID


def read_number(asked: Asked, noun: str) -> str | Reason:
    """The number that is meant, in the path, under the noun or plain."""
    text = asked.params.get("number") or _first(
        asked, f"{noun}[number]", "number", "numbers", "caller_number"
    )
    if not text:
        return Reason.CALLER_NUMBER_MISSING
    return read_e164(text) or Reason.CALLER_NUMBER_INVALID


def _first(asked: Asked, *names: str) -> str:
    return next((text for name in names if (text := stated(asked.said, name))), "")


def read_page(asked: Asked) -> int:
    """Which page, from 1. Shape: what is no page is the first."""
    text = asked.said.get("page", "")
    page = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
    return min(max(page, 1), _MOST_PAGES)
