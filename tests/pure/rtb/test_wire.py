"""The rtb service's wire: requests into pings, outcomes into bytes."""

import json
from typing import Any

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from services.rtb.rules.nouns import (
    Confirm,
    NoTarget,
    Outcome,
    Ping,
    RateLimited,
    Refused,
    Rejected,
    Reserved,
)
from services.rtb.wire import (
    AnswerForm,
    deprecated,
    read_confirm,
    read_ping,
    read_show,
    wants_xml,
    write_outcome,
    write_refusal,
    write_xml_fault,
)
from shared.domain.http import HttpAnswer
from shared.domain.pings import Winner
from shared.domain.reasons import Reason
from tests.support.requests import make_request

UUID = "01890a5d-ac96-7000-8000-123456789abc"
KEY = "pbk_r_abcdefghijklmnopqrstuvwxyz0123456789"
CALLER = "2125551212"
JSON = "application/json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def ping(query: str = "", body: bytes = b"", **headers: str) -> Ping:
    read = read_ping(make_request(query, body, **headers))
    assert isinstance(read, Ping), read
    return read


def refusal(query: str = "", body: bytes = b"", **headers: str) -> Refused:
    read = read_ping(make_request(query, body, **headers))
    assert isinstance(read, Refused), read
    return read


# pings


def test_a_whole_ping() -> None:
    assert ping(
        f"key={KEY}&source_id=pub_a&caller_number=%2B12125551212&inbound_number=8445550100&campaign_id=auto"
        "&zip=10001&caller_zip=10002&status=x"
    ) == Ping(
        token=KEY,
        publisher="pub_a",
        caller="+12125551212",
        caller_refused=None,
        inbound_number="+18445550100",
        campaign="auto",
        tags={"zip": "10001", "caller_zip": "10002", "status": "x"},
    )


@pytest.mark.parametrize("name", ["publisher_id", "source_id", "affiliate_id"])
def test_publisher_synonyms(name: str) -> None:
    read = ping(f"key=k&{name}=pub_a")
    assert read.publisher == "pub_a"
    assert read.tags == {}


def test_the_first_publisher_synonym_that_is_filled_counts() -> None:
    assert ping("key=k&affiliate_id=c&source_id=b&publisher_id=[publisher_id]").publisher == "b"


@pytest.mark.parametrize(
    ("sent", "caller", "refused"),
    [
        ("caller_number=2125551212", "+12125551212", None),
        ("caller_number=12125551212", "+12125551212", None),
        ("caller_number=+12125551212", "+12125551212", None),
        ("caller_number=%2B12125551212", "+12125551212", None),
        ("caller_number=(212)%20555-1212", "+12125551212", None),
        ("caller_number=%2B442079460000", "+442079460000", None),
        ("", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=[caller_number]", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=CALLER_NUMBER", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=123", "", Reason.CALLER_NUMBER_INVALID),
        ("caller_number=anonymous", "", Reason.CALLER_NUMBER_INVALID),
        (f"caller_number={'1' * 30}", "", Reason.CALLER_NUMBER_INVALID),
    ],
)
def test_callers(sent: str, caller: str, refused: Reason | None) -> None:
    read = ping(f"key=k&{sent}")
    assert (read.caller, read.caller_refused) == (caller, refused)


@pytest.mark.parametrize(
    ("sent", "number", "refused"),
    [
        ("", "", False),
        ("inbound_number=[number]", "", False),
        ("inbound_number=1-844-555-0100", "+18445550100", False),
        ("inbound_number=x", "", True),
    ],
)
def test_inbound_numbers(sent: str, number: str, refused: bool) -> None:
    read = ping(f"key=k&{sent}")
    assert (read.inbound_number, read.number_refused) == (number, refused)


def test_json_scalars_become_tags() -> None:
    read = ping(
        "", b'{"key":"k","caller_number":2125551212,"bid":12.50,"homeowner":true,"x":null}', Content_Type=JSON
    )
    assert read.caller == "+12125551212"
    assert read.tags == {"bid": "12.50", "homeowner": "true"}


def test_unfilled_tags_are_absent() -> None:
    assert ping("key=k&zip=[caller_zip]&state=&age=30").tags == {"age": "30"}


@pytest.mark.parametrize("headers", [{"X_Api_Key": "k"}, {"Authorization": "Bearer k"}])
def test_keys_in_headers(headers: dict[str, str]) -> None:
    assert ping("", b"", **headers).token == "k"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", Reason.KEY_MISSING),
        ("key=", Reason.KEY_MISSING),
        ("key=KEY", Reason.KEY_MISSING),
        ("key=a&key=b", Reason.KEY_AMBIGUOUS),
        ("key=k&a=%zz", Reason.BAD_REQUEST),
        ("key=k&a=%ff", Reason.BAD_REQUEST),
        ("key=k&a=%00", Reason.TAG_INVALID),
        ("key=k&a%0a=1", Reason.TAG_INVALID),
        (f"key=k&{'n' * 65}=1", Reason.TAG_INVALID),
        (f"key=k&a={'v' * 513}", Reason.TAG_INVALID),
        ("key=k&" + "&".join(f"t{i}=1" for i in range(101)), Reason.TAG_INVALID),
    ],
)
def test_pings_that_are_not_evaluated(query: str, reason: Reason) -> None:
    assert refusal(query).reason is reason


