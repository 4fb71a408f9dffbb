"""Parameters as real clients send them."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.parameters import (
    Parameters,
    Unreadable,
    read_parameters,
)
from shared.domain.reasons import Reason
from tests.support.requests import make_request

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_names = _text.filter(lambda name: name not in {"", "key"})


def read(query: str = "", body: bytes = b"", kind: str = "") -> Parameters:
    read = read_parameters(make_request(query, body, **({"Content_Type": kind} if kind else {})))
    assert not isinstance(read, Unreadable), read
    return read


def refusal(query: str = "", body: bytes = b"", kind: str = "") -> Unreadable:
    read = read_parameters(make_request(query, body, Content_Type=kind))
    assert isinstance(read, Unreadable), read
    return read


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("&&a=1&", {"a": "1"}),
        ("=1&a=2", {"a": "2"}),
        ("a=x+y", {"a": "x y"}),
        ("a=+12125551212", {"a": " 12125551212"}),
        ("a=%2B1212", {"a": "+1212"}),
        ("a=%2b1212", {"a": "+1212"}),
        ("a%5Bb%5D=1", {"a[b]": "1"}),
        ("a=%C3%A9", {"a": "é"}),
        ("a=é", {"a": "é"}),
        ("a=%F0%9F%98%80%20x", {"a": "😀 x"}),
        ("a=%25zz", {"a": "%zz"}),
        ("a=1&%61=2", {"a": "2"}),
    ],
)
def test_query(query: str, expected: Parameters) -> None:
    assert read(query) == expected


@pytest.mark.parametrize("query", ["a=%zz", "a=%4", "a=%", "%=1", "a=%C3%zz", "a=%+1", "a=% 41"])
def test_bad_percent_escape(query: str) -> None:
    assert refusal(query) == Unreadable(reason=Reason.BAD_REQUEST, text="bad percent escape")


@pytest.mark.parametrize("query", ["a=%FF", "a=%C3", "%C3=1", "a=\udcff", "a=%ED%A0%80", "a=%C3&b=%A9"])
def test_not_utf8_in_the_query(query: str) -> None:
    assert refusal(query).text == "parameters must be UTF-8"


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("a=%00", b"", ""),
        ("a=%C3%A9%00", b"", ""),
        ("%00=a", b"", ""),
        ("a=\0", b"", ""),
        ("", b"a=%00", FORM),
        ("", b"a=\0", FORM),
        ("", b'{"a":"\\u0000"}', JSON),
        ("", b'{"\\u0000":1}', JSON),
        (
            "",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\0\r\n--b--',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_nul_is_refused(query: str, body: bytes, kind: str) -> None:
    assert refusal(query, body, kind).reason is Reason.TAG_INVALID


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert read("", b'{"a":"\\\\u0000"}', JSON) == {"a": "\\u0000"}


@pytest.mark.parametrize(
    "kind", [FORM, "", "text/plain", "application/octet-stream", f"{FORM}; charset=UTF-8", FORM.upper()]
)
def test_form_body(kind: str) -> None:
    assert read("", b"a=x+y&b=%2B1&c=\xc3\xa9\r\n", kind) == {"a": "x y", "b": "+1", "c": "é"}


@pytest.mark.parametrize(
    "kind", [JSON, "application/json; charset=utf-8", "text/json", "application/vnd.api+json"]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n "])
def test_json_body(kind: str, mark: bytes) -> None:
    body = b'{"s":"\\u00e9","i":1,"f":12.50,"big":1e400,"t":true,"n":null,"neg":-0,"":5,"d":1,"d":2}'
    expected = {"s": "é", "i": "1", "f": "12.50", "big": "1e400", "t": "true", "neg": "-0", "d": "2"}
    assert read("", mark + body, kind) == expected


@pytest.mark.parametrize("kind", [FORM, "", "text/plain"])
def test_json_text_under_a_form_content_type(kind: str) -> None:
    assert read("", b' {"caller_number": 2125551212}', kind) == {"caller_number": "2125551212"}


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_with_a_json_content_type(body: bytes) -> None:
    assert read("a=1", body, JSON) == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'"text"',
        b"5",
        b"null",
        b"true",
        b"nope",
        b"a=1&b=2",
        b'{"a":}',
        b'{"a":NaN}',
        b'{"a":1',
        b'{"a":1}x',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x"}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_bad_json(body: bytes) -> None:
    assert refusal("", body, JSON) == Unreadable(
        reason=Reason.BAD_REQUEST, text="the body must be one JSON object"
    )


@pytest.mark.parametrize("body", [b'{"a":{"b":1}}', b'{"a":[1]}', b'{"a": [] }'])
@pytest.mark.parametrize("kind", [JSON, FORM])
def test_nested_values_are_refused(body: bytes, kind: str) -> None:
    assert refusal("", body, kind).reason is Reason.TAG_INVALID


@pytest.mark.parametrize(
    "kind", ["application/xml", "image/png", f"{FORM}; charset=utf-16", f"{FORM}; charset=iso-8859-1"]
)
def test_a_body_that_is_not_read(kind: str) -> None:
    assert refusal("", b"a=\xc3\xa9", kind).reason is Reason.BAD_REQUEST


def test_another_charset_is_fine_as_long_as_the_body_is_ascii() -> None:
    assert read("", b"a=1", f'{FORM}; charset="ISO-8859-1"') == {"a": "1"}


def test_the_body_wins_over_the_query() -> None:
    assert read("a=1&b=2", b"a=3&c=4", FORM) == {"a": "3", "b": "2", "c": "4"}
    assert read("a=1", b'{"a":3}', JSON) == {"a": "3"}


def test_a_placeholder_in_the_body_leaves_the_query_its_value() -> None:
    assert read("a=1&key=k", b"a=[zip]&b=[zip]&key=KEY", FORM) == {"a": "1", "b": "[zip]", "key": "k"}


def _multipart(*fields: tuple[str, str], mark: str = "xyz") -> bytes:
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    return ("".join(parts) + f"--{mark}--\r\n").encode()


@pytest.mark.parametrize("boundary", ["boundary=xyz", 'charset=utf-8; boundary="xyz"', "Boundary=xyz"])
def test_multipart_fields(boundary: str) -> None:
    body = _multipart(("a", "1"), ("b", "é\r\nx"), ("a", "2"), ("", "3"), ("empty", ""))
    assert read("", body, f"multipart/form-data; {boundary}") == {"a": "2", "b": "é\r\nx", "empty": ""}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", _multipart(("a", "1"))),
        ("multipart/form-data; boundary=other", _multipart(("a", "1"))),
        ("multipart/form-data; boundary=xyz", _multipart(("a", "1"))[:-8]),
        ("multipart/form-data; boundary=xyz", b"--xyz\r\nno headers\r\n--xyz--"),
        ("multipart/form-data; boundary=xyz", b"--xyz\r\n\r\n\xff\r\n--xyz--"),
        (
            "multipart/form-data; boundary=xyz",
            b'--xyz\r\nContent-Disposition: form-data; name="a"; filename="a.csv"\r\n\r\n1\r\n--xyz--',
        ),
    ],
)
def test_bad_multipart(kind: str, body: bytes) -> None:
    assert refusal("", body, kind).text == "the multipart form cannot be read"


@given(st.dictionaries(_names, _text))
def test_every_encoding_says_the_same(sent: dict[str, str]) -> None:
    plain = urlencode(sent)
    assert read(plain) == sent
    assert read("", plain.encode(), FORM) == sent
    assert read("", json.dumps(sent).encode(), JSON) == sent
    assert read("", json.dumps(sent, ensure_ascii=False).encode(), FORM) == sent


@given(st.text(), st.binary(), st.sampled_from(["", FORM, JSON, "multipart/form-data; boundary=b", "x/y"]))
def test_anything_is_read_or_refused(query: str, body: bytes, kind: str) -> None:
    read = read_parameters(make_request(query, body, Content_Type=kind))
    if isinstance(read, Unreadable):
        assert read.reason in {Reason.BAD_REQUEST, Reason.TAG_INVALID, Reason.KEY_AMBIGUOUS}
    else:
        assert all(name and "\0" not in name + value for name, value in read.items())
        for name, value in read.items():
            (name + value).encode()


@given(st.text("%+&=aé0\0fF\udcff", max_size=30))
def test_a_query_reads_as_its_form(text: str) -> None:
    as_query = read_parameters(make_request(text))
    as_form = read_parameters(make_request("", text.encode(errors="surrogateescape"), Content_Type=FORM))
    assert as_query == as_form or not text


@given(st.text('{}[]":,\\ud80x01eE.-ntfalsrue "', max_size=40))
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    ours = read_parameters(
        make_request("", b'{"a":' + text.encode(errors="surrogatepass") + b"}", Content_Type=JSON)
    )
    try:
        theirs = json.loads('{"a":' + text + "}", parse_float=str, parse_int=str, parse_constant=_refuse)
        json.dumps(theirs, ensure_ascii=False).encode()
    except ValueError:
        assert isinstance(ours, Unreadable)
        return
    if any(isinstance(value, dict | list) for value in theirs.values()):
        assert isinstance(ours, Unreadable)
    else:
        assert ours == {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in theirs.items()
            if value is not None and name
        }


def _refuse(constant: str) -> None:
    raise ValueError(constant)
