"""How numbers are read, what they say about the caller, and how they are hidden."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.phone import caller_tags, mask, read_e164

NEW_YORK = "+12125550199"

digits = st.text("0123456789", min_size=1, max_size=16)
written = st.text("0123456789+()-./ ", max_size=24)


@pytest.mark.parametrize(
    "text",
    [
        "+12125550199",
        " 12125550199",
        "12125550199",
        "2125550199",
        "(212) 555-0199",
        " (212) 555-0199",
        "212.555.0199",
        "212-555-0199",
        "212/555/0199",
        "+1 (212) 555-0199",
        " 1 212 555 0199",
        "1-212-555-0199",
        "2125550199 ",
        "+1.212.555.0199",
    ],
)
def test_reads_north_american_numbers_however_they_are_written(text: str) -> None:
    assert read_e164(text) == NEW_YORK


@pytest.mark.parametrize(
    "text", ["+18445550100", "+18005550111", "+12125550100", "+19005550100", "+15555550100"]
)
def test_takes_fictional_toll_free_and_unassigned_numbers(text: str) -> None:
    assert read_e164(text) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+442071234567", "+442071234567"),
        (" 442071234567", "+442071234567"),
        ("+44 20 7123 4567", "+442071234567"),
        ("+44 (0)20 7123 4567", "+442071234567"),
        ("+49 30 901820", "+4930901820"),
        ("+39 06 69812345", "+390669812345"),
        ("+52 55 1234 5678", "+525512345678"),
    ],
)
def test_reads_other_countries_by_their_plus(text: str, number: str) -> None:
    assert read_e164(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "1",
        "()",
        "anonymous",
        "Restricted",
        "+1212555O199",
        "2125550199x5",
        "tel:+12125550199",
        "+12125550199\0",
        "\0",
        "+12125550199\n",
        "+1 212 555 0199" + " " * 40,
        "0" * 30,
        "+" + "9" * 30,
        "1" * 11,
        "+1212555019",
        "+121255501990",
        "+2125550199",
        "+10125550199",
        "+12120550199",
        "+12121550199",
        "+12119110199",
        "+14115550199",
        "+44123",
        "+9991234567",
        "442071234567",
        "+1+2125550199",
        "++12125550199",
        "\uff0b12125550199",
        "+1212555019\u0669",
    ],
)
def test_refuses_what_cannot_be_a_number(text: str) -> None:
    assert read_e164(text) is None


def test_a_space_before_digits_is_a_plus_and_never_a_bare_north_american_number() -> None:
    assert read_e164("2125550199") == NEW_YORK
    assert read_e164(" 2125550199") is None


@settings(deadline=None)
@given(st.text(max_size=50))
def test_never_raises(text: str) -> None:
    read_e164(text)


@settings(deadline=None)
@given(written)
def test_what_was_read_reads_as_itself(text: str) -> None:
    number = read_e164(text)
    if number is not None:
        assert number.startswith("+")
        assert number[1:].isdigit()
        assert len(number) <= 16
        assert read_e164(number) == number


@settings(deadline=None)
@given(digits)
def test_a_lost_plus_changes_nothing(text: str) -> None:
    assert read_e164(" " + text) == read_e164("+" + text)


@settings(deadline=None)
@given(st.integers(2_000_000_000, 9_999_999_999))
def test_north_america_takes_all_but_service_codes(number: int) -> None:
    text = str(number)
    possible = text[3] in "23456789" and text[1:3] != "11" and text[4:6] != "11"
    assert read_e164(text) == ("+1" + text if possible else None)


@pytest.mark.parametrize(
    ("number", "country", "state", "code", "zone"),
    [
        ("+12125550199", "US", "NY", "212", "America/New_York"),
        ("+13105550199", "US", "CA", "310", "America/Los_Angeles"),
        ("+18505550199", "US", "FL", "850", "America/Chicago"),
        ("+19155550199", "US", "TX", "915", "America/Denver"),
        ("+14805550199", "US", "AZ", "480", "America/Phoenix"),
        ("+12025550199", "US", "DC", "202", "America/New_York"),
        ("+17875550199", "US", "PR", "787", "America/Puerto_Rico"),
        ("+14165550199", "CA", "ON", "416", "America/Toronto"),
        ("+17095550199", "CA", "NL", "709", "America/St_Johns"),
    ],
)
def test_an_area_code_tells_the_place(number: str, country: str, state: str, code: str, zone: str) -> None:
    assert caller_tags(number) == {
        "caller_country": country,
        "caller_state": state,
        "caller_area_code": code,
        "caller_time_zone": zone,
        "geo": (country.lower(), f"{country}-{state}".lower(), code),
    }


def test_leaves_out_what_the_area_code_does_not_tell() -> None:
    assert caller_tags("+18445550100") == {
        "caller_country": "US",
        "caller_area_code": "844",
        "geo": ("us", "844"),
    }
    assert caller_tags("+18765550100") == {
        "caller_country": "JM",
        "caller_area_code": "876",
        "caller_time_zone": "America/Jamaica",
        "geo": ("jm", "876"),
    }
    assert caller_tags("+15555550100") == {"caller_area_code": "555", "geo": ("555",)}


def test_other_countries_have_a_country_and_a_zone_when_there_is_one() -> None:
    assert caller_tags("+442071234567") == {
        "caller_country": "GB",
        "caller_time_zone": "Europe/London",
        "geo": ("gb",),
    }
    assert caller_tags("+80012345678") == {}
    assert "caller_time_zone" not in caller_tags("+393312345678")


@pytest.mark.parametrize("text", ["", "+", "+1", "+199", "sip:a@b", "+999123456"])
def test_no_number_has_no_tags(text: str) -> None:
    assert caller_tags(text) == {}


def test_the_same_area_code_shares_its_tags() -> None:
    assert caller_tags("+12125550199") is caller_tags("+12125550100")
    assert caller_tags("+442071234567") is caller_tags("+442071234567")


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+12125551212", "+1******1212"),
        ("+442071234567", "+4*******4567"),
        ("+4930123", "********"),
        ("", ""),
    ],
)
def test_masks_all_but_the_ends(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(st.text("+0123456789", max_size=20))
def test_a_mask_hides_at_least_a_quarter_and_keeps_the_length(number: str) -> None:
    masked = mask(number)
    assert len(masked) == len(number)
    assert masked.count("*") * 4 >= len(number)
