"""Amounts: read exactly, rounded half up, and modified without a float."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import Change, Modifier, read_amount, read_modifier, rounded, shown

amounts = st.decimals(0, 1_000_000, places=4)


@pytest.mark.parametrize(
    ("given_as", "amount"),
    [
        ("12.50", "12.50"),
        (" 12.5 ", "12.5"),
        ("0", "0"),
        ("0.0001", "0.0001"),
        (".5", "0.5"),
        ("1000000", "1000000"),
        ("1000000.0000", "1000000"),
        ("007", "7"),
        (25, "25"),
        (25.0, "25"),
        (22.5, "22.5"),
        (0.1, "0.1"),
        (Decimal("12.3456"), "12.3456"),
    ],
)
def test_reads_an_amount(given_as: str | float | Decimal, amount: str) -> None:
    assert read_amount(given_as) == Decimal(amount)


@pytest.mark.parametrize(
    "given_as",
    [
        "",
        " ",
        "-",
        ".",
        "1.",
        "abc",
        "12,50",
        "1,250.00",
        "$5",
        "+5",
        "1e3",
        "1E-2",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "1_000",
        "0x10",
        "\u0665",
        "12.50\0",
        "1.00000",
        "0.00001",
        "1000000.0001",
        "1000001",
        "9" * 400,
        "-1",
        "-0",
        float("nan"),
        float("inf"),
        0.1 + 0.2,
        1e-7,
        1e22,
        True,
        False,
        Decimal("NaN"),
        Decimal("1E+3"),
        -1,
    ],
)
def test_refuses_what_is_no_amount(given_as: str | float | Decimal) -> None:
    with pytest.raises(ValueError, match="`"):
        read_amount(given_as)


def test_reads_negatives_only_when_they_are_allowed() -> None:
    assert read_amount("-12.5", negative=True) == Decimal("-12.5")
    assert str(read_amount("-0.00", negative=True)) == "0.00"
    with pytest.raises(ValueError, match="more than 1,000,000"):
        read_amount("-1000001", negative=True)


@given(amounts)
def test_an_amount_reads_as_itself(amount: Decimal) -> None:
    assert read_amount(f"{amount:f}") == amount


@given(st.one_of(st.text(max_size=20), st.floats(), st.integers()))
def test_reading_anything_gives_an_amount_or_a_value_error(given_as: str | float) -> None:
    try:
        amount = read_amount(given_as, negative=True)
    except ValueError:
        return
    assert isinstance(amount, Decimal)
    assert abs(amount) <= 1_000_000
    assert amount == amount.quantize(Decimal("0.0001"))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("12.50", "12.5"),
        ("0", "0.0"),
        ("0.004", "0.0"),
        ("0.005", "0.01"),
        ("0.0049", "0.0"),
        ("1.115", "1.12"),
        ("0.125", "0.13"),
        ("2.675", "2.68"),
        ("12", "12.0"),
        ("999999.995", "1000000.0"),
        ("-0.001", "0.0"),
        ("-1.005", "-1.01"),
    ],
)
def test_shows_cents_rounded_half_up(amount: str, text: str) -> None:
    assert json.dumps(shown(Decimal(amount))) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("5", "5.00"), ("0.125", "0.13"), ("12.5", "12.50"), ("-0.001", "0.00")]
)
def test_rounded_always_has_two_decimals(amount: str, text: str) -> None:
    assert str(rounded(Decimal(amount))) == text


@given(amounts)
def test_json_prints_what_is_shown_without_noise(amount: Decimal) -> None:
    printed = json.dumps(shown(amount))
    assert Decimal(printed) == rounded(amount)
    assert len(printed.partition(".")[2]) <= 2


@pytest.mark.parametrize(
    ("text", "change", "amount"),
    [
        ("*0.8", Change.SHARE, "0.8"),
        (" * 0.8 ", Change.SHARE, "0.8"),
        ("*10", Change.SHARE, "10"),
        ("+5", Change.MORE, "5"),
        ("-2", Change.LESS, "2"),
        ("-2.25", Change.LESS, "2.25"),
        ("12.50", Change.INSTEAD, "12.50"),
        ("0", Change.INSTEAD, "0"),
    ],
)
def test_reads_a_modifier(text: str, change: Change, amount: str) -> None:
    assert read_modifier(text) == Modifier(change=change, amount=Decimal(amount))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "+",
        "/2",
        "*-1",
        "--2",
        "80%",
        "*80",
        "*0.12345",
        "1.2.3",
        "+1e3",
        "* NaN",
        "1000001",
        "*10.01",
    ],
)
def test_refuses_what_is_no_modifier(text: str) -> None:
    with pytest.raises(ValueError, match="`"):
        read_modifier(text)


@pytest.mark.parametrize(
    ("text", "posted", "payout"),
    [
        ("*0.8", "100", "80"),
        ("*0.8", "12.34", "9.872"),
        ("*0.3333", "0.0005", "0.0002"),
        ("*0.5", "0.0001", "0.0001"),
        ("*0", "100", "0"),
        ("+5", "10", "15"),
        ("-2", "10", "8"),
        ("-2", "1.5", "0"),
        ("12.50", "99", "12.5"),
    ],
)
def test_a_modifier_makes_the_payout(text: str, posted: str, payout: str) -> None:
    assert read_modifier(text).apply(Decimal(posted)) == Decimal(payout)


@given(st.sampled_from(Change), st.decimals(0, 10, places=4), amounts)
def test_a_payout_is_never_negative_and_keeps_four_decimals(
    change: Change, by: Decimal, posted: Decimal
) -> None:
    payout = Modifier(change=change, amount=by).apply(posted)
    assert payout >= 0
    assert payout.as_tuple().exponent == -4
