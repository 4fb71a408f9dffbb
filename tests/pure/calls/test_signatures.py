"""Signatures of switches: who signed, over what, and when. Twilio's own library says what Twilio's are."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from shared.domain.http import HttpRequest
from shared.domain.switching.signatures import (
    is_from_twilio,
    is_signed,
    read_credential_id,
    read_form,
    signed_headers,
)
from shared.domain.tokens import Hidden
from tests.support.requests import make_request

SECRET = Hidden("secret-of-the-tests-0123456789-abcdef")
TOKEN = "auth-token-of-the-tests"
NOW_S = 1_795_000_000
BASE = "https://calls.example.com"
PATH = "/twilio/voice"

texts = st.text(st.characters(codec="utf-8"), max_size=12)
forms = st.lists(st.tuples(texts.filter(bool), texts), max_size=8)


class MultiDict(dict[str, list[str]]):
    """What Twilio's validator takes for a form in which a name stands twice."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def signed(body: bytes = b"{}", at_s: int = NOW_S, credential_id: int = 12) -> HttpRequest:
    headers = signed_headers(body, SECRET, credential_id=credential_id, at_s=at_s)
    return make_request(
        "", body, method="POST", **{name.replace("-", "_"): each for name, each in headers.items()}
    )


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    return replace(request, headers={**request.headers, name: value})


# generic


def test_the_documented_example() -> None:
    headers = signed_headers(b'{"call_id":"a"}', SECRET, credential_id=12, at_s=NOW_S)
    assert headers == {
        "X-Ringpost-Switch": "12",
        "X-Ringpost-Timestamp": "1795000000",
        "X-Ringpost-Signature": "v1=a8cd1997dc1bab9633422ef1bab63f37d3a0e2e99b1426d053cfaa53ab5e9a86",
    }


@given(st.binary(max_size=200))
def test_what_was_signed_is_believed(body: bytes) -> None:
    request = signed(body)
    assert read_credential_id(request) == 12
    assert is_signed(request, SECRET, now_s=NOW_S)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_another_body_is_not(body: bytes, other: bytes) -> None:
    assert is_signed(replace(signed(body), body=other), SECRET, now_s=NOW_S) is (body == other)


def test_another_secret_is_not_believed() -> None:
    assert not is_signed(signed(), Hidden("x" * 32), now_s=NOW_S)


@pytest.mark.parametrize(
    ("ago_s", "believed"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**9, False)]
)
def test_five_minutes_are_tolerated(ago_s: int, believed: bool) -> None:
    assert is_signed(signed(at_s=NOW_S - ago_s), SECRET, now_s=NOW_S) is believed


@pytest.mark.parametrize("timestamp", ["", " ", "-1", "1e9", "1795000000.0", "٣", "9" * 40, "\udcff", "\0"])
def test_a_timestamp_that_is_none(timestamp: str) -> None:
    assert not is_signed(with_header(signed(), "X-Ringpost-Timestamp", timestamp), SECRET, now_s=NOW_S)


def test_the_timestamp_is_signed_as_it_was_sent() -> None:
    moved = with_header(signed(), "X-Ringpost-Timestamp", f"0{NOW_S}")
    assert not is_signed(moved, SECRET, now_s=NOW_S)


@pytest.mark.parametrize("signature", ["", "v1=", "v2=00", "é", "\udcff", "v1=" + "0" * 64])
def test_a_signature_that_is_none(signature: str) -> None:
    assert not is_signed(with_header(signed(), "X-Ringpost-Signature", signature), SECRET, now_s=NOW_S)


def test_a_signature_without_its_version_is_none() -> None:
    bare = signed().headers["X-Ringpost-Signature"].removeprefix("v1=")
    assert not is_signed(with_header(signed(), "X-Ringpost-Signature", bare), SECRET, now_s=NOW_S)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", "٣", "9" * 19, "\udcff"])
def test_a_credential_that_is_none(text: str) -> None:
    assert read_credential_id(with_header(signed(), "X-Ringpost-Switch", text)) == 0


def test_nothing_is_signed_without_headers() -> None:
    assert read_credential_id(make_request()) == 0
    assert not is_signed(make_request(), SECRET, now_s=NOW_S)


# Twilio


def from_twilio(
    pairs: list[tuple[str, str]], query: str = "", url: str = BASE, algorithm: str = "HMAC_SHA1"
) -> HttpRequest:
    """A request as Twilio sends it, signed by Twilio's own library."""
    form = MultiDict()
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    address = url + PATH + (f"?{query}" if query else "")
    signature = RequestValidator(TOKEN).compute_signature(address, form, algorithm)
    body = urlencode(pairs).encode()
    return make_request(query, body, path=PATH, method="POST", X_Twilio_Signature=signature)


def believed(request: HttpRequest, *, token: str = TOKEN, base: str = BASE) -> bool:
    return is_from_twilio(request, Hidden(token), public_url=base)


def test_twilio_s_documented_example() -> None:
    """Source: Twilio's page on webhook security."""
    pairs = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    request = make_request(
        "foo=1&bar=2",
        urlencode(pairs).encode(),
        path="/myapp.php",
        method="POST",
        X_Twilio_Signature="RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    )
    assert believed(request, token="12345", base="https://mycompany.com")


@given(forms, st.sampled_from(["", "call=1&leg=2,3", "a=%20b&a=&c"]))
def test_what_twilio_signs_is_believed(pairs: list[tuple[str, str]], query: str) -> None:
    assert believed(from_twilio(pairs, query))


@given(forms, forms)
def test_another_form_is_not(pairs: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    request = from_twilio(pairs)
    form = MultiDict()
    for name, value in other:
        form.setdefault(name, []).append(value)
    verdict = RequestValidator(TOKEN).validate(BASE + PATH, form, request.headers["X-Twilio-Signature"])
    assert believed(replace(request, body=urlencode(other).encode())) is verdict


def test_a_request_for_another_address_is_not_believed() -> None:
    request = from_twilio([("CallSid", "CA1")], "call=1")
    assert not believed(replace(request, query="call=2"))
    assert not believed(replace(request, path="/twilio/status"))
    assert not believed(request, base="https://other.example.com")
    assert not believed(request, base="http://calls.example.com")


def test_another_token_is_not_believed() -> None:
    assert not believed(from_twilio([("CallSid", "CA1")]), token="another")


@pytest.mark.parametrize(
    ("signed_as", "set_as"),
    [
        ("https://calls.example.com", "https://calls.example.com:443"),
        ("https://calls.example.com:443", "https://calls.example.com"),
        ("http://calls.example.com:80", "http://calls.example.com"),
        ("https://calls.example.com", "https://calls.example.com:8443"),
        ("https://calls.example.com:8443", "https://calls.example.com:8443"),
    ],
)
def test_twilio_signs_with_or_without_the_port(signed_as: str, set_as: str) -> None:
    request = from_twilio([("CallSid", "CA1")], url=signed_as)
    assert believed(request, base=set_as)
    assert RequestValidator(TOKEN).validate(
        set_as + PATH, {"CallSid": "CA1"}, request.headers["X-Twilio-Signature"]
    )


@pytest.mark.parametrize("signature", ["", "é", "\udcff", "AAAA"])
def test_a_twilio_signature_that_is_none(signature: str) -> None:
    assert not believed(with_header(from_twilio([]), "X-Twilio-Signature", signature))


@pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"=&&=", b"\0", b"{}"])
def test_a_body_that_is_no_form(body: bytes) -> None:
    assert not believed(replace(from_twilio([("a", "b")]), body=body))
    assert isinstance(read_form(make_request("", body)), list)