def test_the_most_that_tags_may_be() -> None:
    names = [f"{'n' * 62}{i:02d}" for i in range(100)]
    assert len(ping("key=k&" + "&".join(f"{name}={'é' * 512}" for name in names)).tags) == 100


def test_a_key_in_the_query_and_another_in_a_header() -> None:
    assert refusal("key=a", X_Api_Key="b").reason is Reason.KEY_AMBIGUOUS


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        ("/rtbs.json", "application/xml", False),
        ("/rtbs.xml", "application/json", True),
        ("/rtbs", "", False),
        ("/rtbs", "*/*", False),
        ("/rtbs", "application/json", False),
        ("/rtbs", "application/xml", True),
        ("/rtbs", "text/xml", True),
        ("/rtbs", "text/xml; charset=utf-8", True),
        ("/rtbs", "Application/XML", False),
        ("/rtbs", "application/json, application/xml", False),
        ("/rtbs", "application/json;q=0.5, application/xml", True),
        ("/rtbs", "application/xml;q=0.5, */*", False),
        ("/rtbs", "application/xml;q=x", False),
        ("/rtbs", BROWSER, True),
        ("/rtbs", "application/xhtml+xml", False),
    ],
)
def test_json_or_xml(path: str, accept: str, expected: bool) -> None:
    request = make_request("key=k", path=path, Accept=accept)
    assert wants_xml(request) is expected
    read = read_ping(request)
    assert read.xml is expected


# confirms and shows


@pytest.mark.parametrize("ending", ["", ".json", ".xml"])
@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("key=k&status=confirmed", b"", ""),
        ("key=k", b"status=confirmed", "application/x-www-form-urlencoded"),
        ("", b'{"key":"k","status":"Confirmed "}', JSON),
    ],
)
def test_confirms(ending: str, query: str, body: bytes, kind: str) -> None:
    request = make_request(query, body, path=f"/rtbs/{UUID}{ending}", Content_Type=kind)
    assert read_confirm(request) == Confirm(token="k", uuid=UUID, xml=ending == ".xml")


@pytest.mark.parametrize(
    ("uuid", "query", "reason"),
    [
        (UUID, "key=k", Reason.STATUS_INVALID),
        (UUID, "key=k&status=claimed", Reason.STATUS_INVALID),
        (UUID, "status=confirmed", Reason.KEY_MISSING),
        (UUID, "key=k&status=%zz", Reason.BAD_REQUEST),
        ("1", "key=k&status=confirmed", Reason.NOT_FOUND),
        ("01890a5d-ac96-4000-8000-123456789abc", "key=k&status=confirmed", Reason.NOT_FOUND),
    ],
)
def test_confirms_that_are_refused(uuid: str, query: str, reason: Reason) -> None:
    read = read_confirm(make_request(query, path=f"/rtbs/{uuid}.xml"))
    assert isinstance(read, Refused)
    assert (read.reason, read.xml) == (reason, True)


def test_shows() -> None:
    assert read_show(make_request("key=k", path=f"/rtbs/{UUID.upper()}.json")) == Confirm(
        token="k", uuid=UUID
    )
    for path, query in ((f"/rtbs/{UUID}.json", ""), ("/rtbs/x.json", "key=k")):
        assert isinstance(read_show(make_request(query, path=path)), Refused)


# answers

FORM = AnswerForm(sip_domain="sip.example.com")
RESERVED = Reserved(
    uuid=UUID,
    winner=Winner(buyer_id=1, revenue="25", payout="12.5000", seconds=90, dba="Alpha <& Co>"),
    number="+18445550100",
    expires_ms=1_790_000_000_007,
)
AS_JSON = Ping(token=KEY, caller="+12125551212")
AS_XML = Ping(token=KEY, caller="+12125551212", xml=True)


def body_of(outcome: Outcome, form: AnswerForm = FORM) -> dict[str, Any]:
    answer = write_outcome(outcome, form, ping=AS_JSON, request_id="req-1")
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
    answer = write_outcome(changed(winner=Winner(buyer_id=1, payout=payout)), FORM, ping=AS_JSON)
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
    answer = write_outcome(outcome, FORM, ping=AS_JSON, key_id=7)
    assert answer.status == 200
    assert json.loads(answer.body) == expected
    assert (answer.outcome, answer.reason) == (expected["status"], expected.get("reason", ""))
    assert (answer.key_id, answer.caller) == (7, "+12125551212")
    assert xml_of(write_outcome(outcome, FORM, ping=AS_XML)) == expected


