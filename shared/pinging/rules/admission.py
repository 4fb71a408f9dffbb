"""Whether a ping may be evaluated at all: its publisher, campaign, caller and number, given its key.

Owns the refusals that precede an evaluation. Must never rank anyone.
"""

from shared.domain.keys import Key, Level, RtbSettings
from shared.domain.plan import Company, Plan, Publisher
from shared.domain.reasons import Reason
from shared.pinging.rules.nouns import Ping, Refused


def publisher_of(ping: Ping, key: Key, *, settings: RtbSettings, company: Company) -> Publisher | Refused:
    """The publisher that pings: the key's own when it is bound to one, else the one the request names."""
    bound = key.entity_id if key.level is Level.PUBLISHER else settings.publisher_id
    found = company.publishers_by_id.get(bound) if bound else company.publishers.get(ping.publisher)
    return found or Refused(reason=Reason.PUBLISHER_UNKNOWN)


def campaign_of(ping: Ping, settings: RtbSettings, *, company: Company) -> int | Refused:
    """The campaign that a publisher's key pings into: the request's cid, else the inbound number's, else its own.

    Source: keys.md, configuration by kind.
    """
    if ping.campaign:
        found = company.campaigns_by_cid.get(ping.campaign)
        return Refused(reason=Reason.CAMPAIGN_UNKNOWN) if found is None else found
    number = ping.inbound_number or settings.inbound_number
    if number and number in company.campaigns_by_number:
        return company.campaigns_by_number[number]
    return settings.campaign_id or Refused(reason=Reason.CAMPAIGN_REQUIRED)


def caller_refusal(ping: Ping, settings: RtbSettings) -> Refused | None:
    """A caller number that is missing or none, unless the key takes callers without one."""
    if ping.caller_refused is Reason.CALLER_NUMBER_MISSING and settings.allow_no_caller_number:
        return None
    return Refused(reason=ping.caller_refused) if ping.caller_refused else None


def number_refusal(ping: Ping, settings: RtbSettings, *, plan: Plan) -> Refused | None:
    """An inbound number that is not the campaign's, or not the one the key is held to."""
    if not ping.inbound_number and not ping.number_refused:
        return None
    if ping.number_refused or ping.inbound_number not in plan.numbers:
        return Refused(reason=Reason.INBOUND_NUMBER_UNKNOWN)
    if settings.inbound_number and settings.inbound_number != ping.inbound_number:
        return Refused(reason=Reason.INBOUND_NUMBER_NOT_ALLOWED)
    return None


def own_number(settings: RtbSettings, plan: Plan) -> str:
    """The number that a key is held to, as long as it is one of the campaign's."""
    return settings.inbound_number if settings.inbound_number in plan.numbers else ""
