"""Tokens: what each place makes of a value, and that no value changes what stands around it."""

import json
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.outgoing import Message
from shared.domain.request_text import (
    RequestText,
    Unsendable,
    fill_body,
    fill_headers,
    fill_request,
    fill_url,
    is_json,
    tokens_of,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
NASTY = (
    "/../../x",
    "@evil.test/",
    "a&b=c#d?e",
    '"}, {"admin": true',
    "\r\nX-Evil: 1",
    "]]>&<x/>",
    "%2e%2e",
    "[age]",
    "\\",
)


def url(template: str, **values: str) -> str:
    filled = fill_url(template, values)
    assert isinstance(filled, str)
    return filled


def test_values_are_encoded_in_a_url() -> None:
    assert url("https://a.test/x?n=[number]&m=[missing]", number="+1 2") == "https://a.test/x?n=%2B1%202&m="
    assert url("https://a.test/[who]/x#[who]", who="a/b") == "https://a.test/a%2Fb/x#a%2Fb"
    assert url("https://a.test") == "https://a.test"


@given(texts, texts, texts)
@example(*NASTY[:3])
@example(*NASTY[3:6])
@example(*NASTY[6:])
def test_no_value_leads_elsewhere(folder: str, value: str, part: str) -> None:
    template = "https://user@host.test:8443/a/x[folder]/b?v=[value]&w=1#[part]"
    parts = urlsplit(url(template, folder=folder, value=value, part=part))
    assert (parts.scheme, parts.netloc) == ("https", "user@host.test:8443")
    assert [unquote(each) for each in parts.path.split("/")] == ["", "a", f"x{folder}", "b"]
    assert parse_qs(parts.query, keep_blank_values=True) == {"v": [value], "w": ["1"]}
    assert unquote(parts.fragment) == part


@given(
    st.sampled_from((".", "..")),
    st.sampled_from(("https://a.test/x/[tag]/y", "https://a.test/[tag]", "https://a.test/[tag][no]")),
)
def test_a_value_leads_to_no_upper_folder(value: str, template: str) -> None:
    assert isinstance(fill_url(template, {"tag": value}), Unsendable)


@pytest.mark.parametrize(
    "template",
    [
        *(
            "https://[host]/x",
            "https://[host].test/",
            "https://a.test:[port]/",
            "https://[who]@a.test/",
            "https://a[x]",
        ),
        *(
            "https://a.test\\@b.test/",
            "https://a b.test/",
            "https://a@b@c.test/",
            "https://",
            "//a.test/",
            "ftp://a.test",
        ),
        *("javascript:alert(1)", "[url]", ""),
    ],
)
@given(value=st.sampled_from(("evil.test", "80", "x", "https://evil.test/")))
def test_the_host_takes_no_token(template: str, value: str) -> None:
    filled = fill_url(template, dict.fromkeys(("host", "port", "who", "x", "url"), value))
    assert isinstance(filled, Unsendable)
    assert value not in filled.why


@pytest.mark.parametrize(
    "host", ["[::1]", "[2001:db8::1]:80", "münchen.test", "a_b.test:1", "u:p%40w@a.test"]
)
def test_plain_hosts_stay_as_they_are(host: str) -> None:
    assert url(f"https://{host}/?[x]", x="1") == f"https://{host}/?1"


@given(texts)
@example("\r\nX-Evil: 1")
@example("a\u0085b\x00c\u2028")
def test_a_header_stays_on_its_line(value: str) -> None:
    ((name, filled),) = fill_headers({"X-Tag": "a [tag] b"}, {"tag": value}).items()
    assert name == "X-Tag"
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in filled)
    assert filled.startswith("a ")
    assert filled.endswith(" b")


def test_headers_that_are_none_or_the_protocols_own_are_left_out() -> None:
    given_headers = {
        "Authorization": "Bearer [t]",
        "X-Ok": "1",
        "Content-Type": "text/xml",
        "Host": "evil.test",
        "content-length": "3",
        "Transfer-Encoding": "chunked",
        "Webhook-Signature": "v1,x",
        "Accept-Encoding": "gzip",
        "Bad Name": "x",
        "Bad\r\nName": "x",
        "": "x",
        "X:Y": "x",
    }
    assert fill_headers(given_headers, {"t": "k"}) == {
        "Authorization": "Bearer k",
        "X-Ok": "1",
        "Content-Type": "text/xml",
    }


@given(texts, texts)
@example('"}, {"admin": true', "\\")
@example('1}, "admin": true, "x": {"y": 1', "[age]")
def test_a_json_body_keeps_its_structure(quoted: str, bare: str) -> None:
    body = '{"said": "so [quoted]!", "bare": [bare], "list": ["[quoted]", 1, [1, 2], [3], [null]], "n\\"[quoted]": {}}'
    filled = json.loads(fill_body(body, {"quoted": quoted, "bare": bare}, content_type="application/json"))
    assert filled.pop("bare") in (bare, _number(bare))
    assert filled == {"said": f"so {quoted}!", "list": [quoted, 1, [1, 2], [3], [None]], f'n"{quoted}': {}}


def _number(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        *(
            ("12.50", "12.50"),
            ("-3", "-3"),
            ("0", "0"),
            ("42", "42"),
            ("", '""'),
            ("007", '"007"'),
            ("1e400", '"1e400"'),
        ),
        *(
            ("NaN", '"NaN"'),
            ("true", '"true"'),
            ("+13105551212", '"+13105551212"'),
            ("1,2", '"1,2"'),
            ("1 ", '"1 "'),
        ),
        *(("\u0661", '"\u0661"'), ("1.", '"1."'), (".5", '".5"'), ("{}", '"{}"')),
    ],
)
def test_outside_a_string_only_a_plain_number_stays_bare(value: str, written: str) -> None:
    assert fill_body("[[tag]]", {"tag": value}, content_type="application/json") == f"[{written}]"


