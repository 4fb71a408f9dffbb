"""Commands to live calls: what a switch is told without having asked."""

import json
from base64 import b64decode
from urllib.parse import parse_qs

import pytest

from shared.domain.http import HttpRequest
from shared.domain.outgoing import Message
from shared.domain.switching.commands import Command, Recipient, write_commands
from shared.domain.switching.credentials import Credential
from shared.domain.switching.nouns import Connected, Dial, DialLeg, DropLeg, HangUp
from shared.domain.switching.signatures import is_signed, read_credential_id
from shared.domain.tokens import Hidden
from tests.support.requests import make_request

CALL = "01890a5d-ac96-7000-8000-123456789abc"
LEG = "01890a5d-ac96-7000-8000-00000000000a"
OTHER_LEG = "01890a5d-ac96-7000-8000-00000000000b"
BASE = "https://calls.example.com"
AT_S = 1_795_000_000
GENERIC = Credential(
    id=12,
    company_id=7,
    kind="generic",
    account_id="pbx",
    secret=Hidden("s" * 32),
    command_url="https://pbx.example.com/commands?site=1",
)
TWILIO = Credential(id=3, company_id=7, kind="twilio", account_id="AC1", secret=Hidden("token"))
DIAL = Dial(call_uuid=CALL, legs=(DialLeg(leg_uuid=LEG, number="+18005550111", timeout_seconds=25),))
HANG_UP = HangUp(call_uuid=CALL, message="Sorry & bye.")


def commands(command: Command, credential: Credential, provider_call_id: str = "CA1") -> tuple[Message, ...]:
    recipient = Recipient(
        credential=credential,
        provider_call_id=provider_call_id,
        public_url=BASE,
        twilio_api_url="https://api.example.com",
    )
    return write_commands(command, recipient, at_s=AT_S)


def as_received(message: Message) -> HttpRequest:
    headers = {name.replace("-", "_"): value for name, value in message.headers.items()}
    return make_request("", message.body, method=message.method, **headers)


@pytest.mark.parametrize("command", [DIAL, HANG_UP, Connected(call_uuid=CALL, drop=(LEG,))])
def test_a_generic_switch_can_tell_that_it_was_us(command: Command) -> None:
    (message,) = commands(command, GENERIC)
    assert (message.method, message.url) == ("POST", "https://pbx.example.com/commands?site=1")
    request = as_received(message)
    assert request.headers["Content-Type"] == "application/json"
    assert read_credential_id(request) == 12
    assert is_signed(request, GENERIC.secret, now_s=AT_S)


def test_legs_are_dropped_one_by_one() -> None:
    dropped = commands(Connected(call_uuid=CALL, drop=(LEG, OTHER_LEG)), GENERIC)
    assert [json.loads(each.body) for each in dropped] == [
        {"call_uuid": CALL, "command": "drop_leg", "leg_id": leg} for leg in (LEG, OTHER_LEG)
    ]
    assert commands(Connected(call_uuid=CALL), GENERIC) == ()


def test_a_generic_switch_is_told_whom_to_dial_as_in_an_answer() -> None:
    (message,) = commands(DIAL, GENERIC)
    body = json.loads(message.body)
    assert (body["call_uuid"], body["command"], "action" in body) == (CALL, "dial", False)
    assert [(leg["leg_id"], leg["number"], leg["timeout_seconds"]) for leg in body["legs"]] == [
        (LEG, "+18005550111", 25)
    ]


def test_a_generic_switch_is_told_to_hang_up() -> None:
    (message,) = commands(HANG_UP, GENERIC)
    assert json.loads(message.body) == {
        "call_uuid": CALL,
        "command": "hangup",
        "message": "Sorry & bye.",
        "reason": "",
    }


def test_a_generic_switch_without_an_address_takes_no_commands() -> None:
    deaf = Credential(id=12, company_id=7, kind="generic", account_id="pbx", secret=Hidden("s" * 32))
    assert commands(DIAL, deaf) == ()


def test_twilio_is_redirected_to_ask_what_is_next() -> None:
    (message,) = commands(DIAL, TWILIO)
    assert (message.method, message.url) == (
        "POST",
        "https://api.example.com/2010-04-01/Accounts/AC1/Calls/CA1.json",
    )
    assert parse_qs(message.body.decode()) == {
        "Url": [f"{BASE}/twilio/dial-action?call={CALL}"],
        "Method": ["POST"],
    }
    scheme, _, user = message.headers["Authorization"].partition(" ")
    assert (scheme, b64decode(user)) == ("Basic", b"AC1:token")
    assert message.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_twilio_is_told_to_hang_up() -> None:
    (message,) = commands(HANG_UP, TWILIO)
    assert parse_qs(message.body.decode()) == {
        "Twiml": ["<Response><Say>Sorry &amp; bye.</Say><Hangup/></Response>"]
    }


def test_twilio_drops_legs_by_itself() -> None:
    assert commands(Connected(call_uuid=CALL, drop=(LEG,)), TWILIO) == ()


def test_a_look_alike_has_an_address_of_its_own() -> None:
    other = Credential(
        id=4,
        company_id=7,
        kind="twilio",
        account_id="p-1",
        secret=Hidden("token"),
        command_url="https://space.example.com/api/laml/",
    )
    (message,) = commands(DIAL, other, "a/b?c")
    assert message.url == "https://space.example.com/api/laml/2010-04-01/Accounts/p-1/Calls/a%2Fb%3Fc.json"


def test_a_switch_is_told_to_drop_one_leg_and_asks_what_is_next() -> None:
    drop = DropLeg(call_uuid=CALL, leg_uuid=LEG)
    (message,) = commands(drop, GENERIC)
    assert json.loads(message.body) == {"call_uuid": CALL, "command": "drop_leg", "leg_id": LEG}
    (message,) = commands(drop, TWILIO)
    form = parse_qs(message.body.decode())
    assert form == {"Url": [f"{BASE}/twilio/dial-action?call={CALL}"], "Method": ["POST"]}
