"""A plan: what changes between a stored account and its file, and how it is told."""

from typing import Any

import pytest
from msgspec.structs import replace

from shared.domain.account.entities import Account
from shared.domain.account.judging import check_prune, check_standing
from shared.domain.account.standing import NOTHING, Standing, key_name
from shared.domain.account.steps import Noun, Step, compare
from shared.domain.keys import Level
from tests.support.account_trees import SMALL, Tree, a_tree, changed, judged


def standing_of(tree: Tree, **more: Any) -> Standing:
    account: Account = judged(tree)[0]
    shown = replace(account, company=replace(account.company, shard=3))
    keys = {key_name(key): place for place, key in enumerate(account.postback_keys, start=1)}
    return Standing(account=shown, company_id=1, shard=3, key_ids=keys, **more)


def plan(before: Tree | None, after: Tree, *, prune: bool = False, **more: Any) -> list[str]:
    standing = NOTHING if before is None else standing_of(before, **more)
    return [step.line() for step in compare(standing, judged(after)[0], prune=prune)]


def test_a_new_company_is_made_in_the_order_of_its_parts() -> None:
    assert plan(None, SMALL) == [
        "+ company Acme",
        "+ publisher pub_a",
        "+ publisher pub_b",
        "+ buyer alpha",
        "+ buyer beta",
        "+ buyer group East",
        "+ campaign auto",
        "+ campaign home",
        "+ number +1******0100 in auto",
        "+ conversion criterion sale in auto",
        "+ webhook hook in auto",
        "+ directory Desk",
        "+ caller list suppressed_dnc in campaign auto: 1 numbers",
        "+ postback key ping in campaign auto",
    ]


def test_nothing_to_do_is_no_step() -> None:
    assert plan(SMALL, SMALL) == []
    assert plan(SMALL, SMALL, prune=True) == []


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (
            "company.time_zone",
            "America/Chicago",
            "~ company Acme: time_zone America/New_York -> America/Chicago",
        ),
        ("company.features", {"reuse_tags": False}, "~ company Acme: features.reuse_tags true -> false"),
        ("company.api_key", "0123456789abcdef", "~ company Acme: api_key changed"),
        ("publishers[0].first_name", "Ann", '~ publisher pub_a: first_name "" -> Ann'),
        ("buyers[0].priority", 2, "~ buyer alpha: priority 1 -> 2"),
        ("buyers[0].number", "+18005550199", "~ buyer alpha: number changed"),
        ("buyers[0].caps", {"daily": 5}, "~ buyer alpha: caps.daily none -> 5"),
        ("buyers[0].bid", {"revenue": 26}, "~ buyer alpha: bid.revenue 25 -> 26"),
        ("buyers[1].bid", {"revenue": 26}, "~ buyer beta: bid changed"),
        ("buyers[0].paused", True, "~ buyer alpha: paused none -> true"),
        ("buyer_groups[0].buyers", ["beta"], "~ buyer group East: buyers changed"),
        ("campaigns[0].routing.mode", "bid", "~ campaign auto: routing.mode priority_weight -> bid"),
        ("campaigns[0].default_payout", 5, "~ campaign auto: default_payout none -> 5"),
        (
            "campaigns[0].numbers[0].publisher",
            "pub_a",
            "~ number +1******0100 in auto: publisher none -> pub_a",
        ),
        ("campaigns[0].webhooks[0].url", "https://o.test", "~ webhook hook in auto: url changed"),
        (
            "campaigns[0].caller_lists[0].expires_after_seconds",
            60,
            "~ caller list suppressed_dnc in campaign auto: expires_after_seconds none -> 60",
        ),
        ("directories[0].entries[0].number", "+18005550134", "~ directory Desk: entries changed"),
        ("postback_keys[0].ttl_seconds", 20, "~ postback key ping in campaign auto: ttl_seconds 15 -> 20"),
        (
            "postback_keys[0].publisher",
            "pub_b",
            "~ postback key ping in campaign auto: publisher pub_a -> pub_b",
        ),
    ],
)
def test_one_change_is_one_line(path: str, value: Any, line: str) -> None:
    assert plan(SMALL, changed(path, value)) == [line]


def test_money_and_hours_that_mean_the_same_are_no_change() -> None:
    assert (
        plan(changed("buyers[0].bid", {"revenue": "25.0000"}), changed("buyers[0].bid", {"revenue": 25}))
        == []
    )


def test_paused_is_left_alone_when_the_file_is_silent() -> None:
    paused = changed("buyers[0].paused", value=True)
    assert plan(paused, SMALL) == []
    assert plan(paused, changed("buyers[0].paused", value=False)) == ["~ buyer alpha: paused true -> false"]


def test_numbers_of_a_list_seed_it_only_at_its_creation() -> None:
    assert plan(SMALL, changed("campaigns[0].caller_lists[0].numbers", ["+12125550177"])) == []


