"""The rtb service's wire: outcomes and refusals into bytes."""

import json
from typing import Any

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.http import Fault, HttpAnswer
from shared.domain.pings import Winner
from shared.domain.reasons import Reason
from shared.pinging.rules.nouns import (
    NoTarget,
    Outcome,
    Refused,
    Rejected,
    Reserved,
)
from shared.pinging.wire import AnswerForm, write_outcome, write_refusal, write_xml_fault

UUID = "01890a5d-ac96-7000-8000-123456789abc"
KEY = "pbk_r_abcdefghijklmnopqrstuvwxyz0123456789"
JSON = "application/json"

FORM = AnswerForm(sip_domain="sip.example.com")
RESERVED = Reserved(
    uuid=UUID,
    winner=Winner(buyer_id=1, revenue="25", payout="12.5000", seconds=90, dba="Alpha <& Co>"),
    number="+18445550100",
    expires_ms=1_790_000_000_007,
)
CALLER = "+12125551212"


def body_of(outcome: Outcome, form: AnswerForm = FORM) -> dict[str, Any]:
    answer = write_outcome(outcome, form, xml=False)
    assert answer.content_type == JSON
    body: dict[str, Any] = json.loads(answer.body)
    return body


def xml_of(answer: HttpAnswer) -> dict[str, str | None]:
    assert answer.content_type == "application/xml"
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "rtb"
    return {child.tag: child.text for child in root}


def changed(**fields: Any) -> Reserved:
    whole = {name: getattr(RESERVED, name) for name in RESERVED.__struct_fields__}
    return Reserved(**{**whole, **fields})


def test_reserved() -> None:
    assert list(body_of(RESERVED).items()) == [
        ("uuid", UUID),
        ("status", "reserved"),
        ("retreaver_payout", 12.5),
        ("retreaver_seconds", 90),
        ("inbound_number", "+18445550100"),
        ("sip_address", f"{UUID}@sip.example.com"),
        ("expires_at", "2026-09-21T14:13:20.007Z"),
    ]


def test_the_repeat_says_the_same_and_that_it_is_one() -> None:
    assert list(body_of(changed(repeat=True)).items()) == [
        *body_of(RESERVED).items(),
        ("retreaver_ping_shield", True),
    ]


def test_the_dba_only_when_the_key_returns_it() -> None:
    assert body_of(changed(return_dba=True))["retreaver_target_dba"] == "Alpha <& Co>"
    assert "retreaver_target_dba" not in body_of(RESERVED)


@pytest.mark.parametrize(
    ("payout", "shown"),
    [
        ("", "null"),
        ("0", "0.0"),
        ("12.5", "12.5"),
        ("12.3456", "12.35"),
        ("0.005", "0.01"),
        ("1000000", "1000000.0"),
    ],
)
def test_payout_is_a_number_of_two_decimals_at_most(payout: str, shown: str) -> None:
    answer = write_outcome(changed(winner=Winner(buyer_id=1, payout=payout)), FORM, xml=False)
    assert f'"retreaver_payout":{shown},"retreaver_seconds":null'.encode() in answer.body


def test_without_number_or_sip_domain_their_fields_are_left_out() -> None:
    body = body_of(changed(number=""), AnswerForm())
    assert {"inbound_number", "sip_address"}.isdisjoint(body)


@pytest.mark.parametrize("status", ["confirmed", "claimed", "expired"])
def test_confirm_answers(status: str) -> None:
    assert body_of(changed(status=status)) == {**body_of(RESERVED), "status": status}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            NoTarget(uuid=UUID, reason=Reason.BUYERS_CAPPED),
            {"uuid": UUID, "status": "no-target", "reason": "buyers_capped"},
        ),
        (NoTarget(uuid=UUID), {"uuid": UUID, "status": "no-target"}),
        (
            Rejected(uuid=UUID, reason=Reason.DUPLICATE_CALLER),
            {"uuid": UUID, "status": "rejected", "reason": "duplicate_caller"},
        ),
        (
            Rejected(uuid=UUID, reason=Reason.CLAIM_RATE),
            {"uuid": UUID, "status": "rejected", "reason": "claim_rate"},
        ),
    ],
)
def test_outcomes_without_a_buyer(outcome: Outcome, expected: dict[str, str]) -> None:
    answer = write_outcome(outcome, FORM, xml=False, key_id=7, caller=CALLER)
    assert answer.status == 200
    assert json.loads(answer.body) == expected
    assert (answer.outcome, answer.reason) == (expected["status"], expected.get("reason", ""))
    assert (answer.key_id, answer.caller) == (7, CALLER)
    assert xml_of(write_outcome(outcome, FORM, xml=True)) == expected


