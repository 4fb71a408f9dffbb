"""The request of a webhook: what each token means, the body of one that has none, and the signature."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError
from msgspec.json import encode
from standardwebhooks import Webhook as Oracle
from standardwebhooks import WebhookVerificationError

from shared.domain.call_keys import call_key, is_call_key
from shared.domain.outgoing import Message
from shared.domain.request_text import Unsendable
from shared.domain.webhook_message import Envelope, render, secret_of, sign, write_message
from shared.domain.webhooks import Facts, Payload

PEPPER = b"pepper-of-the-tests"
NOW_S = 1_790_000_000
KEY = "pbk_call_x"
FACTS = Facts(
    call_uuid="uuid-1",
    key_seed="uuid-2",
    caller="+13105551212",
    called_number="+18445550100",
    publisher_id="pub a",
    campaign_id="auto",
    duration_s=95,
    revenue=Decimal("25.5"),
    payout=Decimal("12.345"),
    tags={"age": "42", "call_uuid": "forged", "source_id": "forged", "revenue": "9999"},
)


def payload(url: str = "https://a.test/", **changes: Any) -> Payload:
    plain: dict[str, Any] = {
        "trigger": "end",
        "at_ms": 1_760_000_000_007,
        "url": url,
        "method": "POST",
        "headers": {},
        "body": "",
        "facts": FACTS,
    }
    return Payload(**{**plain, **changes})


def rendered(told: Payload) -> Message:
    message = render(told, key=KEY)
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("call_uuid", "uuid-1"),
        ("call_key", KEY),
        ("caller_number", "+13105551212"),
        ("nanp_caller_number", "3105551212"),
        ("publisher_id", "pub a"),
        ("source_id", "pub a"),
        ("affiliate_id", "pub a"),
        ("campaign_id", "auto"),
        ("called_number", "+18445550100"),
        ("call_duration", "95"),
        ("revenue", "25.50"),
        ("payout", "12.35"),
        ("age", "42"),
        ("nobody", ""),
    ],
)
def test_what_a_token_means(token: str, value: str) -> None:
    told = payload(f"https://a.test/?x=[{token}]", headers={"X-A": f"[{token}]"}, body=f"is [{token}]")
    message = rendered(told)
    assert message.url == f"https://a.test/?x={value.replace('+', '%2B').replace(' ', '%20')}"
    assert message.headers["X-A"] == value
    assert message.body.decode() == f"is {value}"


@pytest.mark.parametrize("caller", ["", "+442079460000", "+1310555121", "+11105551212"])
def test_a_caller_from_elsewhere_has_no_ten_digits(caller: str) -> None:
    told = payload(body="<[nanp_caller_number]>", facts=Facts(call_uuid="u", key_seed="s", caller=caller))
    assert rendered(told).body == b"<>"


def test_a_webhook_without_a_body_tells_all_but_the_key() -> None:
    message = rendered(payload())
    assert message.headers == {"Content-Type": "application/json"}
    told = json.loads(message.body)
    assert told == {
        "type": "call.end",
        "timestamp": "2025-10-09T08:53:20.007Z",
        "data": {
            "call_uuid": "uuid-1",
            "caller_number": "+13105551212",
            "called_number": "+18445550100",
            "publisher_id": "pub a",
            "campaign_id": "auto",
            "call_duration": 95,
            "revenue": "25.50",
            "payout": "12.35",
            "tags": dict(FACTS.tags),
        },
    }
    assert KEY not in message.body.decode()


@pytest.mark.parametrize(
    ("method", "has_body"), [("GET", 0), ("DELETE", 0), ("POST", 1), ("PUT", 1), ("PATCH", 1)]
)
def test_methods_that_read_and_delete_have_no_body_of_ours(method: str, has_body: int) -> None:
    message = rendered(payload(method=method))
    assert (message.method, bool(message.body), "Content-Type" in message.headers) == (
        method,
        has_body,
        has_body,
    )
    assert rendered(payload(method=method, body="x")).body == b"x"


@pytest.mark.parametrize(
    ("body", "headers", "content_type"),
    [
        ('{"a": "[age]"}', {}, "application/json"),
        ("[age] years", {}, "text/plain; charset=utf-8"),
        (
            "a=[age]",
            {"content-type": "application/x-www-form-urlencoded"},
            "application/x-www-form-urlencoded",
        ),
        ("", {"CONTENT-TYPE": "application/cloudevents+json"}, "application/cloudevents+json"),
    ],
)
def test_a_body_has_one_content_type(body: str, headers: dict[str, str], content_type: str) -> None:
    given_types = [
        value
        for name, value in rendered(payload(body=body, headers=headers)).headers.items()
        if name.lower() == "content-type"
    ]
    assert given_types == [content_type]


def test_the_key_is_the_calls_own_and_is_made_when_it_is_sent() -> None:
    told = payload(body="[call_key]")
    assert "pbk_" not in encode(told).decode()
    message = write_message(encode(told), Envelope(id="m", company_id=1, sent_s=NOW_S), pepper=PEPPER)
    assert isinstance(message, Message)
    assert message.body.decode() == call_key(PEPPER, "uuid-2")
    assert is_call_key(message.body.decode())


def test_what_cannot_be_sent_says_why_and_no_value() -> None:
    told = payload("https://[age].test/")
    refused = write_message(encode(told), Envelope(id="m", company_id=1, sent_s=NOW_S), pepper=PEPPER)
    assert refused == Unsendable(why="the URL's host is not plain: it takes no tokens")


def test_what_is_no_payload_is_a_fault() -> None:
    with pytest.raises(ValidationError):
        write_message(b"{}", Envelope(id="m", company_id=1, sent_s=NOW_S), pepper=PEPPER)


@given(st.text(max_size=200), st.integers(1, 10**9), st.uuids())
def test_a_receiver_with_the_official_library_accepts_it(
    body: str, company_id: int, message_id: object
) -> None:
    told = payload(body=body.replace("[", "(").encode("utf-8", "ignore").decode() or "x")
    sent_s = int(datetime.now(UTC).timestamp())  # the oracle reads the clock by itself
    envelope = Envelope(id=str(message_id), company_id=company_id, sent_s=sent_s)
    message = write_message(encode(told), envelope, pepper=PEPPER)
    assert isinstance(message, Message)
    oracle = Oracle(secret_of(PEPPER, company_id))
    oracle.verify(message.body, dict(message.headers), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        oracle.verify(message.body + b" ", dict(message.headers), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Oracle(secret_of(PEPPER, company_id + 1)).verify(
            message.body, dict(message.headers), json_parse=False
        )


@given(st.binary(min_size=24, max_size=64), st.text(max_size=100))
def test_we_sign_as_the_official_library_does(key: bytes, body: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    text = body.encode("utf-8", "ignore").decode()
    headers = sign(secret, text.encode(), message_id="msg_1", sent_s=NOW_S)
    expected = Oracle(secret).sign("msg_1", datetime.fromtimestamp(NOW_S, UTC), text)
    assert headers == {"webhook-id": "msg_1", "webhook-timestamp": str(NOW_S), "webhook-signature": expected}


def test_a_secret_has_the_published_form_and_is_the_companys_own() -> None:
    one, two = secret_of(PEPPER, 1), secret_of(PEPPER, 2)
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"))) == 32
    assert one != two
    assert one == secret_of(PEPPER, 1)
    assert one != secret_of(b"other", 1)
