"""Answers about caller lists.

Owns their shapes and statuses. Must never be given a text that was sent, but a list's checked name and a number as it is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.domain.http import Fault, HttpAnswer, HttpRequest
from shared.domain.iso_time import write_ms
from shared.domain.keys import Level
from shared.domain.lists import CallerList, Effect, Listed, effect_of
from shared.domain.paging import A_PAGE, page_links
from shared.domain.reasons import Reason
from shared.domain.refusals import KEY_REFUSALS, Refusal, write_error

_NOUNS = {Level.CAMPAIGN: "campaigns", Level.BUYER: "targets", Level.COMPANY: "companies"}
_TYPES = {Level.CAMPAIGN: "Campaign", Level.BUYER: "Target", Level.COMPANY: "Company"}
_WARNING = (
    "a list has an effect on routing only when its name begins with suppressed (denies) or accepted (admits)"
)
_REFUSALS: Mapping[Reason, Refusal] = {
    **KEY_REFUSALS,
    Reason.NOT_FOUND: Refusal(404, "there is no such list, number or upload here"),
    Reason.LIST_NAME_TAKEN: Refusal(422, "there is a list of that name"),
    Reason.LIST_NAME_INVALID: Refusal(422, "a list's name is 1 to 64 letters, digits, _ or -"),
    Reason.CALLER_NUMBER_MISSING: Refusal(422, "a number is required"),
    Reason.CALLER_NUMBER_INVALID: Refusal(422, "a number has 10 digits, 1 and 10 digits, or a + before it"),
    Reason.EXPIRES_AT_INVALID: Refusal(
        422, "expires_at is a time with its offset, as 2026-05-04T03:02:01Z, in the next ten years"
    ),
    Reason.TAG_INVALID: Refusal(422, "a value is not text"),
    Reason.VALUE_INVALID: Refusal(
        422, "numbers are required; action is create, or delete without clear_before_upload"
    ),
}
_UNEXPECTED = Refusal(500, "the request could not be worked on")
_encode = msgspec.json.Encoder().encode


def write_refused(reason: Reason, request: HttpRequest, *, key_id: int = 0) -> HttpAnswer:
    """The error body of keys.md."""
    refusal = _REFUSALS.get(reason, _UNEXPECTED)
    fault = Fault(
        status=refusal.status,
        reason=reason,
        text=refusal.text,
        request_id=request.request_id,
        retry_after_s=refusal.retry_after_s,
    )
    return write_error(fault, key_id=key_id)


def write_list(level: Level, entity_id: int, *, name: str, status: int = 200) -> HttpAnswer:
    """One list; with a warning when its name has no effect."""
    return _answer(_list(level, entity_id, name=name), status=status)


def _list(level: Level, entity_id: int, *, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "caller_list": {
            "name": name,
            "caller_listable_type": _TYPES[level],
            "caller_listable_id": entity_id,
        }
    }
    return told | ({"warnings": [_WARNING]} if effect_of(name) is Effect.NONE else {})


def write_lists(level: Level, entity_id: int, *, names: Sequence[str], page: int) -> HttpAnswer:
    """A page of lists. Shape: one more than a page when there are more."""
    rows = [_list(level, entity_id, name=name) for name in names[:A_PAGE]]
    links = page_links(_address(level, entity_id) + ".json", page=page, more=len(names) > A_PAGE)
    return replace(_answer(rows), headers=links)


def write_number(listed: Listed, *, status: int = 200) -> HttpAnswer:
    """One number."""
    return _answer(_number(listed), status=status)


def _number(listed: Listed) -> dict[str, Any]:
    told = {"number": listed.number, "created_at": write_ms(listed.created_ms)}
    until = {"expires_at": write_ms(listed.expires_ms)} if listed.expires_ms else {}
    return {"caller_list_number": told | until}


def write_numbers(of: CallerList, *, rows: Sequence[Listed], page: int) -> HttpAnswer:
    """A page of a list's numbers. Shape: as write_lists."""
    address = f"{_address(of.level, of.entity_id)}/{of.name}/caller_list_numbers.json"
    links = page_links(address, page=page, more=len(rows) > A_PAGE)
    return replace(_answer([_number(row) for row in rows[:A_PAGE]]), headers=links)


def write_check(*, present: bool) -> HttpAnswer:
    """Whether a number is on a list."""
    return _answer({"caller_list_check": {"status": "present" if present else "not-present"}})


def _address(level: Level, entity_id: int) -> str:
    return f"/api/v2/{_NOUNS[level]}/{entity_id}/caller_lists"


def write_upload(upload: Struct, *, status: int = 200) -> HttpAnswer:
    """How far an upload has got."""
    return _answer({"caller_list_upload": upload}, status=status)


def _answer(told: object, *, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status=status, body=_encode(told), outcome="done")