def test_too_fast() -> None:
    answer = write_refusal(Refused(reason=Reason.RATE_LIMITED), "req-1")
    assert (answer.status, answer.headers) == (429, (("Retry-After", "1"),))
    assert json.loads(answer.body)["reason"] == "rate_limited"
    later = write_refusal(Refused(reason=Reason.RATE_LIMITED, retry_after_s=2), "req-1", xml=True)
    assert later.headers == (("Retry-After", "2"),)
    assert xml_of(later)["reason"] == "rate_limited"


def test_xml_has_the_same_names_and_values() -> None:
    outcome = changed(return_dba=True, repeat=True, winner=Winner(buyer_id=1, dba="A\x01<&>\"'\ufffe\r\n"))
    assert xml_of(write_outcome(outcome, FORM, xml=True)) == {
        **{name: value for name, value in body_of(outcome).items() if isinstance(value, str)},
        "retreaver_payout": None,
        "retreaver_seconds": None,
        "retreaver_target_dba": "A\ufffd<&>\"'\ufffd\r\n",
        "retreaver_ping_shield": "true",
    }


def test_what_the_log_line_learns() -> None:
    assert write_outcome(RESERVED, FORM, xml=False).outcome == "reserved"
    assert write_outcome(changed(repeat=True), FORM, xml=False).outcome == "repeat"
    assert write_outcome(changed(status="confirmed"), FORM, xml=False).outcome == "confirmed"


# refusals

STATUSES = {
    400: (Reason.BAD_REQUEST,),
    401: (Reason.KEY_MISSING, Reason.KEY_UNKNOWN, Reason.KEY_AMBIGUOUS),
    403: (Reason.KEY_PAUSED, Reason.SCOPE, Reason.FEATURE_OFF),
    404: (Reason.NOT_FOUND,),
    422: (
        Reason.PUBLISHER_UNKNOWN,
        Reason.CALLER_NUMBER_MISSING,
        Reason.CALLER_NUMBER_INVALID,
        Reason.INBOUND_NUMBER_UNKNOWN,
        Reason.INBOUND_NUMBER_NOT_ALLOWED,
        Reason.CAMPAIGN_REQUIRED,
        Reason.CAMPAIGN_UNKNOWN,
        Reason.TAG_INVALID,
        Reason.STATUS_INVALID,
    ),
    429: (Reason.TOO_MANY_UNKNOWN_KEYS,),
    500: (Reason.FAULT,),
}


@pytest.mark.parametrize(
    ("status", "reason"), [(status, reason) for status, reasons in STATUSES.items() for reason in reasons]
)
def test_each_reason_has_its_status_and_a_text(status: int, reason: Reason) -> None:
    answer = write_refusal(Refused(reason=reason), "req-1", key_id=3)
    body = json.loads(answer.body)
    assert answer.status == status
    assert body == {"status": "error", "error": body["error"], "reason": reason, "request_id": "req-1"}
    assert body["error"]
    outcome = "refused" if status < 500 else "failed"
    assert (answer.outcome, answer.reason, answer.key_id) == (outcome, reason, 3)
    assert ("Retry-After" in dict(answer.headers)) == (status == 429)
    assert xml_of(write_refusal(Refused(reason=reason), "req-1", xml=True)) == body


def test_the_text_that_publishers_match_on() -> None:
    answer = write_refusal(Refused(reason=Reason.CALLER_NUMBER_MISSING), "req-1")
    assert json.loads(answer.body)["error"] == "FAILED must include caller_number (string)"


def test_the_servers_own_refusals_as_xml() -> None:
    fault = Fault(
        status=503,
        reason=Reason.UNAVAILABLE,
        text="redis is unavailable",
        request_id="req-1",
        retry_after_s=1,
        headers=(("X-Else", "1"),),
    )
    answer = write_xml_fault(fault)
    assert (answer.status, answer.headers) == (503, (("X-Else", "1"), ("Retry-After", "1")))
    assert xml_of(answer)["reason"] == "unavailable"


@given(st.text(), st.text())
def test_xml_is_always_well_formed(dba: str, domain: str) -> None:
    outcome = changed(return_dba=True, winner=Winner(buyer_id=1, dba=dba))
    xml_of(write_outcome(outcome, AnswerForm(sip_domain=domain), xml=True))
