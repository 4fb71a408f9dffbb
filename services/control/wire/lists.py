"""Requests for caller lists, in every encoding.

Owns parameter names. Must never look anything up.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.http import HttpRequest
from shared.domain.iso_time import read_ms
from shared.domain.keys import Level
from shared.domain.list_rights import Bearer
from shared.domain.lists import is_name, may_expire
from shared.domain.nested import flat
from shared.domain.paging import read_page
from shared.domain.parameters import Unreadable, read_parameters
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.request_keys import read_bearer, read_key, stated
from shared.domain.uuid7 import is_uuid7

LEVELS: Mapping[str, Level] = {
    "campaigns": Level.CAMPAIGN,
    "targets": Level.BUYER,
    "companies": Level.COMPANY,
}


class Asked(Struct, frozen=True, kw_only=True):
    """Who asks, and what. Shape: params are the path's, said is the rest, one word a name."""

    by: Bearer
    params: Mapping[str, str]
    said: Mapping[str, str]


def read_asked(request: HttpRequest) -> Asked | Reason:
    """A request with its key. Shape: a bearer beside another key is the secret. Source: keys.md."""
    said = read_parameters(replace(request, body=flat(request.body)))
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


def read_expiry(asked: Asked, *, now_ms: int) -> int | Reason:
    """Until when the number is to stand on the list, 0 when nothing is said of that. Units: unix milliseconds."""
    text = _first(asked, "caller_list_number[expires_at]", "expires_at")
    if not text:
        return 0
    at_ms = read_ms(text)
    return at_ms if at_ms and may_expire(at_ms, now_ms=now_ms) else Reason.EXPIRES_AT_INVALID


def _first(asked: Asked, *names: str) -> str:
    return next((text for name in names if (text := stated(asked.said, name))), "")


def read_page_number(asked: Asked) -> int:
    """Which page, from 1."""
    return read_page(asked.said.get("page", ""))


def read_upload_id(asked: Asked) -> str | Reason:
    """The upload that the path names."""
    upload = asked.params["upload"]
    return upload if is_uuid7(upload) else Reason.NOT_FOUND
