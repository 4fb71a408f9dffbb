"""Applying an account: what is stored, that a second time changes nothing, and that a refusal leaves nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from deploy.local.paths import DEMO_ACCOUNT
from shared.domain.tags import Rule
from shared.errors import OperatorError
from shared.stores.account.applying import AccountError
from shared.stores.account.file import read_file
from shared.stores.plans import load_company, load_plan
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL, Tree, a_tree, changed, judged

_TABLES = (
    *(
        "companies",
        "publishers",
        "buyers",
        "buyer_groups",
        "buyer_group_members",
        "campaigns",
        "campaign_routes",
    ),
    *("numbers", "conversion_criteria", "webhooks", "directories", "directory_entries", "postback_keys"),
    *(
        "caller_lists",
        "caller_list_generations",
        "caller_list_numbers",
        "config_changes",
        "hot_sync",
        "audit_log",
    ),
)

FULL: Tree = {
    "company": {
        "name": "Acme",
        "time_zone": "America/Chicago",
        "currency": "CAD",
        "features": {"reuse_tags": False},
        "caller_lists": [{"name": "suppressed", "numbers": ["+12125550177"]}],
    },
    "publishers": [
        {"afid": "p1", "first_name": "Ann", "last_name": "Bee", "company_name": "A&B", "paused": True}
    ],
    "buyers": [
        {
            "tid": "one",
            "name": "Buyer One",
            "dba": "One",
            "number": "+18005550111",
            "priority": -3,
            "weight": 7,
            "timeout_seconds": 20,
            "send_digits": "1w2",
            "paused": True,
            "time_zone": "America/Denver",
            "business_hours": [{"day_of_week": 1, "time_open": "0730", "time_close": 1700, "inverted": True}],
            "caps": {"concurrency": 1, "hard": 2, "hourly": 3, "daily": 4, "monthly": 5},
            "tags": ["caller_state in NY,NJ", "system_campaign_id == auto", "age >= 18"],
            "tag_prefix": "one__",
            "caller_lists": [{"name": "accepted_vip", "expires_after_seconds": 60}],
            "bid": {"revenue": Decimal("25.00")},
        },
        {
            "tid": "two",
            "number": "[number]",
            "bid": {
                "url": "https://two.test/ping",
                "method": "POST",
                "headers": {"Authorization": "Bearer credential"},
                "body": "{}",
                "timeout_ms": 500,
                "output_map": {"bid": "price"},
                "accept_when": "system_buyer_id == one",
                "hide_caller_number": True,
                "post": {"url": "https://two.test/post"},
            },
        },
    ],
    "buyer_groups": [
        {
            "name": "Pair",
            "buyers": ["two", "one"],
            "behavior": "simultaneously",
            "caps": {"daily": 9},
            "priority": 2,
        }
    ],
    "campaigns": [
        {
            "cid": "auto",
            "name": "Auto",
            "routing": {
                "mode": "bid",
                "buyers": [{"tid": "two", "priority": 5, "weight": 2}],
                "groups": ["Pair"],
            },
            "tags": ["system_publisher_id != p1"],
            "dedupe_seconds": 60,
            "allow_loss": True,
            "no_target_message": "Sorry",
            "fallback_number": "sip:desk@acme.test",
            "sub_id": "s",
            "default_payout": Decimal("12.5"),
            "default_revenue": "20",
            "seconds": 90,
            "numbers": [
                {"number": "+18445550100", "publisher": "p1", "rtb_pool": True, "tags": {"source": "lp"}}
            ],
            "conversion_criteria": [
                {
                    "name": "sale",
                    "side": "payable",
                    "kind": "postback",
                    "tags": ["system_buyer_id in one,two"],
                    "eval_order": 3,
                    "dedupe_seconds": 5,
                    "conversions": [{"payout_modifier": "*0.8", "postback_timeout_seconds": 60}],
                },
                {"name": "long", "kind": "timer", "seconds": 90, "revenue": "7.25"},
            ],
            "webhooks": [
                {
                    "name": "hook",
                    "trigger": "converted",
                    "url": "https://hook.test/?c=[click_id]",
                    "method": "PUT",
                    "headers": {"X-Key": "credential"},
                    "body": "x",
                    "tags": ["age exists"],
                    "fire_order": 2,
                    "dedupe_seconds": 1,
                }
            ],
        }
    ],
    "directories": [{"name": "Desk", "entries": [{"name": "one", "number": "+18005550133"}]}],
    "postback_keys": [
        {
            "name": "bound",
            "kind": "rtb",
            "on": {"campaign": "auto"},
            "publisher": "p1",
            "inbound_number": "8445550100",
        },
        {
            "name": "pub",
            "kind": "rtb",
            "on": {"publisher": "p1"},
            "campaign": "auto",
            "timeout": Decimal("0.5"),
        },
        {
            "name": "hand",
            "kind": "call_transfer",
            "on": {"buyer_group": "Pair"},
            "directory": "Desk",
            "paused": True,
        },
        {
            "name": "lists",
            "kind": "caller_list_management",
            "on": "company",
            "permissions": ["caller_list__show"],
        },
        {
            "name": "moved",
            "kind": "conversion",
            "on": {"buyer": "one"},
            "token": "0191b2c3-d4e5-7f60-8123-456789abcdef",
        },
    ],
}


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis) as each:
        yield each


async def count_rows(store: AccountStore) -> dict[str, int]:
    return {table: (await store.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in _TABLES}


@pytest.mark.parametrize("tree", [SMALL, FULL], ids=["small", "full"])
async def test_a_second_apply_changes_nothing(store: AccountStore, tree: Tree) -> None:
    first = await store.apply(tree)
    assert first.steps
    before, version = await count_rows(store), await store.version(first.company_id)
    for prune in (False, True):
        again = await store.apply(tree, prune=prune)
        assert [step.line() for step in again.steps] == []
        assert again.created == ()
    assert await count_rows(store) == before
    assert await store.version(first.company_id) == version


async def test_the_demo_account_is_applied_once(store: AccountStore) -> None:
    tree: Any = read_file(DEMO_ACCOUNT)
    assert len((await store.apply(tree)).created) == 9
    assert (await store.apply(tree, prune=True)).steps == ()


async def test_every_field_comes_back(store: AccountStore) -> None:
    await store.apply(FULL)
    stored, wanted = (await store.standing()).account, judged(FULL)[0]
    assert stored is not None
    assert stored.buyers[0] == type(stored.buyers[0])(
        **{
            **{name: getattr(wanted.buyers[0], name) for name in wanted.buyers[0].__struct_fields__},
            "caller_lists": stored.buyers[0].caller_lists,
        }
    )
    assert stored.buyers[1].bid == wanted.buyers[1].bid
    assert stored.campaigns[0].routing == wanted.campaigns[0].routing
    assert stored.campaigns[0].conversion_criteria == wanted.campaigns[0].conversion_criteria
    assert stored.campaigns[0].webhooks == wanted.campaigns[0].webhooks
    assert stored.campaigns[0].numbers == wanted.campaigns[0].numbers
    assert stored.campaigns[0].default_payout == Decimal("12.5")
    assert stored.directories == wanted.directories
    assert [key.settings for key in stored.postback_keys] == [key.settings for key in wanted.postback_keys]
    assert [key.publisher for key in stored.postback_keys] == ["p1", "", "", "", ""]
    assert [key.directory for key in stored.postback_keys] == ["", "", "Desk", "", ""]


async def test_plans_are_loaded_from_what_was_applied(store: AccountStore) -> None:
    applied = await store.apply(FULL)
    company = await load_company(store.postgres, applied.company_id)
    assert company is not None
    plan = await load_plan(store.postgres, company, campaign_id=company.campaigns_by_cid["auto"])
    assert plan is not None
    one = next(buyer for buyer in plan.buyers.values() if buyer.tid == "one")
    assert one.bid_revenue == Decimal(25)
    assert one.rules[1] == Rule(key="system_campaign_id", value=str(plan.campaign_id))
    assert (one.time_zone, one.caps.monthly, one.lists.admit != ()) == ("America/Denver", 5, True)
    assert plan.by_bid
    assert [route.group_id != 0 for route in plan.routes] == [False, True]
    assert plan.criteria[0].entries[0].revenue == Decimal("7.25")
    assert plan.company.shard == applied.company_id % 64


async def test_rules_on_our_ids_are_stored_with_internal_ids(store: AccountStore) -> None:
    await store.apply(FULL)
    ids = (await store.standing()).ids
    (row,) = await store.rows("SELECT tags::text FROM conversion_criteria WHERE name = 'sale'")
    one, two = (ids[level][tid] for level, tid in (("buyer", "one"), ("buyer", "two")))  # type: ignore[index]
    assert json.loads(row[0]) == [f"system_buyer_id in {one},{two}"]
    (row,) = await store.rows("SELECT bid::text FROM buyers WHERE tid = 'two'")
    assert json.loads(row[0])["accept_when"] == f"system_buyer_id == {one}"


async def test_money_is_stored_as_decimal_text(store: AccountStore) -> None:
    await store.apply(FULL)
    assert await store.rows("SELECT bid::text FROM buyers WHERE tid = 'one'") == [('{"revenue": "25.00"}',)]
    assert await store.rows("SELECT conversions::text FROM conversion_criteria WHERE name = 'long'") == [
        ('[{"revenue": "7.25", "seconds": 90}]',)
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("company.time_zone", "America/Denver"),
        ("publishers[0].first_name", "Zoe"),
        ("buyers[0].caps", {"daily": 5}),
        ("buyers[0].tags", ["caller_state == NY"]),
        ("buyer_groups[0].buyers", ["beta", "alpha"]),
        ("campaigns[0].routing.buyers", [{"tid": "beta", "weight": 2}, {"tid": "alpha"}]),
        ("campaigns[0].seconds", 30),
        ("campaigns[0].numbers[0].tags", {"a": "b"}),
        ("campaigns[0].conversion_criteria[0].side", "payable"),
        ("campaigns[0].webhooks[0].method", "PUT"),
        ("campaigns[0].caller_lists[0].expires_after_seconds", 5),
        ("directories[0].entries[1]", {"name": "two", "number": "sip:two@desk"}),
        ("postback_keys[0].ttl_seconds", 30),
    ],
)
async def test_one_change_is_stored_and_then_done(store: AccountStore, path: str, value: Any) -> None:
    company_id = (await store.apply(SMALL)).company_id
    version = await store.version(company_id)
    tree = changed(path, value)
    assert len((await store.apply(tree)).steps) == 1
    assert (await store.apply(tree)).steps == ()
    assert len((await store.apply(SMALL)).steps) == 1
    assert await store.version(company_id) >= version


async def test_paused_by_hand_stays_paused(store: AccountStore) -> None:
    await store.apply(SMALL)
    await store.postgres.execute("UPDATE buyers SET paused = true WHERE tid = 'alpha'")
    assert (await store.apply(changed("buyers[0].priority", 4))).steps != ()
    assert await store.rows("SELECT paused, priority FROM buyers WHERE tid = 'alpha'") == [(True, 4)]
    await store.apply(changed("buyers[0].paused", value=False))
    assert await store.rows("SELECT paused FROM buyers WHERE tid = 'alpha'") == [(False,)]


async def test_an_entry_of_a_directory_keeps_its_id(store: AccountStore) -> None:
    await store.apply(SMALL)
    before = await store.rows("SELECT id, name FROM directory_entries")
    await store.apply(changed("directories[0].entries[1]", {"name": "two", "number": "+18005550134"}))
    assert before[0] in await store.rows("SELECT id, name FROM directory_entries")


async def test_a_number_moves_with_its_campaign_being_pruned(store: AccountStore) -> None:
    await store.apply(SMALL)
    moved = a_tree(postback_keys=[])
    numbers = moved["campaigns"].pop(0)["numbers"]
    moved["campaigns"][0]["numbers"] = numbers
    await store.postgres.execute("DELETE FROM caller_list_numbers")
    await store.apply(moved, prune=True)
    assert await store.rows("SELECT c.cid FROM numbers n JOIN campaigns c ON c.id = n.campaign_id") == [
        ("home",)
    ]


async def test_a_campaign_without_a_cid_is_made_once(store: AccountStore) -> None:
    tree = a_tree(campaigns=[{"name": "Auto"}], postback_keys=[])
    await store.apply(tree)
    await store.apply(changed("campaigns[0].seconds", 5, tree))
    ((cid, seconds),) = await store.rows("SELECT cid, seconds FROM campaigns")
    assert len(cid) == 8
    assert int(cid, 16) >= 0
    assert seconds == 5


async def test_a_refusal_leaves_nothing(store: AccountStore) -> None:
    empty = await count_rows(store)
    found = await store.problems(changed("campaigns[0].numbers[0].publisher", "nobody"))
    assert list(found) == ["campaigns[0].numbers[0].publisher"]
    assert await count_rows(store) == empty
    assert sum(empty.values()) == 0


async def test_a_refusal_names_the_file_and_all_problems(store: AccountStore) -> None:
    tree = changed("buyers[0].weight", 0, changed("postback_keys[0].on", {"buyer": "alpha"}))
    with pytest.raises(AccountError) as caught:
        await store.apply(tree)
    assert caught.value.text.splitlines() == [
        "account: buyers[0].weight: is 1 to 1000000",
        "account: postback_keys[0].on: rtb keys stand on a campaign or publisher, not on a buyer",
    ]


async def test_a_plan_says_the_same_and_does_nothing(store: AccountStore) -> None:
    lines = await store.plan(SMALL)
    assert sum((await count_rows(store)).values()) == 0
    assert lines == [step.line() for step in (await store.apply(SMALL)).steps]
    assert await store.plan(SMALL) == []


async def test_a_number_belongs_to_one_company(store: AccountStore) -> None:
    await store.apply(SMALL)
    other = changed("company.name", "Other")
    assert await store.problems(other) == {"campaigns[0].numbers[0].number": "is a number of another company"}


async def test_accounts_of_two_companies_do_not_mix(store: AccountStore) -> None:
    first = await store.apply(SMALL)
    other = changed("campaigns[0].numbers", [], changed("company.name", "Other"))
    second = await store.apply(other)
    assert second.company_id != first.company_id
    await store.apply(
        {
            "company": {"name": "Other"},
            "campaigns": other["campaigns"],
            **{part: other[part] for part in ("publishers", "buyers", "buyer_groups")},
        },
        prune=True,
    )
    assert (await store.apply(SMALL)).steps == ()


async def test_two_applies_at_once_make_one_company(store: AccountStore) -> None:
    outcomes = await asyncio.gather(*(store.apply(SMALL) for _ in range(4)))
    assert sorted(bool(each.steps) for each in outcomes) == [False, False, False, True]
    assert (await store.rows("SELECT count(*) FROM companies"))[0] == (1,)


async def test_different_applies_at_once_end_in_one_of_them(store: AccountStore) -> None:
    await store.apply(SMALL)
    trees = [changed("buyers[0].priority", number) for number in range(2, 6)]
    await asyncio.gather(*(store.apply(tree) for tree in trees))
    ((priority,),) = await store.rows("SELECT priority FROM buyers WHERE tid = 'alpha'")
    assert priority in {2, 3, 4, 5}
    assert await store.version() == 1 + 1 + 4


async def test_two_companies_that_want_one_number_cannot_both_have_it(store: AccountStore) -> None:
    trees = [changed("company.name", name) for name in ("One", "Two")]
    outcomes = await asyncio.gather(*(store.apply(tree) for tree in trees), return_exceptions=True)
    failed = [each for each in outcomes if isinstance(each, OperatorError)]
    assert len(failed) == 1
    assert "5550" not in failed[0].text
    assert await store.rows("SELECT count(*) FROM numbers") == [(1,)]
    assert await store.rows("SELECT count(*) FROM companies") == [(1,)]


async def test_a_shard_may_be_chosen_and_then_stays(store: AccountStore) -> None:
    tree = changed("company.shard", 7)
    await store.apply(tree)
    assert (await store.standing()).shard == 7
    assert (await store.apply(SMALL)).steps == ()
    assert list(await store.problems(changed("company.shard", 8))) == ["company.shard"]
