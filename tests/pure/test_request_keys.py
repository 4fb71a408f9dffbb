"""Where a request's one key may stand, and what counts as not filled in."""

import pytest

from shared.domain.parameters import Unreadable, read_parameters
from shared.domain.reasons import Reason
from shared.domain.request_keys import is_placeholder, read_bearer, read_key
from tests.support.requests import make_request

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_TWICE = b"".join(
    f'--xyz\r\nContent-Disposition: form-data; name="key"\r\n\r\n{key}\r\n'.encode() for key in ("one", "two")
)


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("key=one&key=two", b"", ""),
        ("key=one&%6bey=two", b"", ""),
        ("key=one", b"key=two", FORM),
        ("key=one", b'{"key":"two"}', JSON),
        ("", b"key=one&key=two", FORM),
        ("", _TWICE + b"--xyz--", "multipart/form-data; boundary=xyz"),
    ],
)
def test_two_different_keys(query: str, body: bytes, kind: str) -> None:
    read = read_parameters(make_request(query, body, Content_Type=kind))
    assert isinstance(read, Unreadable)
    assert read.reason is Reason.KEY_AMBIGUOUS


@pytest.mark.parametrize(
    ("query", "body"),
    [("key=one&key=one", b""), ("key=one&key=[key]", b""), ("key=one", b"key=one"), ("key=", b"key=one")],
)
def test_the_same_key_twice_is_one(query: str, body: bytes) -> None:
    read = read_parameters(make_request(query, body, Content_Type=FORM))
    assert not isinstance(read, Unreadable)
    assert read["key"] == "one"


@pytest.mark.parametrize(
    "value", ["", " ", "[call_uuid]", "[caller_number]", "CALL_UUID", "CALLER_NUMBER", "REVENUE", "[]"]
)
def test_placeholders(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize("value", ["0", "[", "call", "[x", "x]", "+12125551212", "call_uuid is", "NY"])
def test_no_placeholders(value: str) -> None:
    assert not is_placeholder(value)


@pytest.mark.parametrize(
    ("key", "headers", "path_token", "expected"),
    [
        ("", {}, "", Reason.KEY_MISSING),
        ("KEY", {}, "", Reason.KEY_MISSING),
        ("[key]", {"X-Api-Key": "a"}, "", "a"),
        ("a", {}, "", "a"),
        (" a ", {}, "", "a"),
        ("", {"X-Api-Key": "a"}, "", "a"),
        ("", {"x-api-key": "a"}, "", "a"),
        ("", {"Authorization": "Bearer a"}, "", "a"),
        ("", {"authorization": "bearer  a "}, "", "a"),
        ("", {"Authorization": "Basic a"}, "", Reason.KEY_MISSING),
        ("", {"Authorization": "Bearer"}, "", Reason.KEY_MISSING),
        ("", {}, "a", "a"),
        ("a", {"X-Api-Key": "a", "Authorization": "Bearer a"}, "a", "a"),
        ("a", {"X-Api-Key": "b"}, "", Reason.KEY_AMBIGUOUS),
        ("a", {"Authorization": "Bearer b"}, "", Reason.KEY_AMBIGUOUS),
        ("", {"X-Api-Key": "a", "Authorization": "Bearer b"}, "", Reason.KEY_AMBIGUOUS),
        ("a", {}, "b", Reason.KEY_AMBIGUOUS),
    ],
)
def test_where_a_key_may_stand(
    key: str, headers: dict[str, str], path_token: str, expected: str | Reason
) -> None:
    request = make_request("", b"", **{name.replace("-", "_"): value for name, value in headers.items()})
    assert read_key({"key": key}, request.headers, path_token=path_token) == expected


def test_a_bearer_that_is_the_secret() -> None:
    headers = make_request(Authorization="Bearer secret").headers
    assert read_key({"key": "a"}, headers, bearer_is_key=False) == "a"


def test_bearer_alone() -> None:
    assert read_bearer(make_request(Authorization="Bearer secret").headers) == "secret"
    assert read_bearer(make_request().headers) == ""