def test_too_fast() -> None:
    answer = write_outcome(RateLimited(retry_after_s=0), FORM, ping=AS_JSON, request_id="req-1")
    assert (answer.status, answer.headers) == (429, (("Retry-After", "1"),))
    assert json.loads(answer.body)["reason"] == "rate_limited"
    assert xml_of(write_outcome(RateLimited(retry_after_s=2), FORM, ping=AS_XML))["reason"] == "rate_limited"


def test_xml_has_the_same_names_and_values() -> None:
    outcome = changed(return_dba=True, repeat=True, winner=Winner(buyer_id=1, dba="A\x01<&>\"'\ufffe\r\n"))
    assert xml_of(write_outcome(outcome, FORM, ping=AS_XML)) == {
        **{name: value for name, value in body_of(outcome).items() if isinstance(value, str)},
        "retreaver_payout": None,
        "retreaver_seconds": None,
        "retreaver_target_dba": "A\ufffd<&>\"'\ufffd\r\n",
        "retreaver_ping_shield": "true",
    }


def test_what_the_log_line_learns() -> None:
    assert write_outcome(RESERVED, FORM, ping=AS_JSON).outcome == "reserved"
    assert write_outcome(changed(repeat=True), FORM, ping=AS_JSON).outcome == "repeat"
    confirm = Confirm(token=KEY, uuid=UUID)
    assert write_outcome(changed(status="confirmed"), FORM, ping=confirm).outcome == "confirmed"


def test_the_deprecated_path_says_so() -> None:
    answer = deprecated(write_outcome(RESERVED, FORM, ping=AS_JSON))
    assert [name for name, _ in answer.headers] == ["Deprecation", "Sunset"]


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
    answer = write_refusal(Refused(reason=reason, key_id=3), "req-1")
    body = json.loads(answer.body)
    assert answer.status == status
    assert body == {"status": "error", "error": body["error"], "reason": reason, "request_id": "req-1"}
    assert body["error"]
    assert (answer.outcome, answer.reason, answer.key_id) == ("refused", reason, 3)
    assert ("Retry-After" in dict(answer.headers)) == (status == 429)
    assert xml_of(write_refusal(Refused(reason=reason), "req-1", xml=True)) == body


def test_the_text_that_publishers_match_on() -> None:
    answer = write_refusal(Refused(reason=Reason.CALLER_NUMBER_MISSING), "req-1")
    assert json.loads(answer.body)["error"] == "FAILED must include caller_number (string)"


class _Fault:
    status = 503
    reason = Reason.UNAVAILABLE
    text = "redis is unavailable"
    request_id = "req-1"
    retry_after_s = 1
    headers: tuple[tuple[str, str], ...] = ()


def test_the_servers_own_refusals_as_xml() -> None:
    answer = write_xml_fault(_Fault())
    assert (answer.status, answer.headers) == (503, (("Retry-After", "1"),))
    assert xml_of(answer)["reason"] == "unavailable"


# fuzz

_secret = "pbk_r_SECRETsecretSECRETsecretSECRETsec"
_kinds = st.sampled_from(
    ["", JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "a/b"]
)
_noise = st.sampled_from(["%zz", "%ff", "%00", "&", "=", "{", "[", "\\u0000", '"', "é", "a", "\n", "x" * 600])


@given(st.text(), st.binary(), _kinds, st.text(max_size=20))
def test_any_bytes_are_a_ping_or_refused(query: str, body: bytes, kind: str, accept: str) -> None:
    request = make_request(query, body, Content_Type=kind, Accept=accept, path="/rtbs")
    assert isinstance(read_ping(request), Ping | Refused)
    assert isinstance(read_confirm(request), Confirm | Refused)


@given(st.lists(_noise, max_size=6), st.booleans(), _kinds, st.booleans())
def test_refusals_hold_neither_key_nor_caller(noise: list[str], in_body: bool, kind: str, xml: bool) -> None:
    text = f"key={_secret}&caller_number={CALLER}&{CALLER}={_secret}&{_secret}{'&'.join(noise)}"
    request = make_request("" if in_body else text, text.encode() if in_body else b"", Content_Type=kind)
    read = read_ping(request)
    if isinstance(read, Refused):
        body = write_refusal(read, "req-1", xml=xml).body
        assert _secret.encode() not in body
        assert CALLER.encode() not in body


@given(st.text(), st.text())
def test_xml_is_always_well_formed(dba: str, domain: str) -> None:
    outcome = changed(return_dba=True, winner=Winner(buyer_id=1, dba=dba))
    xml_of(write_outcome(outcome, AnswerForm(sip_domain=domain), ping=AS_XML))
