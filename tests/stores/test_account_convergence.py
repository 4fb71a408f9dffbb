"""Whatever stood there before, an apply with prune leaves exactly what its file says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from shared.domain.account.entities import Account
from shared.domain.account.writing import write_account
from shared.stores.account.export import write_text
from shared.stores.account.file import read_text
from shared.stores.plans import load_company, load_plan
from tests.support.account_dice import accounts
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import Tree, judged

_EMPTY = {"company": {"name": "Acme"}}
_relaxed = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis) as each:
        yield each


def said(account: Account | None) -> dict[str, Any]:
    """An account with its parts by name, as order is nothing that a store keeps, and without what files leave unsaid."""
    assert account is not None
    account = replace(account, company=replace(account.company, shard=None))
    told: dict[str, Any] = sorted_by_name(write_account(account))
    return told


def sorted_by_name(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {
            name: sorted_by_name(value)
            if name in {"routing", "bid"} or not isinstance(value, list)
            else in_order(name, value)
            for name, value in tree.items()
        }
    return tree


def in_order(name: str, values: list[Any]) -> list[Any]:
    if name in {"tags", "business_hours", "conversions"} or not all(
        isinstance(each, dict) for each in values
    ):
        return values
    return sorted((sorted_by_name(each) for each in values), key=repr)


async def start_anew(store: AccountStore) -> None:
    await store.apply(_EMPTY, prune=True)


def without_paused(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: without_paused(value) for name, value in tree.items() if name != "paused"}
    return [without_paused(each) for each in tree] if isinstance(tree, list) else tree


@given(tree=accounts())
@settings(max_examples=60, deadline=None)
def test_any_account_is_right_and_survives_being_written(tree: Tree) -> None:
    account, problems = judged(tree)
    assert problems == []
    again, problems = judged(read_text(write_text(write_account(account))))
    assert problems == []
    assert said(again) == said(account)


@_relaxed
@given(before=accounts(), after=accounts())
async def test_apply_with_prune_ends_where_its_file_says(
    store: AccountStore, before: Tree, after: Tree
) -> None:
    await start_anew(store)
    await store.apply(before, prune=True)
    await store.apply(after, prune=True)
    assert await store.plan(after, prune=True) == []
    wanted = without_paused(said(judged(after)[0]))
    assert without_paused(said((await store.standing()).account)) == wanted


@_relaxed
@given(before=accounts(), after=accounts())
async def test_apply_without_prune_only_adds_and_changes(
    store: AccountStore, before: Tree, after: Tree
) -> None:
    await start_anew(store)
    await store.apply(before, prune=True)
    known = await store.standing()
    applied = await store.apply(after)
    assert {step.action for step in applied.steps} <= {"create", "update"}
    assert await store.plan(after) == []
    now = await store.standing()
    for level, ids in known.ids.items():
        assert ids.items() <= now.ids[level].items(), "no id changes, nothing goes"
    assert known.key_ids.items() <= now.key_ids.items()


@_relaxed
@given(tree=accounts())
async def test_any_account_can_be_loaded_as_plans(store: AccountStore, tree: Tree) -> None:
    await start_anew(store)
    applied = await store.apply(tree)
    company_id = applied.company_id or (await store.standing()).company_id
    company = await load_company(store.postgres, company_id)
    assert company is not None
    assert set(company.campaigns_by_cid) == {each["cid"] for each in tree["campaigns"]}
    for campaign in tree["campaigns"]:
        plan = await load_plan(store.postgres, company, campaign_id=company.campaigns_by_cid[campaign["cid"]])
        assert plan is not None
        assert len(plan.routes) == len(campaign["routing"]["buyers"]) + len(campaign["routing"]["groups"])
        assert len(plan.numbers) == len(campaign.get("numbers", []))
        assert len(plan.criteria) == len(campaign["conversion_criteria"])