@given(texts, texts)
def test_a_form_keeps_its_fields(one: str, two: str) -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    filled = fill_body("a=[one]&b=[two]&c=", {"one": one, "two": two}, content_type=kind)
    assert parse_qs(filled, keep_blank_values=True) == {"a": [one], "b": [two], "c": [""]}


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
        max_size=40,
    )
)
@example("]]>&<x/>\"'")
def test_an_xml_body_keeps_its_elements(value: str) -> None:
    filled = fill_body('<a b="[tag]"><c>[tag]</c></a>', {"tag": value}, content_type="text/xml")
    tree = fromstring(filled)
    assert (tree.attrib["b"], tree[0].text or "", len(tree)) == (value, value, 1)


@given(texts)
def test_any_other_body_takes_values_as_they_are(value: str) -> None:
    assert fill_body("[tag] rang, [nobody]", {"tag": value}, content_type="text/plain") == f"{value} rang, "


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ('{"a":1}', "", True),
        (" [1]", "", True),
        ('["[tag]"]', "", True),
        ("[tag] rang", "", False),
        ("plain", "", False),
        ("plain", "application/vnd.api+json", True),
        ("{a}", "application/x-www-form-urlencoded", False),
        ("{a}", "text/xml", False),
        ("{}", "text/plain", True),
        ("", "", False),
    ],
)
def test_which_bodies_are_json(body: str, content_type: str, expected: bool) -> None:
    assert is_json(body, content_type) is expected


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("[a][b]", "12"),
        ("[[a]]", "[1]"),
        ("[a", "[a"),
        ("a]", "a]"),
        ("[]", "[]"),
        ("[a b]", "[a b]"),
        ('["a"]', '["a"]'),
        ("[1] [-2.5e3] [true] [false] [null]", "[1] [-2.5e3] [true] [false] [null]"),
        ("[trueish] [1a] [nobody]", "x y "),
        (f"[{'n' * 64}]", ""),
        (f"[{'n' * 65}]", f"[{'n' * 65}]"),
        ("[é-1.x]", "z"),
    ],
)
def test_what_a_token_is(template: str, filled: str) -> None:
    values = {"a": "1", "b": "2", "trueish": "x", "1a": "y", "é-1.x": "z", "true": "no", "1": "no"}
    assert fill_body(template, values, content_type="text/csv") == filled


@given(texts)
def test_a_value_is_no_template(value: str) -> None:
    assert (
        fill_body("<[tag]>", {"tag": f"[age]{value}", "age": "42"}, content_type="text/csv")
        == f"<[age]{value}>"
    )


def test_which_values_a_request_asks() -> None:
    text = RequestText(
        method="POST",
        url="https://a.test/[one]?x=[two]",
        headers={"X-A": "[three]", "[no]": "x"},
        body='{"a": "[four]", "b": [five], "c": [1], "d": [null]}',
    )
    assert tokens_of(text) == {"one", "two", "three", "four", "five"}
    assert tokens_of(RequestText(method="GET", url="https://a.test/")) == frozenset()


@pytest.mark.parametrize(
    ("body", "headers", "kind", "filled"),
    [
        ('{"a": "[tag]"}', {}, "application/json", '{"a": "<\\"&>"}'),
        (
            '<?xml version="1.0"?><a>[tag]</a>',
            {},
            "application/xml",
            '<?xml version="1.0"?><a>&lt;&quot;&amp;&gt;</a>',
        ),
        ("<?xml[tag]", {"content-type": "text/csv"}, "text/csv", '<?xml<"&>'),
        ("a=[tag]", {}, "text/plain; charset=utf-8", 'a=<"&>'),
        ("a=[tag]", {"Content-Type": "application/x-www-form-urlencoded"}, None, "a=%3C%22%26%3E"),
        ("", {}, "", ""),
    ],
)
def test_a_body_says_what_it_is(body: str, headers: dict[str, str], kind: str | None, filled: str) -> None:
    text = RequestText(method="POST", url="https://a.test/", headers=headers, body=body)
    message = fill_request(text, {"tag": '<"&>'})
    assert isinstance(message, Message)
    said = {name.lower(): value for name, value in message.headers.items()}
    assert said.get("content-type", "") == (headers.get("Content-Type", "") if kind is None else kind)
    assert message.body.decode() == filled


def test_a_request_whose_url_leads_elsewhere_is_not_made() -> None:
    text = RequestText(method="GET", url="https://[host]/")
    assert isinstance(fill_request(text, {"host": "a.test"}), Unsendable)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_no_value_decides_how_values_are_escaped(kind: str) -> None:
    text = RequestText(
        method="POST", url="https://a.test/", headers={"Content-Type": "[kind]"}, body='{"a": "[tag]"}'
    )
    message = fill_request(text, {"kind": kind, "tag": '", "b": "'})
    assert isinstance(message, Message)
    assert json.loads(message.body) == {"a": '", "b": "'}


@pytest.mark.parametrize("path", ["..", ".", "%2e%2e", "%2E", "a/%2e./b"])
def test_no_text_leads_to_an_upper_folder(path: str) -> None:
    assert isinstance(fill_url(f"https://a/{path}", {}), Unsendable)
