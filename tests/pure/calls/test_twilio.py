"""The Twilio adapter: forms into nouns, steps into TwiML."""

from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.http import HttpRequest
from shared.domain.reasons import Reason
from shared.domain.switching.credentials import Credential
from shared.domain.switching.nouns import (
    CallEnded,
    Connected,
    Dial,
    DialLeg,
    FallBack,
    HangUp,
    Inbound,
    LegEvent,
    Look,
    Refused,
    Reject,
    Step,
)
from shared.domain.switching.twilio import (
    read_account,
    read_dial_action,
    read_status,
    read_voice,
    write_noted,
    write_step,
)
from shared.domain.tokens import Hidden
from tests.support.requests import make_request

ACCOUNT = "AC00000000000000000000000000000001"
SWITCH = Credential(id=3, company_id=7, kind="twilio", account_id=ACCOUNT, secret=Hidden("token"))
BASE = "https://calls.example.com"
CALL = "01890a5d-ac96-7000-8000-123456789abc"
LEG = "01890a5d-ac96-7000-8000-00000000000a"
OTHER_LEG = "01890a5d-ac96-7000-8000-00000000000b"
CALLER, NUMBER = "+12125551212", "+18445550199"
AT = "Thu, 26 Nov 2026 15:00:00 +0000"
AT_MS = 1_795_705_200_000


def form(query: str = "", **fields: str) -> HttpRequest:
    sent = {"AccountSid": ACCOUNT, "CallSid": "CA1", **fields}
    return make_request(query, urlencode(sent).encode(), path="/twilio/voice", method="POST")


def voice(**fields: str) -> Inbound:
    read = read_voice(form(**{"From": CALLER, "To": NUMBER, **fields}), SWITCH)
    assert isinstance(read, Inbound)
    return read


def news(word: str, *, leg: str = LEG, connected_s: int | None = None, at_ms: int = 0) -> LegEvent:
    return LegEvent(
        provider="twilio/3",
        call_uuid=CALL,
        leg_uuid=leg,
        news=word,  # type: ignore[arg-type]
        connected_s=connected_s,
        at_ms=at_ms,
    )


# a call comes in


def test_a_whole_call() -> None:
    assert voice() == Inbound(
        provider="twilio/3", company_id=7, provider_call_id="CA1", caller=CALLER, number=NUMBER
    )


@pytest.mark.parametrize(
    "withheld",
    [
        *("", "anonymous", "Anonymous", "Restricted", "unavailable", "client:jane", "x\0y", "12"),
        *("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"),
        *("sip:anonymous@anonymous.invalid", "sip:jane@example.com"),
    ],
)
def test_a_caller_whose_number_is_not_known(withheld: str) -> None:
    assert voice(From=withheld).caller == ""


@pytest.mark.parametrize(
    "sent",
    [
        "+12125551212",
        "2125551212",
        " 12125551212",
        "sip:+12125551212@10.0.0.1:5060;transport=udp",
        "SIP:2125551212@a.b",
    ],
)
def test_a_caller(sent: str) -> None:
    assert voice(From=sent).caller == CALLER


@pytest.mark.parametrize(
    "sent",
    [
        f"sip:{CALL}@ringpost.sip.twilio.com",
        f"sip:{CALL.upper()}@a.b:5060;user=phone",
        f"sips:{CALL}@a.b",
        CALL,
    ],
)
def test_a_sip_user_is_a_reservation(sent: str) -> None:
    read = voice(To=sent)
    assert (read.number, read.reservation) == ("", CALL)


@pytest.mark.parametrize("sent", ["", "client:jane", "sip:sales@a.b", "sip:", "sip:@", "\0"])
def test_a_called_number_that_is_none_is_left_to_be_rejected(sent: str) -> None:
    read = voice(To=sent)
    assert (read.number, read.reservation) == ("", "")


def test_a_sip_call_to_a_number() -> None:
    assert voice(To="sip:+18445550199@a.b").number == NUMBER


@pytest.mark.parametrize("call_id", ["", "a b", "a\0", "é", "x" * 129])
def test_a_call_needs_an_id(call_id: str) -> None:
    assert read_voice(form(CallSid=call_id), SWITCH) == Refused(reason=Reason.BAD_REQUEST)
    assert read_status(form(CallSid=call_id), SWITCH) == Refused(reason=Reason.BAD_REQUEST)


def test_whose_request_it_says_it_is() -> None:
    assert read_account(form()) == ACCOUNT
    assert read_account(make_request("", b"\xff")) == ""


# a <Dial> is over


