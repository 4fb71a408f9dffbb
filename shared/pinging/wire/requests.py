"""Pings as they were sent.

Owns parameter names and their synonyms. Must never judge a ping: what is wrong with a number is only noted,
as the key decides whether it matters.
"""

from shared.domain.formats import wants_xml
from shared.domain.http import HttpRequest
from shared.domain.parameters import Parameters, Unreadable, fault_of_tags, read_authorized
from shared.domain.phone import read_e164
from shared.domain.reasons import Reason
from shared.domain.request_keys import is_placeholder, stated
from shared.pinging.rules.nouns import Ping, Refused

_PUBLISHER = ("publisher_id", "source_id", "affiliate_id")
_NO_TAGS = frozenset({"key", "caller_number", "inbound_number", "campaign_id", *_PUBLISHER})


def read_ping(request: HttpRequest) -> Ping | Refused:
    """A ping as it was sent; an unfilled placeholder counts as absent.

    Cost: about 3 us for a plain query of five parameters.
    Source: rtb.md, request.
    """
    xml = wants_xml(request)
    parameters = read_fields(request, xml=xml)
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


def read_fields(request: HttpRequest, *, xml: bool) -> Parameters | Refused:
    """The parameters of a request that carries one key; why not, in the form that it asks for."""
    parameters = read_authorized(request)
    if isinstance(parameters, Unreadable):
        return Refused(reason=parameters.reason, text=parameters.text, xml=xml)
    return parameters


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
