"""What entities say of one another: ids that name nothing, names given twice, rules on our own ids."""

from typing import Any

import pytest

from shared.domain.account.settling import rewritten, settle
from shared.domain.account.standing import Standing
from shared.domain.account.system_ids import named_ids, renamed
from shared.domain.keys import Level
from shared.domain.tags import read_rule
from tests.support.account_trees import SMALL, Tree, a_tree, changed, judged, problems_of

STORED = Standing(
    account=judged(SMALL)[0],
    company_id=1,
    ids={
        Level.BUYER: {"alpha": 17, "beta": 18, "19": 20},
        Level.CAMPAIGN: {"auto": 5, "home": 6},
        Level.PUBLISHER: {"pub_a": 3},
        Level.BUYER_GROUP: {"East": 9},
    },
)


@pytest.mark.parametrize(
    ("path", "value", "at", "text"),
    [
        ("buyer_groups[0].buyers[1]", "gamma", "", "names no buyer: gamma"),
        ("campaigns[0].routing.buyers[0].tid", "gamma", "", "names no buyer: gamma"),
        ("campaigns[0].routing.groups[0]", "West", "", "names no buyer group: West"),
        ("campaigns[0].numbers[0].publisher", "pub_c", "", "names no publisher: pub_c"),
        (
            "postback_keys[0].on",
            {"campaign": "boat"},
            "postback_keys[0].on.campaign",
            "names no campaign: boat",
        ),
        ("postback_keys[0].publisher", "pub_c", "", "names no publisher: pub_c"),
        ("postback_keys[0].inbound_number", "+18445550999", "", "is no number of the campaign"),
        ("buyers[0].tags", ["system_buyer_id == gamma"], "buyers[0].tags[0]", "names no buyer: gamma"),
        (
            "campaigns[0].tags",
            ["system_publisher_id in pub_a,pub_x"],
            "campaigns[0].tags[0]",
            "names no publisher: pub_x",
        ),
        ("buyers[0].tags", ["system_campaign_id > 5"], "buyers[0].tags[0]", "compares an id"),
        (
            "campaigns[0].webhooks[0].tags",
            ["system_target_id == x"],
            "campaigns[0].webhooks[0].tags[0]",
            "names no buyer",
        ),
        ("company.name", "Other", "", ""),
    ],
)
def test_an_id_that_names_nothing_is_told(path: str, value: Any, at: str, text: str) -> None:
    found = problems_of(changed(path, value))
    assert (text in found.get(at or path, "")) if text else found == {}, found


@pytest.mark.parametrize(
    ("part", "value", "at"),
    [
        ("buyers", [{"tid": "a", "number": "[n]"}, {"tid": "a", "number": "[n]"}], "buyers[1].tid"),
        ("buyer_groups", [{"name": "G"}, {"name": "G"}], "buyer_groups[1].name"),
        ("buyer_groups", [{"name": "G", "buyers": ["alpha", "alpha"]}], "buyer_groups[0].buyers[1]"),
        ("campaigns", [{"cid": "c"}, {"cid": "c"}], "campaigns[1].cid"),
        ("campaigns", [{"name": "c"}, {"name": "c"}], "campaigns[1].name"),
        ("directories", [{"name": "d"}, {"name": "d"}], "directories[1].name"),
        (
            "campaigns",
            [{"cid": "c", "routing": {"buyers": [{"tid": "alpha"}, {"tid": "alpha"}]}}],
            "campaigns[0].routing.buyers[1].tid",
        ),
        (
            "campaigns",
            [
                {"cid": "c", "numbers": [{"number": "+18445550100"}]},
                {"cid": "d", "numbers": [{"number": "8445550100"}]},
            ],
            "campaigns[1].numbers[0].number",
        ),
        (
            "campaigns",
            [{"cid": "c", "caller_lists": [{"name": "suppressed"}, {"name": "suppressed"}]}],
            "campaigns[0].caller_lists[1].name",
        ),
    ],
)
def test_a_name_given_twice_is_told(part: str, value: list[Tree], at: str) -> None:
    tree = {"company": {"name": "Acme"}, "buyers": SMALL["buyers"], part: value}
    assert list(problems_of(tree)) == [at]


def test_two_keys_of_a_kind_on_one_entity_need_two_names() -> None:
    key = {"name": "ping", "kind": "rtb", "on": {"campaign": "auto"}}
    other = {**key, "on": {"campaign": "home"}}
    another = {"name": "ping", "kind": "caller_list_management", "on": {"campaign": "auto"}}
    assert list(problems_of(a_tree(postback_keys=[key, key]))) == ["postback_keys[1].name"]
    assert problems_of(a_tree(postback_keys=[key, other, another])) == {}