def dialled(query: str = f"call={CALL}&leg={LEG}", **fields: str) -> tuple[LegEvent, ...] | Look | Refused:
    return read_dial_action(form(query, **fields), SWITCH)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        *(("completed", "ended"), ("answered", "ended"), ("canceled", "ended")),
        *(
            ("busy", "busy"),
            ("no-answer", "no_answer"),
            ("failed", "failed"),
            ("new-word", "failed"),
            ("", "failed"),
        ),
    ],
)
def test_what_a_dial_came_to(status: str, word: str) -> None:
    assert dialled(DialCallStatus=status) == (news(word),)


def test_an_answered_dial_tells_how_long_they_talked() -> None:
    assert dialled(DialCallStatus="completed", DialCallDuration="120") == (news("ended", connected_s=120),)
    assert dialled(DialCallStatus="busy", DialCallDuration="0") == (news("busy"),)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "1" * 7, "\u0661"])
def test_a_duration_that_is_none(text: str) -> None:
    assert dialled(DialCallStatus="completed", DialCallDuration=text) == (news("ended"),)


def test_of_several_legs_each_is_over_and_none_has_the_talk() -> None:
    both = f"call={CALL}&leg={LEG},{OTHER_LEG}"
    assert dialled(both, DialCallStatus="completed", DialCallDuration="120") == (
        news("ended"),
        news("ended", leg=OTHER_LEG),
    )
    assert dialled(both, DialCallStatus="no-answer") == (news("no_answer"), news("no_answer", leg=OTHER_LEG))


@pytest.mark.parametrize("query", [f"call={CALL}", f"call={CALL}&leg=", f"call={CALL}&leg=x"])
def test_a_redirected_call_asks_what_is_next(query: str) -> None:
    assert dialled(query) == Look(provider="twilio/3", call_uuid=CALL)


@pytest.mark.parametrize(
    "query", ["", f"leg={LEG}", "call=x", "call=%00", f"call=01890a5d-ac96-4000-8000-{'1' * 12}"]
)
def test_a_query_that_names_no_call(query: str) -> None:
    assert dialled(query) == Refused(reason=Reason.CALL_NOT_FOUND)
    assert read_status(form(f"leg={LEG}&{query}", CallStatus="completed"), SWITCH) == Refused(
        reason=Reason.CALL_NOT_FOUND
    )


# statuses


@pytest.mark.parametrize(
    ("status", "word"),
    [
        *(("in-progress", "answered"), ("completed", "ended"), ("canceled", "ended")),
        *(("busy", "busy"), ("no-answer", "no_answer"), ("failed", "failed")),
    ],
)
def test_statuses_of_a_leg(status: str, word: str) -> None:
    read = read_status(
        form(f"call={CALL}&leg={LEG}", CallStatus=status, Timestamp=AT, CallDuration="7"), SWITCH
    )
    assert read == news(word, at_ms=AT_MS, connected_s=7 if status == "completed" else None)


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "new-word", ""])
def test_a_status_that_is_no_news(status: str) -> None:
    assert read_status(form(f"call={CALL}&leg={LEG}", CallStatus=status), SWITCH) is None
    assert read_status(form(CallStatus=status), SWITCH) is None


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
def test_the_end_of_the_whole_call(status: str) -> None:
    recording = "https://api.example.com/RE1"
    read = read_status(
        form(CallStatus=status, CallDuration="130", Timestamp=AT, RecordingUrl=recording), SWITCH
    )
    assert read == CallEnded(
        provider="twilio/3", provider_call_id="CA1", at_ms=AT_MS, recording_url=recording
    )


def test_what_can_be_left_out_does_not_lose_an_end() -> None:
    read = read_status(
        form(CallStatus="completed", Timestamp="yesterday", RecordingUrl="file:///etc"), SWITCH
    )
    assert read == CallEnded(provider="twilio/3", provider_call_id="CA1")


# TwiML


def twiml(step: Step) -> Element:
    answer = write_step(step, BASE)
    assert (answer.status, answer.content_type) == (200, "application/xml")
    root = fromstring(answer.body)
    assert root.tag == "Response"
    return root


def leg(number: str = "+18005550111", **more: object) -> DialLeg:
    return DialLeg(**{"leg_uuid": LEG, "number": number, "timeout_seconds": 25, **more})  # type: ignore[arg-type]


