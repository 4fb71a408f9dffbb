"""Requests of the rtb service: pings, confirms and shows.

Owns parameter names and their synonyms. Must never judge a ping: what is wrong with a number is only noted,
as the key decides whether it matters.
"""

from services.rtb.rules.nouns import Confirm, Ping, Refused
from shared.domain import uuid7
from shared.domain.formats import wants_xml
from shared.domain.http import HttpRequest
from shared.domain.parameters import Parameters, Unreadable, fault_of_tags, read_authorized
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.request_keys import is_placeholder, stated

_PUBLISHER = ("publisher_id", "source_id", "affiliate_id")
_NO_TAGS = frozenset({"key", "caller_number", "inbound_number", "campaign_id", *_PUBLISHER})


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
    fault = fault_of_tags(tags)
    if fault:
        return Refused(reason=Reason.TAG_INVALID, text=fault, xml=xml)
    caller, caller_refused = _read_caller(parameters)
    number = stated(parameters, "inbound_number")
    inbound_number = read_e164(number) or "" if number else ""
    return Ping(
        token=parameters["key"],
        publisher=_read_publisher(parameters),
        caller=caller,
        caller_refused=caller_refused,
        inbound_number=inbound_number,
        number_refused=bool(number and not inbound_number),
        campaign=stated(parameters, "campaign_id").strip(),
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


def _read_authorized(request: HttpRequest, *, xml: bool) -> Parameters | Refused:
    parameters = read_authorized(request)
    if isinstance(parameters, Unreadable):
        return Refused(reason=parameters.reason, text=parameters.text, xml=xml)
    return parameters


def _about_one(request: HttpRequest, parameters: Parameters, *, xml: bool) -> Confirm | Refused:
    name = request.path.rpartition("/")[2]
    uuid = name.removesuffix(".xml").removesuffix(".json").lower()
    if not uuid7.is_uuid7(uuid):
        return Refused(reason=Reason.NOT_FOUND, xml=xml)
    return Confirm(token=parameters["key"], uuid=uuid, xml=xml)


def _read_caller(parameters: Parameters) -> tuple[str, Reason | None]:
    number = stated(parameters, "caller_number")
    if not number:
        return "", Reason.CALLER_NUMBER_MISSING
    caller = read_e164(number)
    return (caller, None) if caller else ("", Reason.CALLER_NUMBER_INVALID)


def _read_publisher(parameters: Parameters) -> str:
    for name in _PUBLISHER:
        afid = stated(parameters, name).strip()
        if afid:
            return afid
    return ""
