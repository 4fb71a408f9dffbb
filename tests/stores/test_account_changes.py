"""What an apply tells others: what must be loaded anew, what is owed to Redis, what the audit log keeps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.keys import Level
from shared.domain.tokens import Hidden
from shared.stores import audit
from shared.stores.account.applying import Applied
from tests.support.account_store import VAULT, AccountStore, opened
from tests.support.account_trees import SMALL, Tree, a_tree, changed

_SECRETS = ("0123456789abcdef", "credential", "fedcba9876543210")


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis) as each:
        yield each


async def reloads(store: AccountStore, before: Tree, after: Tree, *, prune: bool = False) -> set[str]:
    """What config_changes name after the second apply, with names for ids."""
    company_id = (await store.apply(before)).company_id
    version = await store.version(company_id)
    known = await store.standing()
    await store.apply(after, prune=prune)
    found = await store.changes(company_id, version)
    campaigns = {
        key: cid
        for cid, key in [
            *known.ids[Level.CAMPAIGN].items(),
            *(await store.standing()).ids[Level.CAMPAIGN].items(),
        ]
    }
    return {
        scope if scope != "campaign" else f"campaign {campaigns[entity_id]}" for scope, entity_id in found
    }


TWO_ROUTES = changed(
    "campaigns[1].routing",
    {"groups": ["East"]},
    changed("campaigns[0].routing", {"buyers": [{"tid": "alpha"}]}),
)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("company.time_zone", "America/Denver", {"company"}),
        ("publishers[0].first_name", "Zoe", {"company"}),
        ("publishers[2]", {"afid": "pub_c"}, {"company"}),
        ("buyers[0].priority", 2, {"campaign auto", "campaign home"}),
        ("buyers[1].priority", 2, {"campaign home"}),
        ("buyer_groups[0].weight", 2, {"campaign home"}),
        ("buyer_groups[0].buyers", ["alpha"], {"campaign home"}),
        ("buyers[0].caller_lists", [{"name": "suppressed"}], {"campaign auto", "campaign home"}),
        ("buyers[0].caller_lists", [{"name": "notes"}], set()),
        ("campaigns[0].seconds", 5, {"campaign auto"}),
        ("campaigns[0].routing.buyers", [{"tid": "beta"}], {"campaign auto"}),
        ("campaigns[0].webhooks[0].method", "PUT", {"campaign auto"}),
        ("campaigns[0].conversion_criteria[0].side", "payable", {"campaign auto"}),
        ("campaigns[0].caller_lists[1]", {"name": "accepted"}, {"campaign auto"}),
        ("campaigns[0].caller_lists[0].expires_after_seconds", 5, set()),
        ("campaigns[0].numbers[0].rtb_pool", False, {"company"}),
        ("campaigns[2]", {"cid": "boat"}, {"company"}),
        ("company.caller_lists", [{"name": "suppressed"}], {"company"}),
        ("directories[0].entries", [], {"company"}),
        ("postback_keys[0].ttl_seconds", 30, {"key"}),
        ("postback_keys[1]", {"name": "c", "kind": "conversion", "on": {"buyer": "beta"}}, {"key"}),
    ],
)
async def test_a_change_names_what_must_be_loaded_anew(
    store: AccountStore, path: str, value: Any, expected: set[str]
) -> None:
    assert await reloads(store, TWO_ROUTES, changed(path, value, TWO_ROUTES)) == expected


async def test_a_buyer_taken_out_of_a_group_concerns_where_the_group_stood(store: AccountStore) -> None:
    after = changed("buyer_groups[0].buyers", ["beta"], changed("buyers[0].priority", 3, TWO_ROUTES))
    assert await reloads(store, TWO_ROUTES, after) == {"campaign auto", "campaign home"}


async def test_what_is_pruned_is_named_too(store: AccountStore) -> None:
    after = a_tree(campaigns=TWO_ROUTES["campaigns"], postback_keys=[], buyer_groups=SMALL["buyer_groups"])
    assert await reloads(store, TWO_ROUTES, after, prune=True) == {"key"}


async def test_every_version_names_something(store: AccountStore) -> None:
    await store.apply(SMALL)
    await store.apply(changed("buyers[0].priority", 2))
    await store.apply(changed("postback_keys[0].ttl_seconds", 30))
    rows = await store.rows("SELECT DISTINCT version FROM config_changes ORDER BY version")
    assert [version for (version,) in rows] == list(range(2, await store.version() + 1))


async def test_one_apply_raises_the_version_once_and_owes_it(store: AccountStore) -> None:
    await store.apply(SMALL)
    await store.postgres.execute("DELETE FROM hot_sync")
    await store.apply(changed("buyers[0].priority", 2, changed("campaigns[0].seconds", 7)))
    assert await store.version() == 3
    assert await store.rows("SELECT kind, subject FROM hot_sync") == [("version", "")]


async def test_a_new_list_owes_its_numbers(store: AccountStore) -> None:
    await store.apply(SMALL)
    owed = set(await store.rows("SELECT kind, subject FROM hot_sync"))
    assert owed == {("version", ""), ("list", "1"), ("list_number", "+12125550199")}


async def test_applying_puts_versions_and_lists_into_redis(store: AccountStore) -> None:
    await store.warm()
    company_id = (await store.apply(SMALL)).company_id
    assert await store.sync(company_id) == 3
    head = await store.head(company_id % 64)
    assert head[f"v:{company_id}"] == str(await store.version())
    assert await store.lists_of(company_id, "+12125550199") == {1}
    assert await store.lists_of(company_id, "+12125550198") == set()


async def deeds(store: AccountStore) -> list[tuple[Any, ...]]:
    query = "SELECT action, entity, entity_id, before::text, after::text, actor FROM audit_log ORDER BY id"
    return await store.rows(query)


async def test_each_step_is_written_down_by_whom(store: AccountStore) -> None:
    await store.apply(SMALL)
    await store.apply(changed("buyers[0].priority", 2))
    found = await deeds(store)
    assert {row[5] for row in found} == {"operator:tests"}
    assert found[-1][:2] == ("update", "buyer")
    assert '"priority": 1' in found[-1][3]
    assert '"priority": 2' in found[-1][4]
    async with store.postgres.transaction() as connection:
        assert await audit.first_broken(connection, 1) is None


async def test_no_secret_is_written_down(store: AccountStore) -> None:
    tree = changed(
        "postback_keys[0].token", "0123456789abcdef", changed("company.api_key", "fedcba9876543210")
    )
    tree["campaigns"][0]["webhooks"][0]["headers"] = {"Authorization": "credential"}
    tree["buyers"][0]["bid"] = {
        "url": "https://b.test/?k=credential",
        "headers": {"K": "credential"},
        "body": "credential",
    }
    applied = await store.apply(tree)
    text = repr(await deeds(store))
    assert all(secret not in text for secret in _SECRETS)
    assert "5550199" not in text, "the numbers on a list are counted, not listed"
    assert applied.created[0].imported


async def test_a_token_is_drawn_and_told_when_the_file_gives_none(store: AccountStore) -> None:
    applied = await store.apply(SMALL)
    (key,) = applied.created
    assert not key.imported
    digest = VAULT.lookup(key.made.token)
    assert await store.rows("SELECT token_hmac FROM postback_keys") == [(digest,)]
    assert applied.api_key is not None
    assert await store.rows("SELECT api_key_hmac FROM companies") == [(VAULT.lookup(applied.api_key),)]


async def test_an_api_key_of_the_file_is_taken_and_not_told(store: AccountStore) -> None:
    tree = changed("company.api_key", "fedcba9876543210")
    applied = await store.apply(tree)
    assert applied.api_key is None
    assert (await store.apply(tree)).steps == ()
    (step,) = (await store.apply(changed("company.api_key", "fedcba9876543211"))).steps
    assert step.details == ("api_key changed",)
    digest = VAULT.lookup(Hidden("fedcba9876543211"))
    assert await store.rows("SELECT api_key_hmac FROM companies") == [(digest,)]
    assert (await store.apply(SMALL)).steps == (), "silent: as it is"


IMPORTED = changed("postback_keys[0].token", "0191b2c3-d4e5-7f60-8123-456789abcdef")


async def test_an_imported_token_is_kept_as_it_is(store: AccountStore) -> None:
    await store.apply(IMPORTED)
    digest = VAULT.lookup(Hidden("0191b2c3-d4e5-7f60-8123-456789abcdef"))
    assert await store.rows("SELECT token_hmac FROM postback_keys") == [(digest,)]
    assert (await store.apply(IMPORTED)).steps == ()


async def test_a_token_that_was_deleted_is_never_used_again(store: AccountStore) -> None:
    await store.apply(IMPORTED)
    await store.apply(a_tree(postback_keys=[]), prune=True)
    found = await store.problems(IMPORTED)
    assert found == {"postback_keys[0].token": "is that of a deleted key: it is never used again"}


async def test_a_token_of_another_key_is_refused(store: AccountStore) -> None:
    await store.apply(IMPORTED)
    renamed = changed("postback_keys[0].name", "another", IMPORTED)
    assert await store.problems(renamed) == {"postback_keys[0].token": "is that of another key"}
    other = changed("company.name", "Other", changed("campaigns[0].numbers", [], IMPORTED))
    assert await store.problems(other) == {"postback_keys[0].token": "is that of another key"}


async def test_no_token_is_replaced(store: AccountStore) -> None:
    await store.apply(SMALL)
    assert list(await store.problems(IMPORTED)) == ["postback_keys[0].token"]


async def pruned(store: AccountStore, tree: Tree) -> Applied:
    return await store.apply(tree, prune=True)


async def test_pruned_keys_are_tombstoned(store: AccountStore) -> None:
    await store.apply(SMALL)
    await pruned(store, a_tree(postback_keys=[]))
    assert await store.rows("SELECT deleted_at IS NULL FROM postback_keys") == [(False,)]
    again = await store.apply(SMALL)
    assert len(again.created) == 1
    assert await store.rows("SELECT count(*) FROM postback_keys") == [(2,)]


async def test_everything_but_full_lists_can_be_pruned(store: AccountStore) -> None:
    await store.apply(SMALL)
    bare = {"company": {"name": "Acme"}}
    found = await store.problems(bare, prune=True)
    assert list(found) == ["campaign auto"]
    await store.postgres.execute("DELETE FROM caller_list_numbers")
    assert await store.problems(bare, prune=True) == {}
    for table in (
        "buyers",
        "campaigns",
        "numbers",
        "caller_lists",
        "caller_list_generations",
        "directory_entries",
    ):
        assert await store.rows(f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_full_list_that_the_file_lacks_stays(store: AccountStore) -> None:
    await store.apply(SMALL)
    silent = a_tree()
    del silent["campaigns"][0]["caller_lists"]
    assert (await pruned(store, silent)).steps == ()
    assert await store.rows("SELECT count(*) FROM caller_list_numbers") == [(1,)]
