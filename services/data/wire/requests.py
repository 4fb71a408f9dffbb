"""Requests of the data service: writes, reads and posts.

Owns parameter names and the forms of values. Must never judge a call.
"""

import hashlib
import re

from services.data.rules.nouns import Post, Read, Refused, Whose, Write
from shared.domain.http import HttpRequest
from shared.domain.money import read_sent_amount
from shared.domain.parameters import Parameters, Unreadable, fault_of_tags, read_authorized
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.request_keys import is_placeholder, stated

_NO_TAGS = frozenset({"key", "caller_number", "call_uuid"})
_MOST_NAMES = 200
_LONGEST_REPEAT_KEY = 255
_LARGEST_EPOCH_S = 32_503_680_000  # the year 3000
_LONGEST_S = 2**31 - 1
_whole = re.compile(r"([0-9]{1,12})(\.[0-9]+)?").fullmatch


def read_write(request: HttpRequest) -> Write | Refused:
    """Tags for a call: every parameter that is none of ours. Source: data.md, data writing."""
    named = _read_named(request)
    if isinstance(named, Refused):
        return named
    parameters, whose = named
    sent = {name: value for name, value in parameters.items() if name not in _NO_TAGS}
    tags = {name: value for name, value in sent.items() if not is_placeholder(value)}
    fault = fault_of_tags(tags)
    if fault:
        return Refused(reason=Reason.TAG_INVALID, text=fault)
    return Write(token=parameters["key"], whose=whose, tags=tags)


def read_read(request: HttpRequest) -> Read | Refused:
    """What is to be told of a call. Source: data.md, data reading."""
    named = _read_named(request)
    if isinstance(named, Refused):
        return named
    parameters, whose = named
    mapped, accepted = _listed(parameters, "map_keys"), _listed(parameters, "accept_keys")
    names = [(theirs.strip(), ours.strip()) for theirs, _, ours in (each.partition(":") for each in mapped)]
    if any(not theirs or not ours or ":" in ours for theirs, ours in names) or len(names) > _MOST_NAMES:
        return Refused(reason=Reason.MAP_KEYS_INVALID)
    names += [(name, name) for name in accepted[:_MOST_NAMES]]
    return Read(token=parameters["key"], whose=whose, names=tuple(names) or None)


def read_post(request: HttpRequest) -> Post | Refused:
    """A posted conversion; a placeholder that was never filled counts as absent. Source: data.md, conversions."""
    parameters = _read_authorized(request)
    if isinstance(parameters, Refused):
        return parameters
    whose = _read_whose(parameters)
    if isinstance(whose, Refused):
        return Post(token=parameters["key"], whose=Whose(), refused=whose.reason)
    text = stated(parameters, "value").strip()
    value = read_sent_amount(text) if text else None
    start_s = _read_whole(stated(parameters, "start_time"), most=_LARGEST_EPOCH_S)
    said = "\0".join(f"{name}\0{value}" for name, value in sorted(parameters.items()) if name != "key")
    return Post(
        token=parameters["key"],
        whose=whose,
        refused=Reason.VALUE_INVALID if text and value is None else None,
        value=value,
        start_ms=None if start_s is None else start_s * 1000,
        connected_s=_read_whole(stated(parameters, "connected_duration"), most=_LONGEST_S),
        repeat_key=request.headers.get("Idempotency-Key", "").strip()[:_LONGEST_REPEAT_KEY],
        fingerprint=hashlib.sha256(said.encode()).digest(),
    )


def _read_named(request: HttpRequest) -> tuple[Parameters, Whose] | Refused:
    parameters = _read_authorized(request)
    if isinstance(parameters, Refused):
        return parameters
    whose = _read_whose(parameters)
    return whose if isinstance(whose, Refused) else (parameters, whose)


def _read_authorized(request: HttpRequest) -> Parameters | Refused:
    parameters = read_authorized(request, path_token=request.params.get("key", ""))
    if isinstance(parameters, Unreadable):
        return Refused(reason=parameters.reason, text=parameters.text)
    return parameters


def _read_whose(parameters: Parameters) -> Whose | Refused:
    call_uuid = stated(parameters, "call_uuid").strip().lower()
    number = stated(parameters, "caller_number")
    if call_uuid:
        return Whose(caller=read_e164(number) or "" if number else "", call_uuid=call_uuid)
    if not number:
        return Refused(reason=Reason.CALL_MISSING)
    caller = read_e164(number)
    return Whose(caller=caller) if caller else Refused(reason=Reason.CALLER_NUMBER_INVALID)


def _listed(parameters: Parameters, name: str) -> list[str]:
    return [each.strip() for each in stated(parameters, name).split(",") if each.strip()]


def _read_whole(text: str, *, most: int) -> int | None:
    found = _whole(text.strip())
    return int(found[1]) if found and int(found[1]) <= most else None
