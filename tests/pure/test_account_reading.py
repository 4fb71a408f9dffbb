"""An account file: what it means, and every mistake in it told at once."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account.entities import Conversion, Row
from shared.domain.account.reading import read_account
from shared.domain.key_settings import RtbSettings
from shared.domain.keys import Level
from shared.domain.schedule import Block
from tests.support.account_trees import SMALL, a_tree, changed, judged, problems_of


def test_a_good_file_has_no_problem() -> None:
    account, problems = judged(SMALL)
    assert problems == []
    assert account.company.name == "Acme"
    assert account.buyers[0].bid is not None
    assert account.buyers[0].bid.revenue == Decimal(25)
    assert account.campaigns[0].routing.buyers == (Row(tid="alpha"),)
    assert account.postback_keys[0].settings == RtbSettings()
    assert account.postback_keys[0].publisher == "pub_a"


def test_ten_mistakes_are_told_at_once_with_their_paths() -> None:
    tree = a_tree()
    tree["company"]["time_zone"] = "America/New_Yrok"
    tree["publishers"][1]["afid"] = "pub_a"
    tree["buyers"][0]["bid"] = {"revenue": "twelve"}
    tree["buyers"][1]["caps"] = {"dialy": 5}
    tree["buyers"][1]["tags"] = ["caller_state in NY", "name =~ (a+)+$"]
    tree["buyers"][1]["business_hours"] = [{"day_of_week": 1, "time_open": "0900", "time_close": 1761}]
    tree["campaigns"][0]["routing"]["buyers"] += [{"tid": "beta"}, {"tid": "betta"}]
    tree["campaigns"][0]["webhooks"][0]["url"] = "ftp://example.test"
    tree["campaigns"][0]["caller_lists"][0]["name"] = "suppressed dnc"
    tree["postback_keys"] += [{"name": "up", "kind": "rtb", "on": {"campaign": "auto"}, "ttl_seconds": 5}]
    tree["colour"] = "red"
    assert list(problems_of(tree)) == [
        "buyers[0].bid.revenue",
        "buyers[1].business_hours[0]",
        "buyers[1].caps.dialy",
        "buyers[1].tags[1]",
        "campaigns[0].caller_lists[0].name",
        "campaigns[0].routing.buyers[2].tid",
        "campaigns[0].webhooks[0].url",
        "colour",
        "company.time_zone",
        "postback_keys[1].ttl_seconds",
        "publishers[1].afid",
    ]


@pytest.mark.parametrize(
    ("path", "value", "at", "text"),
    [
        ("company.name", "", "", "is needed"),
        ("company.name", ["a"], "", "is a text: put it in quotes"),
        ("company.currency", "Dollar", "", "is a code of three capital letters, such as USD"),
        ("company.features", {"rtb": True}, "company.features.rtb", "is no field here"),
        ("company.features", "all", "", "is a mapping of fields"),
        ("company.features", {"reuse_tags": "yes"}, "company.features.reuse_tags", "is true or false"),
        ("company.shard", 64, "", "is 0 to 63"),
        ("company.api_key", "short", "", "is no token"),
        ("publishers", {"afid": "x"}, "", "is a list"),
        ("publishers[0]", "pub_a", "", "is a mapping of fields"),
        ("publishers[0].afdi", "x", "", "is no field here: did you mean afid?"),
        ("buyers[0].number", "12", "", "is an E.164 number in quotes"),
        ("buyers[0].weight", 0, "", "is 1 to"),
        ("buyers[0].weight", "3", "", "is a whole number"),
        ("buyers[0].weight", True, "", "is a whole number"),
        ("buyers[0].priority", Decimal("1.5"), "", "is a whole number"),
        ("buyers[0].timeout_seconds", 601, "", "is 1 to 600"),
        ("buyers[0].paused", "no", "", "is true or false"),
        ("buyers[0].caps", {"hourly": -1}, "buyers[0].caps.hourly", "is 0 or more"),
        (
            "buyers[0].business_hours",
            [{"time_open": 900}],
            "buyers[0].business_hours[0].day_of_week",
            "is needed",
        ),
        (
            "buyers[0].business_hours",
            [{"day_of_week": 7}],
            "buyers[0].business_hours[0].day_of_week",
            "is 0 to 6",
        ),
        (
            "buyers[0].business_hours",
            [{"day_of_week": 1, "time_open": "9am"}],
            "buyers[0].business_hours[0].time_open",
            "is a time of day as HHMM",
        ),
        (
            "buyers[0].business_hours",
            [{"day_of_week": 1, "time_open": 1700, "time_close": 900}],
            "buyers[0].business_hours[0]",
            "time_close must not be before time_open",
        ),
        ("buyers[0].tags", ["age >= young"], "buyers[0].tags[0]", "age >= compares with a number"),
        ("buyers[0].tags", [5], "buyers[0].tags[0]", "is no rule"),
        ("buyers[0].tags", [{"a": 1}], "buyers[0].tags[0]", "is a text"),
        ("buyers[0].bid", {"revenue": -1}, "buyers[0].bid.revenue", "is negative"),
        ("buyers[0].bid", {"revenue": Decimal("1.23456")}, "buyers[0].bid.revenue", "more than 4 decimals"),
        ("buyers[0].bid", {"revenue": True}, "buyers[0].bid.revenue", "is no amount"),
        ("buyers[0].bid", {"revenue": []}, "buyers[0].bid.revenue", "is an amount"),
        ("buyers[0].bid", {"ping": 1}, "buyers[0].bid.ping", "is no field here"),
        ("buyers[0].bid", {}, "buyers[0].bid", "needs a revenue, or a url to ask"),
        (
            "buyers[0].bid",
            {"revenue": 1, "url": "https://b.test"},
            "buyers[0].bid",
            "has either a revenue or a url",
        ),
        ("buyers[0].bid", {"url": "b.test"}, "buyers[0].bid.url", "is no http or https URL"),
        ("buyers[0].caller_lists", [{"name": "a b"}], "buyers[0].caller_lists[0].name", "is 1 to 64 letters"),
        ("buyer_groups[0].behavior", "all", "", "is one of separately, simultaneously"),
        ("campaigns[0].routing.mode", "best", "", "is one of priority_weight, bid"),
        ("campaigns[0].default_payout", "12,50", "", "is no amount"),
        ("campaigns[0].fallback_number", "desk", "", "is no phone number"),
        ("campaigns[0].numbers[0].number", "sip:a@b", "", "is no phone number"),
        ("campaigns[0].numbers[0].tags", ["a"], "", "is a mapping of fields"),
        ("campaigns[0].conversion_criteria[0].kind", "sale", "", "is one of timer, postback"),
        ("campaigns[0].conversion_criteria[0].side", "none", "", "is one of payable, receivable, both"),
        (
            "campaigns[0].conversion_criteria[0].conversions",
            [{"payout_modifier": "half"}],
            "campaigns[0].conversion_criteria[0].conversions[0].payout_modifier",
            "is no payout modifier",
        ),
        ("campaigns[0].webhooks[0].trigger", "ring", "", "is one of start, selected"),
        ("campaigns[0].webhooks[0].method", "get", "", "is one of GET, POST"),
        ("campaigns[1]", {"sub_id": "x"}, "", "needs a cid or a name"),
        ("directories[0].entries[0].number", "[number]", "", "is no phone number"),
        ("postback_keys[0].kind", "ping", "", "is one of rtb, call_data_writing"),
        ("postback_keys[0].on", "auto", "", "names one entity"),
        ("postback_keys[0].on", {"campaign": "auto", "buyer": "alpha"}, "", "names one entity"),
        ("postback_keys[0].on", {}, "", "names one entity"),
        ("postback_keys[0].token", "short", "", "is no token"),
        ("postback_keys[0].timeout", 31, "", "is 0.1 to 30 s"),
        ("postback_keys[0].timeout", "soon", "", "is a number"),
        ("postback_keys[0].claim_percent_threshold", 101, "", "is 0 to 100 %"),
        ("postback_keys[0].ping_shield_scope", "publisher", "", "is one of key, campaign"),
        ("postback_keys[0].inbound_number", "123", "", "is no phone number"),
        ("postback_keys[0].start_seconds", 0, "", "is no field here"),
        ("postback_keys[0].secret", "x" * 24, "", "is no field here"),
        ("postback_keys[0].shadow", ["all"], "", "is of rate_limit, outbound, claim_rate"),
    ],
)
def test_each_mistake_is_told_where_it_stands(path: str, value: Any, at: str, text: str) -> None:
    found = problems_of(changed(path, value))
    assert text in found.get(at or path, ""), found


@pytest.mark.parametrize(
    "value",
    [
        "+1800555",
        "pbk_rtb_abcdefghijklmnopqrstuvwxyz0123456789",
        "https://user:password@host:99999/",
        "token with space",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "company.api_key",
        "buyers[0].number",
        "campaigns[0].numbers[0].number",
        "campaigns[0].webhooks[0].url",
        "campaigns[0].caller_lists[0].numbers[0]",
        "postback_keys[0].token",
        "postback_keys[0].inbound_number",
    ],
)
def test_what_could_be_a_secret_or_a_number_is_not_repeated(path: str, value: str) -> None:
    for text in problems_of(changed(path, value)).values():
        assert value not in text


def test_an_empty_file_needs_a_company() -> None:
    assert problems_of(None) == {"company.name": "is needed"}
    assert "" in problems_of(["a"])


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.decimals(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from([*SMALL, "name", "on", "kind", "tid", "bid", "numbers", "tags"]), inner
            )
        ),
        max_leaves=30,
    )
)
def test_any_tree_is_read_without_an_error(tree: object) -> None:
    account, problems = read_account(tree)
    assert account.company.name or problems


def test_numbers_are_put_into_one_form() -> None:
    tree = changed("campaigns[0].numbers[0].number", "(844) 555-0100")
    account, problems = judged(tree)
    assert (problems, account.campaigns[0].numbers[0].number) == ([], "+18445550100")


@pytest.mark.parametrize("number", ["sip:desk@gamma.example", "[number]", "+442079460000", 18005550111])
def test_a_buyer_is_reached_in_several_ways(number: object) -> None:
    assert problems_of(changed("buyers[0].number", number)) == {}


def test_ids_that_look_like_numbers_are_texts() -> None:
    account, problems = read_account({"company": {"name": 77}, "publishers": [{"afid": 1234}]})
    assert problems == []
    assert (account.company.name, account.publishers[0].afid) == ("77", "1234")


def test_hours_are_read_with_their_defaults() -> None:
    hours = [
        {"day_of_week": 1, "time_open": "0730"},
        {"day_of_week": 2, "time_close": 1700, "inverted": True},
    ]
    account, problems = judged(changed("buyers[0].business_hours", hours))
    assert problems == []
    assert account.buyers[0].business_hours == (
        Block(day_of_week=1, time_open=730),
        Block(day_of_week=2, time_close=1700, inverted=True),
    )


def test_rails_names_of_time_zones_are_taken() -> None:
    account, _ = judged(changed("buyers[0].time_zone", "Pacific Time (US & Canada)"))
    assert account.buyers[0].time_zone == "America/Los_Angeles"


def test_paused_is_unsaid_unless_the_file_says_it() -> None:
    account, _ = judged(changed("buyers[0].paused", value=False))
    assert (account.buyers[0].paused, account.buyers[1].paused) == (False, None)


def test_one_conversion_may_be_written_flat() -> None:
    flat = {"name": "long", "kind": "timer", "seconds": 90, "payout": Decimal("12.50")}
    account, problems = judged(changed("campaigns[0].conversion_criteria[0]", flat))
    assert problems == []
    assert account.campaigns[0].conversion_criteria[0].conversions == (
        Conversion(seconds=90, payout=Decimal("12.5")),
    )


def test_a_flat_conversion_does_not_stand_beside_a_list() -> None:
    both = {"name": "long", "kind": "timer", "seconds": 90, "conversions": [{"seconds": 5}]}
    found = problems_of(changed("campaigns[0].conversion_criteria[0]", both))
    assert list(found) == ["campaigns[0].conversion_criteria[0].conversions"]


def test_a_timer_needs_its_seconds() -> None:
    found = problems_of(
        changed("campaigns[0].conversion_criteria[0]", {"name": "x", "kind": "timer", "payout": 1})
    )
    assert found == {"campaigns[0].conversion_criteria[0].seconds": "is needed in an entry of a timer"}


def test_a_bid_may_ask_the_buyer() -> None:
    bid = {
        "url": "https://buyer.test/ping?n=[nanp_caller_number]",
        "method": "POST",
        "headers": {"Authorization": "Bearer x"},
        "timeout_ms": 400,
        "output_map": {"bid": "bidTerms[0].price"},
        "accept_when": "accepted == true",
        "hide_caller_number": True,
        "post": {"url": "https://buyer.test/post"},
    }
    account, problems = judged(changed("buyers[0].bid", bid))
    assert problems == []
    read = account.buyers[0].bid
    assert read is not None
    assert read.ask is not None
    assert read.post is not None
    assert (read.revenue, read.ask.timeout_ms, read.hide_caller_number) == (None, 400, True)


@pytest.mark.parametrize(
    ("on", "level", "entity"),
    [
        ("company", Level.COMPANY, "company"),
        ({"company": True}, Level.COMPANY, "company"),
        ({"company": "Acme"}, Level.COMPANY, "Acme"),
        ({"publisher": "pub_a"}, Level.PUBLISHER, "pub_a"),
    ],
)
def test_a_key_names_its_entity(on: object, level: Level, entity: str) -> None:
    account, problems = judged(a_tree(postback_keys=[{"name": "w", "kind": "call_data_writing", "on": on}]))
    assert problems == []
    assert (account.postback_keys[0].level, account.postback_keys[0].entity) == (level, entity)


def test_a_call_reservation_key_needs_its_own_token() -> None:
    key = {"name": "old", "kind": "call_reservation", "on": {"campaign": "auto"}}
    assert "only imported" in problems_of(a_tree(postback_keys=[key]))["postback_keys[0].kind"]
    assert problems_of(a_tree(postback_keys=[{**key, "token": "0191b2c3-d4e5-7f60-8123-456789abcdef"}])) == {}


def test_the_companys_lists_may_stand_at_the_top() -> None:
    lists = [{"name": "suppressed", "numbers": ["+12125550199"]}]
    top, inside = a_tree(caller_lists=lists), changed("company.caller_lists", lists)
    assert judged(top) == judged(inside)
    assert judged(top)[1] == []
    both = problems_of({**inside, "caller_lists": [{"name": "accepted"}]})
    assert list(both) == ["caller_lists"]


def test_a_list_seeds_few_numbers() -> None:
    numbers = [f"+1212555{last:04d}" for last in range(10_000)]
    assert problems_of(changed("campaigns[0].caller_lists[0].numbers", numbers)) == {}
    found = problems_of(changed("campaigns[0].caller_lists[0].numbers", [*numbers, "+12135550000"]))
    assert "upload bigger lists" in found["campaigns[0].caller_lists[0].numbers"]
