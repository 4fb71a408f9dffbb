"""Requests about one reservation: confirms and shows.

Owns what they are called on the wire. Must never know a reservation.
"""

from services.rtb.rules.nouns import Confirm
from shared.domain import uuid7
from shared.domain.formats import wants_xml
from shared.domain.http import HttpRequest
from shared.domain.parameters import Parameters
from shared.domain.reasons import Reason
from shared.pinging.rules.nouns import Refused
from shared.pinging.wire import read_fields


def read_confirm(request: HttpRequest) -> Confirm | Refused:
    """The reservation that its publisher confirms; no other status can be given to it.

    Source: rtb.md, confirm.
    """
    xml = wants_xml(request)
    parameters = read_fields(request, xml=xml)
    if isinstance(parameters, Refused):
        return parameters
    if parameters.get("status", "").strip().lower() != "confirmed":
        return Refused(reason=Reason.STATUS_INVALID, xml=xml)
    return _about_one(request, parameters, xml=xml)


def read_show(request: HttpRequest) -> Confirm | Refused:
    """The reservation that its own key wants to see."""
    xml = wants_xml(request)
    parameters = read_fields(request, xml=xml)
    return parameters if isinstance(parameters, Refused) else _about_one(request, parameters, xml=xml)


def _about_one(request: HttpRequest, parameters: Parameters, *, xml: bool) -> Confirm | Refused:
    name = request.path.rpartition("/")[2]
    uuid = name.removesuffix(".xml").removesuffix(".json").lower()
    if not uuid7.is_uuid7(uuid):
        return Refused(reason=Reason.NOT_FOUND, xml=xml)
    return Confirm(token=parameters["key"], uuid=uuid, xml=xml)
