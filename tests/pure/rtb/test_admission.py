"""Who may ping into what, and every refusal before an evaluation."""

from typing import Any

import pytest

from shared.domain.keys import Key, Kind, Level, RtbSettings
from shared.domain.plan import Company, InboundNumber
from shared.domain.reasons import Reason
from shared.pinging.rules.admission import caller_refusal, campaign_of, number_refusal, publisher_of
from shared.pinging.rules.nouns import Ping, Refused
from tests.support.plans import OTHER_PUBLISHER, PUBLISHER, a_company, a_plan

NUMBER, OTHER, FOREIGN = "+18005550001", "+18005550002", "+18005559999"


def a_key(level: Level = Level.CAMPAIGN, entity_id: int = 100) -> Key:
    return Key(
        id=1,
        company_id=1,
        shard=1,
        kind=Kind.RTB,
        level=level,
        entity_id=entity_id,
        name="ours",
        settings=RtbSettings(),
    )


def a_ping(**said: Any) -> Ping:
    return Ping(token="t", **said)


COMPANY: Company = a_company(
    campaigns_by_cid={"camp": 100, "other": 200}, campaigns_by_number={NUMBER: 100, OTHER: 200}
)
OF_PUBLISHER = a_key(Level.PUBLISHER, PUBLISHER.id)


def test_an_unbound_key_takes_the_publisher_that_the_request_names() -> None:
    assert (
        publisher_of(a_ping(publisher="pub-b"), a_key(), settings=RtbSettings(), company=COMPANY)
        == OTHER_PUBLISHER
    )


@pytest.mark.parametrize("afid", ["", "pub", "PUB-A", "7"])
def test_an_unknown_or_missing_publisher_is_refused(afid: str) -> None:
    refused = publisher_of(a_ping(publisher=afid), a_key(), settings=RtbSettings(), company=COMPANY)
    assert refused == Refused(reason=Reason.PUBLISHER_UNKNOWN)


def test_what_the_request_says_to_a_bound_key_is_ignored() -> None:
    bound = RtbSettings(publisher_id=PUBLISHER.id)
    for afid in ("pub-b", "nobody", ""):
        assert publisher_of(a_ping(publisher=afid), a_key(), settings=bound, company=COMPANY) == PUBLISHER
        assert (
            publisher_of(a_ping(publisher=afid), OF_PUBLISHER, settings=RtbSettings(), company=COMPANY)
            == PUBLISHER
        )


def test_a_key_bound_to_a_publisher_that_is_gone_is_refused() -> None:
    refused = publisher_of(
        a_ping(publisher="pub-a"), a_key(), settings=RtbSettings(publisher_id=99), company=COMPANY
    )
    assert refused == Refused(reason=Reason.PUBLISHER_UNKNOWN)


@pytest.mark.parametrize(
    ("said", "settings", "found"),
    [
        ({"campaign": "other", "inbound_number": NUMBER}, RtbSettings(campaign_id=100), 200),
        ({"inbound_number": OTHER}, RtbSettings(inbound_number=NUMBER, campaign_id=100), 200),
        ({}, RtbSettings(inbound_number=NUMBER, campaign_id=200), 100),
        ({}, RtbSettings(campaign_id=200), 200),
        ({"inbound_number": FOREIGN}, RtbSettings(campaign_id=200), 200),
    ],
)
def test_a_publishers_key_finds_its_campaign(said: dict[str, str], settings: RtbSettings, found: int) -> None:
    assert campaign_of(a_ping(**said), settings, company=COMPANY) == found


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"campaign": "nowhere", "inbound_number": NUMBER}, Reason.CAMPAIGN_UNKNOWN),
        ({}, Reason.CAMPAIGN_REQUIRED),
        ({"inbound_number": FOREIGN}, Reason.CAMPAIGN_REQUIRED),
    ],
)
def test_a_publishers_key_without_a_campaign_is_refused(said: dict[str, str], reason: Reason) -> None:
    assert campaign_of(a_ping(**said), RtbSettings(), company=COMPANY) == Refused(reason=reason)


@pytest.mark.parametrize(
    ("refused", "allowed", "reason"),
    [
        (None, False, None),
        (None, True, None),
        (Reason.CALLER_NUMBER_MISSING, False, Reason.CALLER_NUMBER_MISSING),
        (Reason.CALLER_NUMBER_MISSING, True, None),
        (Reason.CALLER_NUMBER_INVALID, False, Reason.CALLER_NUMBER_INVALID),
        (Reason.CALLER_NUMBER_INVALID, True, Reason.CALLER_NUMBER_INVALID),
    ],
)
def test_only_a_missing_caller_may_be_allowed(
    refused: Reason | None, allowed: bool, reason: Reason | None
) -> None:
    answer = caller_refusal(a_ping(caller_refused=refused), RtbSettings(allow_no_caller_number=allowed))
    assert answer == (Refused(reason=reason) if reason else None)


@pytest.mark.parametrize(
    ("said", "held_to", "reason"),
    [
        ({}, "", None),
        ({}, NUMBER, None),
        ({"inbound_number": NUMBER}, "", None),
        ({"inbound_number": NUMBER}, NUMBER, None),
        ({"inbound_number": OTHER}, NUMBER, Reason.INBOUND_NUMBER_NOT_ALLOWED),
        ({"inbound_number": FOREIGN}, "", Reason.INBOUND_NUMBER_UNKNOWN),
        ({"inbound_number": FOREIGN}, NUMBER, Reason.INBOUND_NUMBER_UNKNOWN),
        ({"number_refused": True}, "", Reason.INBOUND_NUMBER_UNKNOWN),
    ],
)
def test_an_inbound_number_is_the_campaigns_and_the_keys(
    said: dict[str, Any], held_to: str, reason: Reason | None
) -> None:
    plan = a_plan(numbers={number: InboundNumber(number=number) for number in (NUMBER, OTHER)})
    answer = number_refusal(a_ping(**said), RtbSettings(inbound_number=held_to), plan=plan)
    assert answer == (Refused(reason=reason) if reason else None)
