"""What a buyer is told: what each token means, and that no value changes the request around it."""

import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from defusedxml import ElementTree
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.call_keys import is_call_key
from shared.domain.outgoing import Message
from shared.pinging.buyer_wire import Bid, NoBid, Secrets, Why, write_ask, write_post
from tests.pure.pinging.buyer_wire.buyers import CALLER, FACTS, SECRETS, URL, UUID, asked, asking

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
NASTY = (
    '"}, {"admin": true',
    "\r\nX-Evil: 1",
    "]]>&<x/>",
    "/../@evil.test/?a=b&c#d",
    "[caller_number]",
    "\\",
)


def value_of(token: str) -> str:
    return asked(
        asking({"method": "POST", "body": f"[{token}]", "headers": {"Content-Type": "text/csv"}})
    ).body.decode()


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("caller_number", CALLER),
        ("nanp_caller_number", "3105551212"),
        ("caller_state", "CA"),
        ("caller_zip", "90210"),
        ("call_uuid", UUID),
        ("campaign_id", "auto"),
        ("publisher_id", "pub a"),
        ("source_id", "pub a"),
        ("affiliate_id", "pub a"),
        ("age", "42"),
        ("geo", "us,us-ca"),
        ("nobody", ""),
    ],
)
def test_what_a_token_means(token: str, value: str) -> None:
    assert value_of(token) == value


def test_the_call_key_is_that_of_the_call_to_come() -> None:
    assert is_call_key(value_of("call_key"))
    assert value_of("call_key") == SECRETS.key_of(UUID)


@pytest.mark.parametrize("token", ["caller_number", "nanp_caller_number"])
def test_a_hidden_caller_is_a_keyed_hash_until_won(token: str) -> None:
    told = asking({"url": f"{URL}?n=[{token}]"}, post={"url": f"{URL}?n=[{token}]"}, hide=True)
    hidden = parse_qs(urlsplit(asked(told).url).query)["n"][0]
    assert (len(hidden), set(hidden) <= set("0123456789abcdef")) == (64, True)
    assert hidden == SECRETS.hidden(CALLER, 7)
    assert hidden not in (
        SECRETS.hidden(CALLER, 8),
        Secrets(b"other").hidden(CALLER, 7),
        SECRETS.hidden("+1310", 7),
    )
    post = write_post(told, FACTS, secrets=SECRETS, bid=Bid(revenue=None))
    assert isinstance(post, Message)
    assert parse_qs(urlsplit(post.url).query)["n"][0] in (CALLER, "3105551212")


def test_nobody_is_hidden_as_nobody() -> None:
    told = asking({"url": f"{URL}?n=[caller_number]"}, hide=True)
    assert asked(told, replace(FACTS, caller="")).url == f"{URL}?n="


def test_the_post_takes_what_the_buyer_said_before_the_callers_tags() -> None:
    told = asking(
        post={"url": f"{URL}?p=[ping_id]&b=[bid]&a=[age]&g=[caller_zip]&x=[td_x]&u=[call_uuid]&e=[empty]"}
    )
    said = {"ping_id": "p/1", "bid": "12.5", "age": "7", "call_uuid": "forged", "empty": ""}
    facts = replace(FACTS, tags={**FACTS.tags, "empty": "full"})
    post = write_post(told, facts, secrets=SECRETS, bid=Bid(revenue=None, tags={"td_x": "1"}, said=said))
    assert isinstance(post, Message)
    assert post.url == f"{URL}?p=p%2F1&b=12.5&a=7&g=90210&x=1&u={UUID}&e="


def test_a_request_that_would_lead_upwards_is_not_made() -> None:
    told = asking({"url": "https://buyer.test/[age]/x"})
    assert write_ask(told, replace(FACTS, tags={"age": ".."}), secrets=SECRETS) == NoBid(why=Why.NOT_ASKED)


def test_the_secrets_do_not_show() -> None:
    assert "pepper" not in repr(SECRETS)


@given(texts, st.sampled_from(("age", "caller_zip")))
@example(NASTY[0], "age")
@example(NASTY[1], "age")
@example(NASTY[2], "age")
@example(NASTY[3], "age")
@example(NASTY[4], "age")
@example(NASTY[5], "age")
def test_no_value_changes_the_request_around_it(value: str, token: str) -> None:
    told = asking(
        {
            "method": "POST",
            "url": f"https://user@buyer.test:8443/a/x[{token}]/b?v=[{token}]&w=1",
            "headers": {"X-Tag": f"<[{token}]>", "Content-Type": "application/json"},
            "body": f'{{"said": "so [{token}]!", "list": ["[{token}]", 1]}}',
        }
    )
    message = asked(told, replace(FACTS, tags={token: value}))
    parts = urlsplit(message.url)
    assert (parts.scheme, parts.netloc) == ("https", "user@buyer.test:8443")
    assert [unquote(each) for each in parts.path.split("/")] == ["", "a", f"x{value}", "b"]
    assert parse_qs(parts.query, keep_blank_values=True) == {"v": [value], "w": ["1"]}
    assert message.headers.keys() == {"X-Tag", "Content-Type"}
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in message.headers["X-Tag"])
    assert json.loads(message.body) == {"said": f"so {value}!", "list": [value, 1]}


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
        max_size=40,
    )
)
@example(NASTY[2])
def test_no_value_changes_an_xml_body(value: str) -> None:
    body = '<?xml version="1.0"?><bid_request a="[age]"><CID>[age]</CID></bid_request>'
    message = asked(asking({"method": "POST", "body": body}), replace(FACTS, tags={"age": value}))
    assert message.headers == {"Content-Type": "application/xml"}
    tree = ElementTree.fromstring(message.body)
    assert (tree.attrib["a"], tree[0].text or "", len(tree)) == (value, value, 1)


@given(texts)
@example(NASTY[3])
def test_no_value_changes_a_form(value: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    message = asked(
        asking({"method": "POST", "headers": form, "body": "a=[age]&b=1"}),
        replace(FACTS, tags={"age": value}),
    )
    assert parse_qs(message.body.decode(), keep_blank_values=True) == {"a": [value], "b": ["1"]}
