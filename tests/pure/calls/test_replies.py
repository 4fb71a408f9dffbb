"""What a start webhook's answer says of its caller: root fields, as tags."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calls.rules.replies import reply_tags
from shared.domain.routing.profile import RESERVED


def tags(**fields: Any) -> dict[str, str]:
    return reply_tags(json.dumps(fields).encode())


def test_texts_numbers_and_booleans_at_the_root_are_tags_as_they_are_written() -> None:
    assert tags(plan="gold", age=41, share=0.5, insured=True) == {
        "plan": "gold",
        "age": "41",
        "share": "0.5",
        "insured": "true",
    }
    assert reply_tags(b'{"amount": 1.50, "large": 12345678901234567890}') == {
        "amount": "1.50",
        "large": "12345678901234567890",
    }


def test_what_is_nested_or_null_is_left_out_and_the_rest_is_kept() -> None:
    assert tags(lead={"plan": "gold"}, plans=["gold"], nothing=None, zip="10001") == {"zip": "10001"}


def test_the_last_of_two_fields_counts_and_a_mark_of_byte_order_is_no_harm() -> None:
    assert reply_tags(b'\xef\xbb\xbf{"zip": "1", "zip": "2"}') == {"zip": "2"}


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"OK", b"[]", b'["a"]', b'"a"', b"1", b"null", b"{", b'{"a": }', b"\xff\xfe", b"<a>1</a>"],
)
def test_of_what_is_no_object_nothing_is_said(body: bytes) -> None:
    assert reply_tags(body) == {}


def test_a_bomb_of_brackets_says_nothing() -> None:
    assert reply_tags(b'{"a":' * 100_000) == {}
    assert reply_tags(b'{"a":' + b"[" * 100_000) == {}


def test_a_receiver_cannot_set_what_is_ours() -> None:
    ours = dict.fromkeys([*RESERVED, "system_buyer_id", "System_campaign_id", "SYSTEM_x"], "x")
    assert tags(**ours, buyer="x") == {"buyer": "x"}


def test_places_of_the_caller_may_be_told_and_several_have_commas_between() -> None:
    assert tags(caller_state="CA", geo=" US-CA , 310,") == {"caller_state": "CA", "geo": "us-ca,310"}


def test_what_cannot_be_a_tag_is_left_out_alone() -> None:
    sent = {"a" * 65: "1", "b": "x" * 513, "c\n": "1", "d\0": "1", "e": "\0", "": "1"}
    assert tags(**sent) == {}
    kept = {"a" * 64: "1", "b": "x" * 512, "c": "line\nline"}
    assert tags(**sent, **{name: value for name, value in kept.items() if name != "b"}) == {
        name: value for name, value in kept.items() if name != "b"
    }
    assert tags(**kept) == kept


def test_no_more_than_a_hundred_are_kept() -> None:
    assert len(tags(**{f"t{place}": "1" for place in range(250)})) == 100


@given(st.binary(max_size=200))
def test_no_answer_breaks_the_reading(body: bytes) -> None:
    assert isinstance(reply_tags(body), dict)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.text("abc_\0\n\u00e9", max_size=6), _json, max_size=6))
def test_every_object_gives_its_sound_scalars_and_no_more(fields: dict[str, Any]) -> None:
    told = reply_tags(json.dumps(fields).encode())
    sound = {
        name: value
        for name, value in fields.items()
        if name and name.isprintable() and not isinstance(value, dict | list | None)
    }
    assert set(told) == {name for name, value in sound.items() if "\0" not in str(value)}
    assert all(
        told[name] == value for name, value in sound.items() if isinstance(value, str) and name in told
    )
