"""The Rails names against the zone database."""

from zoneinfo import ZoneInfo

import pytest

from shared.domain.rails_zones import RAILS_ZONES


def test_every_name_leads_to_a_zone() -> None:
    for zone in RAILS_ZONES.values():
        assert ZoneInfo(zone).key == zone


def test_has_all_names_of_rails() -> None:
    assert len(RAILS_ZONES) >= 151


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Buenos Aires", "America/Argentina/Buenos_Aires"),
        ("Mexico City", "America/Mexico_City"),
        ("Tokyo", "Asia/Tokyo"),
        ("Bern", "Europe/Zurich"),
        ("New Delhi", "Asia/Kolkata"),
        ("Indiana (East)", "America/Indiana/Indianapolis"),
        ("UTC", "Etc/UTC"),
    ],
)
def test_knows_cities_and_other_names(name: str, zone: str) -> None:
    assert RAILS_ZONES[name] == zone