def test_a_dial_as_it_is_written() -> None:
    answer = write_step(Dial(call_uuid=CALL, legs=(leg(send_digits="ww1"),), caller=CALLER), BASE)
    assert answer.body.decode() == (
        f'<Response><Dial action="{BASE}/twilio/dial-action?call={CALL}&amp;leg={LEG}" method="POST" timeout="25" '
        f'callerId="{CALLER}" answerOnBridge="true"><Number statusCallback="{BASE}/twilio/status?call={CALL}&amp;leg={LEG}" '
        'statusCallbackEvent="answered completed" sendDigits="ww1">+18005550111</Number></Dial></Response>'
    )
    assert answer.outcome == "dial"


def test_several_legs_ring_at_once_for_the_longest_of_their_times() -> None:
    legs = (leg(), leg(leg_uuid=OTHER_LEG, number="+18005550122", timeout_seconds=40))
    (dial,) = twiml(Dial(call_uuid=CALL, legs=legs))
    assert dial.get("timeout") == "40"
    assert dial.get("callerId") is None
    action = urlsplit(dial.attrib["action"])
    assert parse_qs(action.query) == {"call": [CALL], "leg": [f"{LEG},{OTHER_LEG}"]}
    assert [each.text for each in dial] == ["+18005550111", "+18005550122"]
    assert [parse_qs(urlsplit(each.attrib["statusCallback"]).query)["leg"] for each in dial] == [
        [LEG],
        [OTHER_LEG],
    ]


@pytest.mark.parametrize(
    "number", ["sip:desk@gamma.example", "sips:desk@gamma.example", "sip:desk@gamma.example?x=1"]
)
def test_a_sip_leg_carries_the_call_and_its_key(number: str) -> None:
    headers = {"X-PH-RetreaverUUID": CALL, "X-PH-RetreaverKey": "pbk_call_&<1>"}
    (dial,) = twiml(Dial(call_uuid=CALL, legs=(leg(number, headers=headers, send_digits="1"),)))
    (sip,) = dial
    assert sip.tag == "Sip"
    assert "sendDigits" not in sip.attrib
    address, _, told = (sip.text or "").partition("?")
    assert address == number.partition("?")[0]
    read = parse_qs(told)
    assert {name: read[name] for name in headers} == {name: [value] for name, value in headers.items()}


def test_a_leg_s_events_come_back_as_they_were_sent_out() -> None:
    (dial,) = twiml(Dial(call_uuid=CALL, legs=(leg(), leg(leg_uuid=OTHER_LEG))))
    action = urlsplit(dial.attrib["action"])
    assert action.path == "/twilio/dial-action"
    assert dialled(action.query, DialCallStatus="busy") == (news("busy"), news("busy", leg=OTHER_LEG))
    status = urlsplit(dial[1].attrib["statusCallback"])
    assert status.path == "/twilio/status"
    assert read_status(form(status.query, CallStatus="in-progress"), SWITCH) == news(
        "answered", leg=OTHER_LEG
    )


def test_a_message_is_said_before_the_end() -> None:
    said, hung_up = twiml(HangUp(call_uuid=CALL, message="Sorry & <bye>", reason="no_buyers"))
    assert (said.tag, said.text, hung_up.tag) == ("Say", "Sorry & <bye>", "Hangup")
    assert [each.tag for each in twiml(HangUp(call_uuid=CALL))] == ["Hangup"]
    assert [each.tag for each in twiml(FallBack(message="Sorry."))] == ["Say", "Hangup"]


@pytest.mark.parametrize(("number", "tag"), [(NUMBER, "Number"), ("sip:desk@a.b", "Sip")])
def test_a_fallback_is_dialled_and_asks_nothing(number: str, tag: str) -> None:
    (dial,) = twiml(FallBack(number=number, message="Sorry."))
    assert dial.get("action") is None
    assert [(each.tag, each.text, each.attrib) for each in dial] == [(tag, number, {})]


def test_a_rejected_call_and_one_that_needs_nothing() -> None:
    assert [each.tag for each in twiml(Reject(reason="number_unknown"))] == ["Reject"]
    assert list(twiml(Connected(call_uuid=CALL, drop=(LEG,)))) == []
    assert list(fromstring(write_noted().body)) == []


@given(st.text(), st.text(), st.text())
def test_nothing_breaks_out_of_its_place(message: str, digits: str, value: str) -> None:
    (*_, hung_up) = twiml(HangUp(call_uuid=CALL, message=message))
    assert hung_up.tag == "Hangup"
    (dial,) = twiml(
        Dial(call_uuid=CALL, legs=(leg(send_digits=digits), leg("sip:a@b", headers={"X-A": value})))
    )
    assert [each.tag for each in dial] == ["Number", "Sip"]
    assert all(len(each) == 0 for each in dial)
