"""Requests of the rtb service: pings, confirms and shows.

Owns parameter names and their synonyms. Must never judge a ping: what is wrong with a number is only noted,
as the key decides whether it matters.
"""

from services.rtb.rules.nouns import Confirm, Ping, Refused
from shared.domain import uuid7
from shared.domain.http import HttpRequest
from shared.domain.parameters import Parameters, Unreadable, read_parameters
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.request_keys import is_placeholder, read_key

_PUBLISHER = ("publisher_id", "source_id", "affiliate_id")
_NO_TAGS = frozenset({"key", "caller_number", "inbound_number", "campaign_id", *_PUBLISHER})
_MOST_TAGS = 100
_LONGEST_NAME = 64
_LONGEST_VALUE = 512
_XML_TYPES = frozenset({"application/xml", "text/xml"})
_JSON_TYPES = frozenset({"application/json", "text/json", "application/*", "*/*"})


def read_ping(request: HttpRequest) -> Ping | Refused:
    """A ping as it was sent; an unfilled placeholder counts as absent.

    Cost: about 3 us for a plain query of five parameters.
    Source: rtb.md, request.
    """
    xml = wants_xml(request)
    parameters = _read_authorized(request, xml=xml)
    if isinstance(parameters, Refused):
        return parameters
    tags = {
        name: value
        for name, value in parameters.items()
        if name not in _NO_TAGS and not is_placeholder(value)
    }
    fault = _fault_of(tags)
    if fault:
        return Refused(reason=Reason.TAG_INVALID, text=fault, xml=xml)
    caller, caller_refused = _read_caller(parameters)
    number = _stated(parameters, "inbound_number")
    inbound_number = read_e164(number) or "" if number else ""
    return Ping(
        token=parameters["key"],
        publisher=_read_publisher(parameters),
        caller=caller,
        caller_refused=caller_refused,
        inbound_number=inbound_number,
        number_refused=bool(number and not inbound_number),
        campaign=_stated(parameters, "campaign_id").strip(),
        tags=tags,
        xml=xml,
    )


def read_confirm(request: HttpRequest) -> Confirm | Refused:
    """The reservation that its publisher confirms; no other status can be given to it.

    Source: rtb.md, confirm.
    """
    xml = wants_xml(request)
    parameters = _read_authorized(request, xml=xml)
    if isinstance(parameters, Refused):
        return parameters
    if parameters.get("status", "").strip().lower() != "confirmed":
        return Refused(reason=Reason.STATUS_INVALID, xml=xml)
    return _about_one(request, parameters, xml=xml)


def read_show(request: HttpRequest) -> Confirm | Refused:
    """The reservation that its own key wants to see."""
    xml = wants_xml(request)
    parameters = _read_authorized(request, xml=xml)
    return parameters if isinstance(parameters, Refused) else _about_one(request, parameters, xml=xml)


def wants_xml(request: HttpRequest) -> bool:
    """Whether the answer is to be XML: the path's ending says so, else `Accept`; JSON when in doubt."""
    if request.path.endswith(".json"):
        return False
    return request.path.endswith(".xml") or _prefers_xml(request.headers.get("Accept", ""))


def _prefers_xml(accept: str) -> bool:
    if "xml" not in accept:
        return False
    weights = {True: 0.0, False: 0.0}
    for choice in accept.lower().split(","):
        kind, *options = (part.strip() for part in choice.split(";"))
        if kind in _XML_TYPES or kind in _JSON_TYPES:
            is_xml = kind in _XML_TYPES
            weights[is_xml] = max(weights[is_xml], _weight(options))
    return weights[True] > weights[False]


def _weight(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option[2:])
            except ValueError:
                return 0.0
    return 1.0


def _read_authorized(request: HttpRequest, *, xml: bool) -> Parameters | Refused:
    """The parameters, with the request's one token under `key` wherever it was sent."""
    parameters = read_parameters(request)
    if isinstance(parameters, Unreadable):
        return Refused(reason=parameters.reason, text=parameters.text, xml=xml)
    token = read_key(parameters, request.headers)
    if isinstance(token, Reason):
        return Refused(reason=token, xml=xml)
    parameters["key"] = token
    return parameters


def _about_one(request: HttpRequest, parameters: Parameters, *, xml: bool) -> Confirm | Refused:
    name = request.path.rpartition("/")[2]
    uuid = name.removesuffix(".xml").removesuffix(".json").lower()
    if not uuid7.is_uuid7(uuid):
        return Refused(reason=Reason.NOT_FOUND, xml=xml)
    return Confirm(token=parameters["key"], uuid=uuid, xml=xml)


def _read_caller(parameters: Parameters) -> tuple[str, Reason | None]:
    number = _stated(parameters, "caller_number")
    if not number:
        return "", Reason.CALLER_NUMBER_MISSING
    caller = read_e164(number)
    return (caller, None) if caller else ("", Reason.CALLER_NUMBER_INVALID)


def _read_publisher(parameters: Parameters) -> str:
    for name in _PUBLISHER:
        afid = _stated(parameters, name).strip()
        if afid:
            return afid
    return ""


def _stated(parameters: Parameters, name: str) -> str:
    value = parameters.get(name, "")
    return value if value and not is_placeholder(value) else ""


def _fault_of(tags: Parameters) -> str:
    if len(tags) > _MOST_TAGS:
        return f"at most {_MOST_TAGS} tags are taken"
    for name, value in tags.items():
        if len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE:
            return f"a tag's name has at most {_LONGEST_NAME} characters, its value {_LONGEST_VALUE}"
        if not name.isprintable():
            return "a tag's name must not hold control characters"
    return ""
