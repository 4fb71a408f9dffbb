"""An exported account reads as the account that is stored."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account.writing import write_account
from shared.errors import OperatorError
from shared.stores.account.export import export_account, write_text
from shared.stores.account.file import read_text
from tests.stores.test_account_apply import FULL
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL, Tree, changed, judged


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis) as each:
        yield each


async def export(store: AccountStore, name: str = "Acme") -> str:
    async with store.postgres.transaction() as connection:
        return await export_account(connection, name, actor="operator:tests")


@pytest.mark.parametrize("tree", [SMALL, FULL], ids=["small", "full"])
async def test_an_export_applied_again_changes_nothing(store: AccountStore, tree: Tree) -> None:
    await store.apply(tree)
    exported = read_text(await export(store))
    assert isinstance(exported, dict)
    assert await store.plan(exported, prune=True) == []


async def test_an_export_makes_the_same_account_elsewhere(store: AccountStore) -> None:
    await store.apply(FULL)
    text = await export(store)
    await store.postgres.execute("UPDATE companies SET name = 'Old'")
    await store.postgres.execute("DELETE FROM numbers")
    exported = read_text(text)
    assert isinstance(exported, dict)
    await store.apply(exported)
    assert await export(store) == text


async def test_an_export_holds_no_token_and_no_listed_number(store: AccountStore) -> None:
    await store.apply(changed("postback_keys[0].token", "0123456789abcdef"))
    text = await export(store)
    assert "0123456789abcdef" not in text
    assert "5550199" not in text
    assert await store.rows("SELECT action, actor FROM audit_log ORDER BY id DESC LIMIT 1") == [
        ("export", "operator:tests")
    ]


async def test_a_company_that_is_not_there_is_one_line(store: AccountStore) -> None:
    with pytest.raises(OperatorError, match="there is no company Nobody"):
        await export(store, "Nobody")


@pytest.mark.parametrize("tree", [SMALL, FULL], ids=["small", "full"])
def test_what_is_written_reads_the_same(tree: Tree) -> None:
    account, problems = judged(tree)
    assert problems == []
    again, problems = judged(read_text(write_text(write_account(account))))
    assert problems == []
    assert again.campaigns == account.campaigns
    assert again.buyers == account.buyers
    assert again.company == account.company


@given(
    st.sampled_from(
        [
            "on",
            "no",
            "null",
            "0730",
            "1.10",
            "12",
            "+18005550111",
            "~",
            "a: b",
            "- x",
            "'",
            '"',
            "#",
            "é",
            "true",
        ]
    )
    | st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=20)
)
def test_any_name_survives(name: str) -> None:
    tree = {"company": {"name": "Acme"}, "publishers": [{"afid": name}]}
    account, problems = judged(tree)
    assert problems == []
    assert judged(read_text(write_text(write_account(account))))[0].publishers[0].afid == name


async def test_a_template_is_stored_and_exported_as_what_it_stands_for(store: AccountStore) -> None:
    post = {"url": "https://b.test/post"}
    bid = {"template": "trackdrive", "url": "https://b.test/ping", "post": post, "output_map": {"number": ""}}
    tree = changed("buyers[0].bid", bid)
    await store.apply(tree)
    assert await store.plan(tree) == []
    exported = read_text(await export(store))
    assert isinstance(exported, dict)
    written = exported["buyers"][0]["bid"]
    assert written["output_map"] == {"bid": "buyers[0].bid", "ping_id": "buyers[0].ping_id", "number": ""}
    assert written["post"]["body"] == '{"caller_id": "[caller_number]", "ping_id": "[ping_id]"}'
    assert "template" not in written
    assert await store.plan(exported, prune=True) == []
