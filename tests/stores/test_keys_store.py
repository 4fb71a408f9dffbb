"""Keys in the store: made, paused, resumed, deleted for good, regenerated, revealed, and always written down."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from shared.domain.key_settings import CallerListManagementSettings, RtbSettings
from shared.domain.keys import Kind, Level
from shared.domain.tokens import Hidden, token_form
from shared.errors import OperatorError
from shared.stores import keys
from shared.stores.key_lookup import find_key
from shared.stores.keys import KeyRow, MadeKey, NewKey, Vault
from shared.stores.new_keys import WantedKey, make_wanted
from shared.stores.sealing import Sealer
from tests.support.account_store import PEPPER, VAULT, AccountStore, opened
from tests.support.account_trees import SMALL, changed

ACTOR = "operator:tests"
HASH_ONLY = Vault(pepper=PEPPER.encode())


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis) as each:
        await each.apply(SMALL)
        yield each


def a_new_key(**changed: Any) -> NewKey:
    fields: dict[str, Any] = {
        "company_id": 1,
        "kind": Kind.RTB,
        "level": Level.CAMPAIGN,
        "entity_id": 1,
        "name": "another",
        "settings": RtbSettings(ttl_seconds=33),
    }
    return NewKey(**{**fields, **changed})


async def create(store: AccountStore, new: NewKey, vault: Vault = VAULT) -> MadeKey:
    async with store.postgres.transaction() as connection:
        return await keys.create_key(connection, vault, new=new, actor=ACTOR)


async def one(store: AccountStore, id_or_name: str, company: str | None = None) -> KeyRow:
    async with store.postgres.transaction() as connection:
        return await keys.find_one(connection, id_or_name, company=company)


async def reveal(store: AccountStore, id_or_name: str, vault: Vault = VAULT) -> MadeKey:
    async with store.postgres.transaction() as connection:
        key = await keys.find_one(connection, id_or_name, company=None)
        return await keys.reveal(connection, vault, key=key, actor=ACTOR)


async def set_paused(store: AccountStore, id_or_name: str, *, paused: bool) -> bool:
    async with store.postgres.transaction() as connection:
        key = await keys.find_one(connection, id_or_name, company=None)
        return await keys.set_paused(connection, key, actor=ACTOR, paused=paused)


async def delete(store: AccountStore, key: KeyRow) -> bool:
    async with store.postgres.transaction() as connection:
        return await keys.delete_key(connection, key, actor=ACTOR)


async def last_deed(store: AccountStore) -> tuple[Any, ...]:
    return (await store.rows("SELECT action, entity, entity_id FROM audit_log ORDER BY id DESC LIMIT 1"))[0]


async def test_a_new_key_is_found_by_its_token(store: AccountStore) -> None:
    made = await create(store, a_new_key())
    assert token_form(made.token.reveal()) == "ours"
    found = await find_key(store.postgres, PEPPER.encode(), token=made.token.reveal())
    assert found is not None
    assert (found.id, found.name, found.settings) == (made.id, "another", RtbSettings(ttl_seconds=33))
    assert found.version == await store.version()


async def test_the_store_holds_no_token_in_the_clear(store: AccountStore) -> None:
    made = await create(store, a_new_key())
    tables = [
        row[0]
        for row in await store.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
    ]
    assert "postback_keys" in tables
    for table in tables:
        text = repr(await store.rows(f"SELECT t::text FROM {table} t"))
        assert made.token.reveal() not in text
        assert made.token.reveal().encode().hex() not in text


async def test_each_change_raises_the_version_and_names_the_key(store: AccountStore) -> None:
    before = await store.version()
    made = await create(store, a_new_key())
    await set_paused(store, "another", paused=True)
    await set_paused(store, "another", paused=False)
    await delete(store, await one(store, "another"))
    assert await store.version() == before + 4
    assert await store.changes(1, before) == {("key", made.id)}
    assert len(await store.rows("SELECT version FROM config_changes WHERE version > $1", before)) == 4


async def test_each_change_is_written_down(store: AccountStore) -> None:
    made = await create(store, a_new_key())
    assert await last_deed(store) == ("create", "postback_key", made.id)
    await set_paused(store, "another", paused=True)
    assert await last_deed(store) == ("pause", "postback_key", made.id)
    await set_paused(store, "another", paused=False)
    assert await last_deed(store) == ("resume", "postback_key", made.id)
    await reveal(store, "another")
    assert await last_deed(store) == ("reveal", "postback_key", made.id)
    await delete(store, await one(store, "another"))
    assert await last_deed(store) == ("delete", "postback_key", made.id)


async def test_what_is_so_already_changes_nothing(store: AccountStore) -> None:
    key = await one(store, "ping")
    assert await set_paused(store, "ping", paused=True)
    version = await store.version()
    assert not await set_paused(store, "ping", paused=True)
    assert await store.version() == version
    assert await delete(store, key)
    assert not await delete(store, key)
    assert await store.version() == version + 1


async def test_a_deleted_key_is_a_tombstone(store: AccountStore) -> None:
    token = (await reveal(store, "ping")).token.reveal()
    await delete(store, await one(store, "ping"))
    found = await find_key(store.postgres, PEPPER.encode(), token=token)
    assert found is not None
    assert found.deleted
    with pytest.raises(asyncpg.UniqueViolationError):
        await create(store, a_new_key(token=Hidden(token)))
    with pytest.raises(OperatorError, match="no key is called that"):
        await one(store, "ping")


async def test_a_name_is_free_again_when_its_key_is_deleted(store: AccountStore) -> None:
    await delete(store, await one(store, "ping"))
    made = await create(store, a_new_key(name="ping"))
    assert (await one(store, "ping")).id == made.id


async def test_two_keys_of_a_kind_on_one_entity_need_two_names(store: AccountStore) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await create(store, a_new_key(name="ping"))
    assert (await create(store, a_new_key(name="ping", entity_id=2))).id > 1


async def test_a_token_is_revealed(store: AccountStore) -> None:
    made = await create(store, a_new_key(token=Hidden("0191b2c3-d4e5-7f60-8123-456789abcdef")))
    assert (await reveal(store, str(made.id))).token == made.token


async def test_hash_only_keeps_and_shows_nothing(store: AccountStore) -> None:
    await create(store, a_new_key(), HASH_ONLY)
    assert await store.rows("SELECT token_sealed FROM postback_keys WHERE name = 'another'") == [(None,)]
    with pytest.raises(OperatorError, match="no copy of this token"):
        await reveal(store, "another")
    with pytest.raises(OperatorError, match="turned off"):
        await reveal(store, "ping", HASH_ONLY)
    assert (await last_deed(store))[0] != "reveal"


async def test_another_encryption_key_reveals_nothing(store: AccountStore) -> None:
    other = Vault(pepper=PEPPER.encode(), sealer=Sealer(["x" * 32]))
    with pytest.raises(OperatorError, match="another key-encryption key"):
        await reveal(store, "ping", other)
    assert (await last_deed(store))[0] != "reveal"


async def test_a_caller_list_key_has_a_secret(store: AccountStore) -> None:
    lists = a_new_key(
        kind=Kind.CALLER_LIST_MANAGEMENT,
        name="lists",
        settings=CallerListManagementSettings(require_secret=True),
    )
    made = await create(store, lists)
    assert made.secret is not None
    shown = await reveal(store, "lists")
    assert shown.secret == made.secret
    assert await store.rows("SELECT secret_hmac FROM postback_keys WHERE name = 'lists'") == [
        (VAULT.lookup(made.secret),)
    ]


async def test_regenerating_makes_a_second_key_with_the_same_settings(store: AccountStore) -> None:
    await create(store, a_new_key())
    for name in ("another 2", "another 3"):
        async with store.postgres.transaction() as connection:
            old = await keys.find_one(connection, "another", company=None)
            made = await keys.regenerate(connection, VAULT, key=old, actor=ACTOR)
        new = await one(store, str(made.id))
        assert (new.name, new.settings, new.entity_id) == (name, RtbSettings(ttl_seconds=33), 1)
    assert len(await store.rows("SELECT id FROM postback_keys WHERE deleted_at IS NULL")) == 4


async def test_a_key_is_found_by_id_or_by_a_name_of_its_own(store: AccountStore) -> None:
    assert (await one(store, "ping")).id == (await one(store, "1")).id
    await create(store, a_new_key(name="ping", entity_id=2))
    with pytest.raises(OperatorError, match="give one of the ids 1, 2"):
        await one(store, "ping")
    with pytest.raises(OperatorError, match="no key is called that in Nobody"):
        await one(store, "ping", "Nobody")
    assert (await one(store, "2", "Acme")).entity_id == 2
    for unknown in ("99", "9" * 30, "", "p'ing", "\u00b2"):
        with pytest.raises(OperatorError, match="no key is called that"):
            await one(store, unknown)


async def make(
    store: AccountStore, *settings: str, kind: str = "rtb", entity: str = "campaign:auto"
) -> KeyRow:
    wanted = WantedKey(company="Acme", kind=kind, entity=entity, name="made", settings=settings)
    async with store.postgres.transaction() as connection:
        return (await make_wanted(connection, VAULT, wanted=wanted, actor=ACTOR))[0]


@pytest.mark.parametrize(
    ("kind", "entity", "settings"),
    [
        ("rtb", "publisher:pub_a", ("campaign=auto", "timeout=0.5", "return_dba=true")),
        ("call_data_writing", "company", ("start_seconds=1800",)),
        ("call_transfer", "buyer_group:East", ("directory=Desk",)),
        ("caller_list_management", "buyer:alpha", ("permissions=[caller_list__show]",)),
    ],
)
async def test_a_key_is_made_by_hand(
    store: AccountStore, kind: str, entity: str, settings: tuple[str, ...]
) -> None:
    made = await make(store, *settings, kind=kind, entity=entity)
    assert (made.kind, made.level) == (kind, entity.partition(":")[0])
    account = (await store.standing()).account
    assert account is not None
    (key,) = [each for each in account.postback_keys if each.name == "made"]
    assert key.entity == (entity.partition(":")[2] or "company")
    assert (key.campaign or key.directory) == {"rtb": "auto", "call_transfer": "Desk"}.get(kind, "")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"entity": "campaign:boat"}, "on.campaign: names no campaign: boat"),
        ({"entity": "buyer:alpha"}, "rtb keys stand on a campaign or publisher"),
        ({"entity": "auto"}, "on: names one entity"),
        ({"kind": "call_reservation"}, "only imported with their own token"),
        ({"settings": ("ttl_seconds=5", "colour=red")}, "ttl_seconds: is 10 to 999 s"),
        ({"settings": ("token=0123456789abcdef",)}, "--set takes FIELD=VALUE"),
        ({"settings": ("ttl_seconds",)}, "--set takes FIELD=VALUE"),
        ({"settings": ("ttl_seconds=[",)}, "ttl_seconds: is no YAML"),
        ({"name": "ping"}, "is that of another such key there"),
        ({"company": "Nobody"}, "there is no company Nobody"),
    ],
)
async def test_a_key_made_by_hand_is_judged_like_a_files(
    store: AccountStore, change: dict[str, Any], text: str
) -> None:
    fields = {"company": "Acme", "kind": "rtb", "entity": "campaign:auto", "name": "made", **change}
    with pytest.raises(OperatorError) as caught:
        async with store.postgres.transaction() as connection:
            await make_wanted(connection, VAULT, wanted=WantedKey(**fields), actor=ACTOR)
    assert text in caught.value.text
    assert len(await store.rows("SELECT id FROM postback_keys")) == 1


async def test_a_feature_that_is_off_allows_no_new_key(store: AccountStore) -> None:
    await store.apply(changed("company.features", {"real_time_bidding": False}))
    with pytest.raises(OperatorError, match="real_time_bidding, which is off"):
        await make(store)
