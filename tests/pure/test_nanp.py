"""The area code table against what the zone database and the phone library know."""

from zoneinfo import ZoneInfo

import phonenumbers

from shared.domain.nanp import AREA_CODES

TERRITORIES = {"AS", "GU", "MP", "PR", "VI"}


def test_every_zone_exists() -> None:
    for zone in {place.time_zone for place in AREA_CODES.values() if place.time_zone}:
        assert ZoneInfo(zone).key == zone


def test_holds_every_area_code_that_the_phone_library_knows_in_the_same_country() -> None:
    for code in range(200, 1000):
        region = phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{code}2345678"))
        if region is not None:
            place = AREA_CODES[str(code)]
            assert region == (place.state if place.state in TERRITORIES else place.country), code


def test_has_every_state_territory_and_province() -> None:
    places = AREA_CODES.values()
    states = {place.state for place in places if place.country == "US" and place.state}
    provinces = {place.state for place in places if place.country == "CA" and place.state}
    assert len(states) == 50 + 1 + len(TERRITORIES)
    assert states >= TERRITORIES
    assert provinces == {"AB", "BC", "MB", "NB", "NL", "NS", "ON", "QC", "SK"}
    assert len({place.country for place in places}) == 20


def test_a_state_has_a_zone_and_a_zone_only_places() -> None:
    for code, place in AREA_CODES.items():
        assert bool(place.time_zone) == (bool(place.state) or place.country not in {"US", "CA"}), code


def test_holds_area_codes_only() -> None:
    for code in AREA_CODES:
        assert len(code) == 3
        assert code.isdigit()
        assert code[0] in "23456789"
        assert code[1:] != "11"
