import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redaction import HIDDEN, clean, clean_text, exception_shape, mask_number

TOKEN = "pbk_r_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"key {TOKEN} is paused", "key pbk_*** is paused"),
        ("/rtbs.json?key=0123456789abcdef&x=1", "/rtbs.json?key=***&x=1"),
        ("GET /postbacks/0123-abcd-4567?value=1", "GET /postbacks/***?value=1"),
        ("/data_writing/0123456789abcdef", "/data_writing/***"),
        ('{"api_key": "0123456789abcdef"}', '{"api_key": "***"}'),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ***"),
        ("sent Bearer abcdefghijkl away", "sent Bearer *** away"),
        ("postgresql://ringpost:pass@db:5432/x", "postgresql://***@db:5432/x"),
        ("caller +15551231212 asked", "caller +1******1212 asked"),
        ("caller 5551231212 asked", "caller +1******1212 asked"),
        ("to=%2B15551231212&x", "to=+1******1212&x"),
        ("call (555) 123-1212 now", "call +1******1212 now"),
        ("call 1-555-123-1212", "call +1******1212"),
        ("{s00}:c:1:+15551231212", "{s00}:c:1:+1******1212"),
        ("uuid 01890a5d-ac96-774b-bcce-302099805712", "uuid 01890a5d-ac96-774b-bcce-302099805712"),
        ("port 8001 after 1234567 us", "port 8001 after 1234567 us"),
        ("keyboard and monkey: business", "keyboard and monkey: business"),
    ],
)
def test_texts_lose_what_must_not_be_told(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned
    assert clean_text(cleaned) == cleaned


@given(
    st.text(alphabet="xyz =/", max_size=20),
    st.text(alphabet="abcXYZ019_", min_size=20, max_size=40),
    st.text(alphabet="xyz ", max_size=20),
)
def test_no_token_survives(before: str, secret: str, after: str) -> None:
    assert secret not in clean_text(f"{before}pbk_{secret} {after}")


@given(
    st.from_regex(re.compile(r"\A1[2-9][0-9]{9}\Z")),
    st.sampled_from(["", "+"]),
    st.sampled_from([" ", "'", "=", ":"]),
)
def test_no_number_survives(digits: str, plus: str, beside: str) -> None:
    assert digits not in clean_text(f"x{beside}{plus}{digits}{beside}y")


@pytest.mark.parametrize(
    "name", ["key", "Token", "api_key", "X-Api-Key", "AUTHORIZATION", "secret", "pepper"]
)
def test_secrets_are_dropped_by_name(name: str) -> None:
    assert clean(name, "anything at all") == HIDDEN


def test_values_are_cleaned_all_the_way_down() -> None:
    value = {
        "key_id": 7,
        "caller": "+15551231212",
        "from": 15551231212,
        "nested": [{"token": "x", "said": f"got {TOKEN}"}, None, True, 1.5],
        "error": ValueError(TOKEN),
    }
    assert clean("event", value) == {
        "key_id": 7,
        "caller": "+1******1212",
        "from": "+1******1212",
        "nested": [{"token": HIDDEN, "said": "got pbk_***"}, None, True, 1.5],
        "error": "ValueError",
    }


def test_what_is_too_deep_is_hidden() -> None:
    value: object = TOKEN
    for _ in range(10):
        value = [value]
    assert "a1B2" not in repr(clean("x", value))


@pytest.mark.parametrize(
    ("text", "masked"), [("+15551231212", "+1******1212"), ("(555) 123-1212", "+1******1212"), ("", "")]
)
def test_masked_numbers(text: str, masked: str) -> None:
    assert mask_number(text) == masked


def test_an_exception_is_told_by_type_and_place_alone() -> None:
    try:
        try:
            raise KeyError(TOKEN)
        except KeyError as error:
            raise ValueError(f"{TOKEN} +15551231212") from error
    except ValueError as error:
        shape = exception_shape(error)
    assert shape["error"] == "ValueError <- KeyError"
    assert shape["frames"][-1].endswith("test_an_exception_is_told_by_type_and_place_alone")
    assert "pbk" not in repr(shape)
