"""A call's own key: made of a pepper and a uuid, told again at will, stored nowhere."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.call_keys import CallKeys, call_key, is_call_key
from shared.domain.keys import Kind, make_token
from shared.domain.tokens import digest, token_form

PEPPER = b"a pepper of at least thirty-two bytes"
SEED = "01890a5d-ac96-7000-8000-123456789abc"
_peppers = st.binary(min_size=1, max_size=64)


@given(_peppers, st.uuids().map(str))
def test_a_call_s_key_is_told_again_and_has_the_form_of_our_tokens(pepper: bytes, seed: str) -> None:
    key = call_key(pepper, seed)
    assert key == call_key(pepper, seed) == CallKeys(pepper).key_of(seed)
    assert (token_form(key), is_call_key(key), len(key)) == ("ours", True, len("pbk_call_") + 36)


@given(st.lists(st.uuids().map(str), min_size=2, max_size=20, unique=True))
def test_each_call_has_a_key_of_its_own(seeds: list[str]) -> None:
    keys = CallKeys(PEPPER)
    assert len({keys.key_of(seed) for seed in seeds}) == len(seeds)


def test_another_pepper_makes_another_key() -> None:
    assert call_key(PEPPER, SEED) != call_key(PEPPER + b"!", SEED)


def test_a_key_does_not_show_the_uuid_that_it_follows_from() -> None:
    key = call_key(PEPPER, SEED)
    assert all(part not in key for part in SEED.split("-"))


def test_a_key_of_today_is_the_key_that_buyers_were_told_last_year() -> None:
    assert call_key(b"pepper", SEED) == "pbk_call_sIJyYzVFoQlOIpGuCD0anBc8HLsQuz37dGlI"


def test_a_call_is_looked_up_by_what_its_key_is_looked_up_by() -> None:
    keys = CallKeys(PEPPER)
    assert keys.hmac_of(SEED) == digest(PEPPER, keys.key_of(SEED))


@given(_peppers, st.uuids().map(str), st.data())
def test_a_mistyped_key_is_none_of_ours(pepper: bytes, seed: str, data: st.DataObject) -> None:
    key = call_key(pepper, seed)
    place = data.draw(st.integers(len("pbk_call_"), len(key) - 1))
    wrong = data.draw(st.sampled_from("0123456789abcXYZ").filter(lambda letter: letter != key[place]))
    assert token_form(key[:place] + wrong + key[place + 1 :]) is None


def test_keys_of_a_company_are_no_call_keys_and_other_texts_neither() -> None:
    for kind in set(Kind) - {Kind.CALL_RESERVATION}:
        assert not is_call_key(make_token(kind, lambda n: n - 1))
    for text in (
        "",
        "call",
        "pbk_",
        "PBK_CALL_abc",
        "pbk_call_a-b",
        "pbk_call_\u0665",
        "pbk_call_a b",
        " pbk_call_a",
    ):
        assert not is_call_key(text), text
