"""Whose word counts on a caller."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.routing.profile import RESERVED, kept_tags, own_tags, profile
from tests.support.plans import PUBLISHER, a_company, a_plan

CALLER = "+12125551212"  # New York
MONDAY_MS = 1_772_461_800_000  # 2026-03-02 09:30 in New York
_names = st.text("abcdeghimnorstuy_S", min_size=1, max_size=12)


def told(caller: str = CALLER, prefix: str = "", **sent: str) -> dict[str, str | tuple[str, ...]]:
    own = own_tags(a_plan(), PUBLISHER)
    return dict(profile(a_company(), caller, kept=kept_tags(sent, prefix), own=own, now_ms=MONDAY_MS))


def test_every_ping_has_these_without_sending_any() -> None:
    assert told() == {
        "caller_country": "US",
        "caller_state": "NY",
        "caller_area_code": "212",
        "caller_time_zone": "America/New_York",
        "geo": ("us", "us-ny", "212"),
        "hour": "9",
        "day_of_week": "1",
        "time": "09:30",
        "campaign_id": "camp",
        "publisher_id": "pub-a",
        "system_campaign_id": "100",
        "system_publisher_id": "7",
        "system_affiliate_id": "7",
    }


def test_an_anonymous_caller_has_the_clocks_and_ours_only() -> None:
    assert told("").keys() == told().keys() - {
        "caller_country",
        "caller_state",
        "caller_area_code",
        "caller_time_zone",
        "geo",
    }


@pytest.mark.parametrize(
    ("prefix", "name", "kept"),
    [
        ("", "age", "age"),
        ("acme_", "age", "acme_age"),
        ("acme_", "acme_age", "acme_age"),
        ("acme_", "acme", "acme_acme"),
        ("acme_", "caller_state", "caller_state"),
        ("acme_", "caller_city", "caller_city"),
        ("acme_", "caller_zip", "caller_zip"),
        ("acme_", "caller_country", "caller_country"),
        ("acme_", "caller_age", "acme_caller_age"),
    ],
)
def test_a_tag_is_prefixed_unless_it_already_is(prefix: str, name: str, kept: str) -> None:
    assert kept_tags({name: "x"}, prefix) == {kept: "x"}


@pytest.mark.parametrize("prefix", ["", "acme_"])
@pytest.mark.parametrize("name", [*sorted(RESERVED), "system_buyer_id", "System_x", "SYSTEM_publisher_id"])
def test_clock_ids_and_ours_are_dropped_whatever_the_prefix(prefix: str, name: str) -> None:
    assert kept_tags({name: "x", "age": "5"}, prefix) == {prefix + "age": "5"}


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("sys", "tem_buyer_id"),
        ("system_", "buyer_id_"),
        ("System", "_buyer_group_id"),
        ("ho", "ur"),
        ("publisher", "_id"),
        ("day_of_", "week"),
    ],
)
def test_a_prefix_forges_none_of_them(prefix: str, name: str) -> None:
    assert kept_tags({name: "x"}, prefix) == {}


@given(
    st.dictionaries(_names | st.sampled_from(sorted(RESERVED)), st.just("x"), max_size=6),
    _names | st.just(""),
)
def test_no_partner_ever_says_what_is_ours(sent: dict[str, str], prefix: str) -> None:
    said = told(prefix=prefix, **sent)
    assert {name: said[name] for name in told()} | {"geo": ()} == told() | {"geo": ()}
    assert {name for name in said if name.lower().startswith("system_")} == {
        "system_campaign_id",
        "system_publisher_id",
        "system_affiliate_id",
    }


def test_the_partners_place_wins_over_the_numbers() -> None:
    said = told(caller_state="CA", caller_city="Fresno", caller_country="MX", prefix="p_")
    assert (said["caller_state"], said["caller_city"], said["caller_country"]) == ("CA", "Fresno", "MX")
    assert told(geo="US-CA, 310 ,,")["geo"] == ("us-ca", "310")


def test_what_only_the_number_says_is_not_the_partners_to_say() -> None:
    said = told(caller_area_code="310", caller_time_zone="Asia/Tokyo")
    assert (said["caller_area_code"], said["caller_time_zone"]) == ("212", "America/New_York")
    assert told("", caller_area_code="310")["caller_area_code"] == "310"


def test_a_zip_adds_a_place() -> None:
    assert told(caller_zip="90210")["geo"] == ("us", "us-ny", "us-90210", "212")
    assert told(caller_zip="90210", caller_country="CA")["geo"] == ("ca", "ca-ny", "ca-90210", "212")
    assert told("", caller_zip="90210")["geo"] == ("us", "us-90210")
    assert told(caller_state="CA")["geo"] == ("us", "us-ca", "212")
    assert told(caller_zip="90210", geo="310")["geo"] == ("310",)


def test_stored_tags_know_no_tuples() -> None:
    own = own_tags(a_plan(), None)
    assert profile(a_company(), CALLER, kept={"geo": "US-CA,310"}, own=own, now_ms=MONDAY_MS)["geo"] == (
        "us-ca",
        "310",
    )


def test_without_a_publisher_none_is_named() -> None:
    assert own_tags(a_plan(), None) == {"campaign_id": "camp", "system_campaign_id": "100"}


def test_the_clock_is_the_companys() -> None:
    west = a_company(time_zone="America/Los_Angeles")
    said = profile(west, CALLER, kept={}, own={}, now_ms=MONDAY_MS)
    assert (said["hour"], said["time"]) == ("6", "06:30")


def test_what_is_shared_is_not_changed() -> None:
    before = told()
    told(caller_zip="90210", caller_state="CA")
    assert told() == before