def test_two_keys_cannot_share_a_token() -> None:
    key = {"name": "a", "kind": "rtb", "on": {"campaign": "auto"}, "token": "0123456789abcdef"}
    found = problems_of(a_tree(postback_keys=[key, {**key, "name": "b"}]))
    assert found == {"postback_keys[1].token": "is that of another key in the file"}


def test_a_key_is_bound_in_one_way() -> None:
    on_publisher = {"name": "a", "kind": "rtb", "on": {"publisher": "pub_a"}, "publisher": "pub_b"}
    on_campaign = {"name": "b", "kind": "rtb", "on": {"campaign": "auto"}, "campaign": "home"}
    found = problems_of(a_tree(postback_keys=[on_publisher, on_campaign]))
    assert list(found) == ["postback_keys[0].publisher", "postback_keys[1].campaign"]


def test_rules_may_name_an_entity_by_its_internal_id() -> None:
    tree = changed("buyers[1].tags", ["system_buyer_id in 17,beta", "system_campaign_id != 5"])
    assert len(problems_of(tree)) == 2, "without a stored account they name nothing"
    assert problems_of(tree, STORED) == {}
    settled = settle(judged(tree)[0], STORED, draw_cid=lambda: "0" * 8)
    assert settled.buyers[1].tags == ("system_buyer_id in alpha,beta", "system_campaign_id != auto")


def test_a_customer_set_id_goes_before_an_internal_one() -> None:
    tree = changed("buyers[1].tid", "17", changed("buyer_groups[0].buyers", []))
    tree["buyers"][0]["tags"] = ["system_target_id == 17"]
    standing = Standing(account=STORED.account, ids={Level.BUYER: {"alpha": 17, "17": 18}})
    assert problems_of(tree, standing) == {}
    assert settle(judged(tree)[0], standing, draw_cid=str).buyers[0].tags == ("system_target_id == 17",)


def test_a_new_entitys_customer_set_id_goes_before_a_stored_internal_one() -> None:
    tree = changed("buyers[2]", {"tid": "17", "number": "+18005550133"})
    tree["buyers"][0]["tags"] = ["system_target_id == 17"]
    assert problems_of(tree, STORED) == {}
    assert settle(judged(tree)[0], STORED, draw_cid=str).buyers[0].tags == ("system_target_id == 17",)


def test_an_internal_id_goes_before_the_customer_set_one_of_what_the_file_leaves_out() -> None:
    tree = changed("buyers[1].tags", ["system_buyer_id == 18"])
    standing = Standing(account=STORED.account, ids={Level.BUYER: {"alpha": 17, "beta": 18, "18": 20}})
    assert problems_of(tree, standing) == {}
    assert settle(judged(tree)[0], standing, draw_cid=str).buyers[1].tags == ("system_buyer_id == beta",)


def test_stored_rules_are_shown_with_customer_set_ids() -> None:
    stored = judged(changed("buyers[0].tags", ["system_buyer_id == beta", "age >= 5"]))[0]
    inside = rewritten(stored, lambda level, name: str(STORED.id_of(level, name)))
    assert inside.buyers[0].tags == ("system_buyer_id == 18", "age >= 5")
    outside = rewritten(inside, lambda level, each: STORED.name_of(level, each) or each)
    assert outside == stored


@pytest.mark.parametrize("rule", ["system_buyer_id exists", "state == NY", "buyer_id == 5"])
def test_other_rules_name_nothing(rule: str) -> None:
    assert named_ids(read_rule(rule)) is None
    assert renamed(rule, lambda _, name: name + "!") == rule


def test_a_campaign_without_a_cid_is_found_by_its_name() -> None:
    account = judged(a_tree(campaigns=[{"name": "Auto"}, {"name": "Boat"}]))[0]
    settled = settle(account, STORED, draw_cid=lambda: "0badcafe")
    assert [each.cid for each in settled.campaigns] == ["auto", "0badcafe"]


def test_a_cid_in_the_file_is_not_taken_by_another_campaigns_name() -> None:
    account = judged(a_tree(campaigns=[{"cid": "auto", "name": "New"}, {"name": "Auto"}]))[0]
    settled = settle(account, STORED, draw_cid=lambda: "0badcafe")
    assert [each.cid for each in settled.campaigns] == ["auto", "0badcafe"]


def test_company_keys_are_called_alike() -> None:
    keys = [{"name": "w", "kind": "call_data_writing", "on": {"company": "Acme"}}]
    settled = settle(judged(a_tree(postback_keys=keys))[0], STORED, draw_cid=str)
    assert settled.postback_keys[0].entity == "company"
