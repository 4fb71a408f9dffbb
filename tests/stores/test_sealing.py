"""Sealed copies: opened with the right key for the right row only."""

import pytest

from shared.domain.tokens import Hidden
from shared.errors import OperatorError
from shared.stores.sealing import Sealer, read_sealer

OLD, NEW = "o" * 32, "n" * 32
TOKEN = Hidden("pbk_rtb_token")


def test_what_is_sealed_can_be_opened() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(TOKEN, b"row")
    assert sealer.open(sealed, b"row") == TOKEN
    assert TOKEN.reveal().encode() not in sealed


def test_two_copies_of_one_token_differ() -> None:
    sealer = Sealer([NEW])
    assert sealer.seal(TOKEN, b"row") != sealer.seal(TOKEN, b"row")


def test_a_copy_cannot_be_moved_to_another_row() -> None:
    sealer = Sealer([NEW])
    with pytest.raises(OperatorError, match="damaged"):
        sealer.open(sealer.seal(TOKEN, b"row"), b"another row")


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_damaged_copy_is_refused(place: int) -> None:
    sealer = Sealer([NEW])
    sealed = bytearray(sealer.seal(TOKEN, b"row"))
    sealed[place] ^= 1
    with pytest.raises(OperatorError) as caught:
        sealer.open(bytes(sealed), b"row")
    assert "pbk" not in caught.value.text


def test_an_empty_copy_is_refused() -> None:
    with pytest.raises(OperatorError):
        Sealer([NEW]).open(b"", b"row")


def test_keys_can_be_changed_without_losing_copies() -> None:
    before, after = Sealer([OLD]), Sealer([NEW, OLD])
    sealed = before.seal(TOKEN, b"row")
    assert after.open(sealed, b"row") == TOKEN
    with pytest.raises(OperatorError, match="another key-encryption key"):
        before.open(after.seal(TOKEN, b"row"), b"row")


def test_the_setting_may_hold_several_keys() -> None:
    sealed = read_sealer(OLD).seal(TOKEN, b"row")
    assert read_sealer(f" {NEW} , {OLD}").open(sealed, b"row") == TOKEN


@pytest.mark.parametrize("setting", ["", ",", "short", f"{NEW},short"])
def test_a_key_that_is_too_short_is_refused_unseen(setting: str) -> None:
    with pytest.raises(OperatorError) as caught:
        read_sealer(setting)
    assert "at least 32 characters" in caught.value.text
    assert NEW not in caught.value.text
