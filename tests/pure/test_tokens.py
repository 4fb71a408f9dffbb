"""Tokens: their form, their checksum, and that they never show."""

import hashlib
import hmac
import pickle
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.keys import Kind, make_token
from shared.domain.tokens import BASE58, DIGITS, Hidden, compose, digest, make_secret, token_form

_KINDS = [kind for kind in Kind if kind is not Kind.CALL_RESERVATION]
kinds = st.sampled_from(_KINDS)
drawn = st.lists(st.integers(0, 61), min_size=30, max_size=30)


def token_of(kind: Kind, numbers: list[int]) -> str:
    left = iter(numbers)
    return make_token(kind, lambda below: next(left) % below)


@given(kinds, drawn)
def test_a_token_says_its_kind_and_is_known_as_ours(kind: Kind, numbers: list[int]) -> None:
    token = token_of(kind, numbers)
    prefix, letters, rest = token.split("_")
    assert (prefix, len(rest)) == ("pbk", 36)
    assert letters.isalpha()
    assert letters.islower()
    assert token_form(token) == "ours"


def test_every_kind_has_its_own_letters() -> None:
    tokens = {token_of(kind, [0] * 30).split("_")[1] for kind in _KINDS}
    assert len(tokens) == len(_KINDS)


def test_a_kind_that_is_only_imported_gets_no_token() -> None:
    with pytest.raises(KeyError):
        make_token(Kind.CALL_RESERVATION, lambda _: 0)


@given(kinds, drawn)
def test_the_checksum_is_crc32_of_what_precedes_in_base62(kind: Kind, numbers: list[int]) -> None:
    token = token_of(kind, numbers)
    value = 0
    for sign in token[-6:]:
        value = value * 62 + DIGITS.index(sign)
    assert value == zlib.crc32(token[:-6].encode())


@given(kinds, drawn, st.integers(0, 60), st.sampled_from(DIGITS))
def test_one_wrong_character_is_noticed(kind: Kind, numbers: list[int], place: int, sign: str) -> None:
    token = token_of(kind, numbers)
    place %= len(token)
    mistyped = token[:place] + sign + token[place + 1 :]
    if mistyped.startswith("pbk_"):
        assert token_form(mistyped) == ("ours" if mistyped == token else None)


@given(kinds, drawn, st.integers(0, 60))
def test_two_swapped_characters_are_noticed(kind: Kind, numbers: list[int], place: int) -> None:
    token = token_of(kind, numbers)
    place = 4 + place % (len(token) - 5)
    swapped = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert token_form(swapped) == ("ours" if swapped == token else None)


@pytest.mark.parametrize("cut", range(1, 42))
def test_a_token_that_was_cut_off_is_none(cut: int) -> None:
    assert token_form(token_of(Kind.RTB, [7] * 30)[:-cut]) is None


@pytest.mark.parametrize(
    "token",
    [
        "0191b2c3-d4e5-7f60-8123-456789abcdef",
        "0123456789abcdef",
        "A" * 128,
        "some.partner~token_with-signs",
    ],
)
def test_other_platforms_tokens_are_known_as_imported(token: str) -> None:
    assert token_form(token) == "imported"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "short",
        "A" * 15,
        "A" * 129,
        "0123456789abcde/",
        "0123456789 abcdef",
        "0123456789abcdeé",
        "pbk_",
        "pbk_rtb_" + "0" * 36,
    ],
)
def test_what_no_key_can_have_is_none(token: str) -> None:
    assert token_form(token) is None


@given(st.text(max_size=200))
def test_any_text_is_told_without_an_error(text: str) -> None:
    assert token_form(text) in {"ours", "imported", None}


def test_a_secret_has_24_base58_characters() -> None:
    left = iter(range(24))
    secret = make_secret(lambda below: next(left) % below)
    assert len(secret) == 24
    assert set(secret) <= set(BASE58)
    assert not set(BASE58) & set("0OIl")


def test_the_source_of_chance_is_asked_for_all_characters() -> None:
    asked: list[int] = []

    def draw(below: int) -> int:
        asked.append(below)
        return below - 1

    assert compose("rtb", draw).startswith("pbk_rtb_" + "z" * 30)
    assert asked == [62] * 30


def test_the_look_up_is_an_hmac_of_the_token() -> None:
    assert digest(b"pepper", "token") == hmac.new(b"pepper", b"token", hashlib.sha256).digest()
    assert digest(b"pepper", "token") != digest(b"another", "token")


def test_a_hidden_text_shows_nowhere() -> None:
    hidden = Hidden("pbk_rtb_secret")
    for shown in (repr(hidden), str(hidden), f"{hidden}", repr([hidden]), format(hidden)):
        assert "secret" not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(hidden)
    with pytest.raises(TypeError):
        pickle.dumps(hidden)


def test_a_hidden_text_is_handed_over_and_compared() -> None:
    assert Hidden("a").reveal() == "a"
    assert Hidden("a") == Hidden("a")
    assert Hidden("a") != Hidden("b")
    assert Hidden("a") != "a"
    assert len({Hidden("a"), Hidden("a"), Hidden("b")}) == 2
