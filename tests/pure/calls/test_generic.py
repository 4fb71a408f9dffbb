"""The generic adapter: bodies into nouns, steps into bodies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.calls.wire.refusals import write_refusal
from shared.domain.http import HttpRequest
from shared.domain.reasons import Reason
from shared.domain.switching.credentials import Credential
from shared.domain.switching.generic import read_event, read_inbound, write_step
from shared.domain.switching.nouns import (
    CallEnded,
    Connected,
    Dial,
    DialLeg,
    FallBack,
    HangUp,
    Inbound,
    LegEvent,
    Refused,
    Reject,
    Step,
)
from shared.domain.tokens import Hidden
from tests.support.requests import make_request

SWITCH = Credential(id=12, company_id=7, kind="generic", account_id="pbx", secret=Hidden("s" * 32))
CALL = "01890a5d-ac96-7000-8000-123456789abc"
LEG = "01890a5d-ac96-7000-8000-00000000000a"
OTHER_LEG = "01890a5d-ac96-7000-8000-00000000000b"
CALLER, NUMBER = "+12125551212", "+18445550199"


def inbound(**changed: Any) -> Inbound | Refused:
    body = {"call_id": "c-1", "from": CALLER, "to": NUMBER, **changed}
    return read_inbound(request_of(json.dumps(body).encode()), SWITCH)


def event(**told: Any) -> LegEvent | CallEnded | Refused:
    return read_event(request_of(json.dumps(told).encode()), SWITCH)


def request_of(body: bytes, uuid: str = CALL) -> HttpRequest:
    request = make_request("", body, path=f"/v1/calls/{uuid}/events", method="POST")
    return replace(request, params={"uuid": uuid})


def refused(read: object) -> Reason:
    assert isinstance(read, Refused), read
    answer = write_refusal(read, "req-1")
    assert 400 <= answer.status < 500
    assert json.loads(answer.body)["reason"] == read.reason
    return read.reason


# a call comes in


def test_a_whole_call() -> None:
    assert inbound(sip_user=CALL) == Inbound(
        provider="generic/12",
        company_id=7,
        provider_call_id="c-1",
        caller=CALLER,
        number=NUMBER,
        reservation=CALL,
    )


def test_numbers_are_read_as_people_write_them() -> None:
    read = inbound(**{"from": "(212) 555-1212", "to": "18445550199"})
    assert isinstance(read, Inbound)
    assert (read.caller, read.number) == (CALLER, NUMBER)


@pytest.mark.parametrize(
    "withheld", ["", None, "anonymous", "Anonymous", "Restricted", "UNAVAILABLE", " unknown ", "+86282452253"]
)
def test_a_caller_who_withholds_the_number(withheld: str | None) -> None:
    read = inbound(**{"from": withheld})
    assert isinstance(read, Inbound)
    assert read.caller == ""


@pytest.mark.parametrize("user", [CALL, CALL.upper()])
def test_a_sip_user_needs_no_number(user: str) -> None:
    read = inbound(to=None, sip_user=user)
    assert isinstance(read, Inbound)
    assert (read.number, read.reservation) == ("", CALL)


@pytest.mark.parametrize("user", ["", None, "sales", "01890a5d-ac96-4000-8000-123456789abc", "a\0b"])
def test_a_sip_user_that_is_no_reservation_says_nothing(user: str | None) -> None:
    read = inbound(sip_user=user)
    assert isinstance(read, Inbound)
    assert read.reservation == ""
    assert refused(inbound(to=None, sip_user=user)) is Reason.NUMBER_UNKNOWN


BAD_NUMBERS = [
    "abc",
    "123",
    "+",
    "+1",
    "1" * 40,
    "+1212555121x",
    "+12125551212\0",
    "\u0661" * 10,
    "sip:a@b",
    "911",
]


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_numbers_that_are_none(number: str) -> None:
    assert refused(inbound(**{"from": number})) is Reason.CALLER_NUMBER_INVALID
    assert refused(inbound(to=number)) is Reason.NUMBER_UNKNOWN


@pytest.mark.parametrize("call_id", ["", " ", "a b", "a\0", "é", "x" * 129, "a\n"])
def test_ids_that_cannot_be_kept(call_id: str) -> None:
    assert refused(inbound(call_id=call_id)) is Reason.EVENT_INVALID


@pytest.mark.parametrize(
    "changed", [{"call_id": 1}, {"call_id": None}, {"from": 2125551212}, {"to": [NUMBER]}, {"sip_user": {}}]
)
def test_values_of_the_wrong_type(changed: dict[str, Any]) -> None:
    assert refused(inbound(**changed)) is Reason.EVENT_INVALID


UNREADABLE = [
    b"",
    b"{",
    b"call_id=1",
    b"\xff",
    b'{"call_id":"\xff","event":"\xff"}',
    b'{"a":' + b"[" * 5000,
    b'{"a":"\\ud800"}',
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_bodies_that_cannot_be_read(body: bytes) -> None:
    assert refused(read_inbound(request_of(body), SWITCH)) is Reason.BAD_REQUEST
    assert refused(read_event(request_of(body), SWITCH)) is Reason.BAD_REQUEST


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"x"', b"{}"])
def test_json_that_is_no_call_and_no_event(body: bytes) -> None:
    assert refused(read_inbound(request_of(body), SWITCH)) is Reason.EVENT_INVALID
    assert refused(read_event(request_of(body), SWITCH)) is Reason.EVENT_INVALID


def test_of_a_field_that_stands_twice_the_last_counts() -> None:
    read = read_inbound(request_of(b'{"call_id":"a","call_id":"b","to":"+18445550199"}'), SWITCH)
    assert isinstance(read, Inbound)
    assert read.provider_call_id == "b"


# events


@pytest.mark.parametrize("news", ["answered", "busy", "no_answer", "failed", "ended"])
def test_news_of_a_leg(news: str) -> None:
    assert event(event=news, leg_id=LEG.upper()) == LegEvent(
        provider="generic/12",
        call_uuid=CALL,
        leg_uuid=LEG,
        news=news,  # type: ignore[arg-type]
    )


def test_a_leg_s_end_with_all_that_it_tells() -> None:
    told = event(
        event="ended", leg_id=LEG, at=1795000000.25, connected_duration=119.9, call_uuid=CALL.upper()
    )
    assert told == LegEvent(
        provider="generic/12",
        call_uuid=CALL,
        leg_uuid=LEG,
        news="ended",
        at_ms=1795000000250,
        connected_s=119,
    )


def test_the_call_s_own_end() -> None:
    told = event(
        event="ended",
        at=1795000000,
        duration=130,
        connected_duration=0,
        hung_up_by="buyer",
        recording_url="https://rec.example.com/1",
    )
    assert told == CallEnded(
        provider="generic/12",
        call_uuid=CALL,
        at_ms=1795000000000,
        total_s=130,
        connected_s=0,
        hung_up_by="buyer",
        recording_url="https://rec.example.com/1",
    )


def test_what_is_null_is_absent() -> None:
    nothing = dict.fromkeys(
        ("leg_id", "call_uuid", "at", "duration", "connected_duration", "hung_up_by", "recording_url")
    )
    assert event(event="ended", **nothing) == CallEnded(provider="generic/12", call_uuid=CALL)


@pytest.mark.parametrize(
    "wrong",
    [
        *[{"event": word} for word in ("", "hung", "Answered", "ended\0", 1, None)],
        *[{"at": moment} for moment in (-1, 1_795_000_000_000, "now", True, "")],
        *[{"connected_duration": seconds} for seconds in (-1, 604_801, "120", True)],
        *[{"duration": seconds} for seconds in (-0.5, 1e300, "")],
        *[{"leg_id": leg} for leg in ("x", 5, "01890a5d-ac96-4000-8000-00000000000a", LEG + "\0")],
        *[{"call_uuid": uuid} for uuid in (LEG, "x", 5)],
        *[{"hung_up_by": who} for who in ("me", 5, "caller\0")],
    ],
    ids=str,
)
def test_events_that_are_not_valid(wrong: dict[str, Any]) -> None:
    assert refused(event(**{"event": "ended", "leg_id": LEG, **wrong})) is Reason.EVENT_INVALID


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"Infinity", b"-1e400"])
def test_numbers_that_no_json_can_hold(number: bytes) -> None:
    body = b'{"event":"ended","connected_duration":' + number + b"}"
    assert refused(read_event(request_of(body), SWITCH)) in {Reason.BAD_REQUEST, Reason.EVENT_INVALID}


@pytest.mark.parametrize("news", ["answered", "busy", "no_answer", "failed"])
def test_only_its_end_is_said_of_the_whole_call(news: str) -> None:
    assert refused(event(event=news)) is Reason.EVENT_INVALID


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b",
        "javascript:alert(1)",
        "/rec/1",
        "https://",
        "https://u:p@a/b",
        "https://a/ b",
        "http://[",
        "https://é",
        "x" * 2049,
    ],
)
def test_a_recording_that_is_nowhere(url: str) -> None:
    assert refused(event(event="ended", recording_url=url)) is Reason.EVENT_INVALID


@pytest.mark.parametrize("uuid", ["x", "01890a5d-ac96-4000-8000-123456789abc", "..", "%00", LEG + "0"])
def test_a_path_that_is_no_call_s(uuid: str) -> None:
    read = read_event(request_of(b'{"event":"ended"}', uuid), SWITCH)
    assert refused(read) is Reason.CALL_NOT_FOUND


@given(
    st.dictionaries(
        st.sampled_from(["event", "leg_id", "call_id", "from", "to", "at"]), st.text() | st.integers()
    )
)
def test_nothing_that_was_sent_is_echoed(body: dict[str, Any]) -> None:
    marked = {name: f"{value}-marker" if isinstance(value, str) else value for name, value in body.items()}
    request = request_of(json.dumps(marked).encode())
    for read in (read_inbound(request, SWITCH), read_event(request, SWITCH)):
        if isinstance(read, Refused):
            assert b"marker" not in write_refusal(read, "req-1").body


# steps

SIP = DialLeg(
    leg_uuid=OTHER_LEG,
    number="sip:desk@gamma.example",
    timeout_seconds=20,
    headers={"X-PH-RetreaverUUID": CALL},
)


def told(step: Step) -> dict[str, Any]:
    answer = write_step(step)
    assert (answer.status, answer.content_type) == (200, "application/json")
    body: dict[str, Any] = json.loads(answer.body)
    assert answer.outcome == body["action"]
    return body


def test_a_dial() -> None:
    first = DialLeg(leg_uuid=LEG, number="+18005550111", timeout_seconds=30, send_digits="ww1")
    assert told(Dial(call_uuid=CALL, legs=(first, SIP), caller=CALLER)) == {
        "call_uuid": CALL,
        "action": "dial",
        "caller": CALLER,
        "legs": [
            {
                "leg_id": LEG,
                "number": "+18005550111",
                "timeout_seconds": 30,
                "send_digits": "ww1",
                "headers": {},
            },
            {
                "leg_id": OTHER_LEG,
                "number": "sip:desk@gamma.example",
                "timeout_seconds": 20,
                "send_digits": "",
                "headers": {"X-PH-RetreaverUUID": CALL},
            },
        ],
    }


@pytest.mark.parametrize(
    ("step", "body"),
    [
        (Connected(call_uuid=CALL), {"call_uuid": CALL, "action": "connected", "drop_legs": []}),
        (
            Connected(call_uuid=CALL, drop=(LEG,)),
            {"call_uuid": CALL, "action": "connected", "drop_legs": [LEG]},
        ),
        (
            HangUp(call_uuid=CALL, message="Sorry.", reason="no_buyers"),
            {"call_uuid": CALL, "action": "hangup", "message": "Sorry.", "reason": "no_buyers"},
        ),
        (FallBack(number=NUMBER), {"action": "dial", "fallback": True, "number": NUMBER}),
        (FallBack(message="Sorry."), {"action": "hangup", "message": "Sorry."}),
        (Reject(reason="number_unknown"), {"action": "reject", "reason": "number_unknown"}),
    ],
)
def test_the_other_steps(step: Step, body: dict[str, Any]) -> None:
    assert told(step) == body


def test_why_stands_in_the_log_line() -> None:
    assert write_step(HangUp(call_uuid=CALL, reason="no_buyers")).reason == "no_buyers"
    assert write_step(Connected(call_uuid=CALL)).reason == ""


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.SIGNATURE, 403),
        (Reason.CALL_NOT_FOUND, 404),
        (Reason.BAD_REQUEST, 400),
        (Reason.EVENT_INVALID, 422),
        (Reason.UNAVAILABLE, 503),
        (Reason.FEATURE_OFF, 500),
    ],
)
def test_statuses(reason: Reason, status: int) -> None:
    assert write_refusal(Refused(reason=reason), "req-1").status == status