def test_a_number_may_move_to_another_campaign() -> None:
    moved = a_tree()
    moved["campaigns"][1]["numbers"] = moved["campaigns"][0].pop("numbers")
    assert plan(SMALL, moved, prune=True) == ["~ number +1******0100 in home: moved from auto"]


def test_without_prune_nothing_is_deleted() -> None:
    assert plan(SMALL, {"company": {"name": "Acme"}}) == []


def test_prune_deletes_what_hangs_on_others_first() -> None:
    assert plan(SMALL, {"company": {"name": "Acme"}}, prune=True) == [
        "- postback key ping in campaign auto",
        "- caller list suppressed_dnc in campaign auto",
        "- directory Desk",
        "- webhook hook in auto",
        "- conversion criterion sale in auto",
        "- number +1******0100 in auto",
        "- campaign auto",
        "- campaign home",
        "- buyer group East",
        "- buyer alpha",
        "- buyer beta",
        "- publisher pub_a",
        "- publisher pub_b",
    ]


def test_prune_leaves_a_list_that_holds_numbers() -> None:
    full = frozenset({(Level.CAMPAIGN, "auto", "suppressed_dnc")})
    kept = a_tree()
    del kept["campaigns"][0]["caller_lists"]
    assert plan(SMALL, kept, prune=True, full_lists=full) == []
    assert plan(SMALL, kept, prune=True) == ["- caller list suppressed_dnc in campaign auto"]


def test_prune_refuses_to_delete_what_a_full_list_stands_on() -> None:
    full = frozenset({(Level.CAMPAIGN, "auto", "suppressed_dnc")})
    standing = standing_of(SMALL, full_lists=full)
    steps = compare(standing, judged({"company": {"name": "Acme"}})[0], prune=True)
    (problem,) = check_prune(steps, standing)
    assert problem.path == "campaign auto"
    assert "suppressed_dnc holds numbers" in problem.text


def test_no_line_holds_a_number_or_a_token() -> None:
    tree = changed(
        "postback_keys[0].token", "0123456789abcdef", changed("company.api_key", "fedcba9876543210")
    )
    moved = changed("buyers[0].number", "+18005550100", changed("buyers[1].number", "sip:b@c", tree))
    for lines in (plan(None, tree), plan(tree, moved), plan(SMALL, moved), plan(tree, a_tree(), prune=True)):
        text = "\n".join(lines)
        assert "5550" not in text
        assert "0123456789abcdef" not in text
        assert "fedcba9876543210" not in text


@pytest.mark.parametrize(
    ("path", "value", "refused"),
    [
        ("company.shard", 4, ["company.shard"]),
        ("company.shard", 3, []),
        ("company.features", {"real_time_bidding": False}, []),
    ],
)
def test_what_a_stored_account_forbids(path: str, value: Any, refused: list[str]) -> None:
    found = check_standing(judged(changed(path, value))[0], standing_of(SMALL))
    assert [each.path for each in found] == refused


@pytest.mark.parametrize(
    ("kind", "on", "feature"),
    [
        ("rtb", {"campaign": "auto"}, "real_time_bidding"),
        ("call_transfer", {"buyer_group": "East"}, "live_call_control"),
    ],
)
def test_a_new_key_needs_its_feature_and_a_stored_one_stays(kind: str, on: Tree, feature: str) -> None:
    keys = [{"name": "k", "kind": kind, "on": on}]
    off = a_tree(postback_keys=keys, company={"name": "Acme", "features": {feature: False}})
    (problem,) = check_standing(judged(off)[0], NOTHING)
    assert problem.path == "postback_keys[0].on"
    assert feature in problem.text
    assert list(check_standing(judged(off)[0], standing_of(a_tree(postback_keys=keys)))) == []


@pytest.mark.parametrize(
    ("kind", "on"),
    [("rtb", {"buyer": "alpha"}), ("conversion", {"campaign": "auto"}), ("call_rejection", "company")],
)
def test_a_new_key_stands_at_a_level_of_its_kind(kind: str, on: object) -> None:
    keys = [{"name": "k", "kind": kind, "on": on}]
    (problem,) = check_standing(judged(a_tree(postback_keys=keys))[0], NOTHING)
    assert problem.path == "postback_keys[0].on"


def test_reused_tags_need_their_feature() -> None:
    keys = [{"name": "w", "kind": "call_data_writing", "on": "company", "reuse_tags_on_repeat_calls": True}]
    off = a_tree(postback_keys=keys, company={"name": "Acme", "features": {"reuse_tags": False}})
    (problem,) = check_standing(judged(off)[0], NOTHING)
    assert problem.path == "postback_keys[0].reuse_tags_on_repeat_calls"


def test_steps_carry_what_was_and_what_shall_be() -> None:
    (step,) = compare(standing_of(SMALL), judged(changed("buyers[0].priority", 9))[0], prune=False)
    assert isinstance(step, Step)
    assert (step.noun, step.action, step.old.priority, step.new.priority) == (Noun.BUYER, "update", 1, 9)
