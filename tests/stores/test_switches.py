"""Switch credentials: sealed in the store, open in memory, and known at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from deploy.local.paths import MIGRATIONS
from shared.domain.switching.credentials import Credential
from shared.domain.tokens import Hidden
from shared.errors import OperatorError, Unavailable
from shared.stores import audit
from shared.stores.postgres import Postgres
from shared.stores.schema import prepare
from shared.stores.sealing import Sealer
from shared.stores.switches import (
    CredentialRow,
    NewCredential,
    SwitchDirectory,
    create_credential,
    delete_credential,
    find_generic_of,
    load_rows,
)
from tests.support.account_store import AccountStore, opened
from tests.support.account_trees import SMALL, changed
from tests.support.engines import Engine
from tests.support.waiting import eventually

ACTOR = "operator:tests"
SEALER = Sealer(["switch-encryption-key-of-the-tests"])
SECRET = Hidden("secret-of-a-switch-0123456789-abcdef")
SID = "AC00000000000000000000000000000001"
NUMBER = SMALL["campaigns"][0]["numbers"][0]["number"]


@pytest.fixture
async def store(fresh_database: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(fresh_database, fresh_redis) as each:
        await each.apply(SMALL)
        yield each


@pytest.fixture
async def directory(store: AccountStore) -> AsyncIterator[SwitchDirectory]:
    each = SwitchDirectory(store.postgres, SEALER)
    yield each
    await each.close()


async def create(store: AccountStore, sealer: Sealer = SEALER, **given: Any) -> int:
    fields: dict[str, Any] = {"company_id": 1, "kind": "generic", "account_id": "pbx", "secret": SECRET}
    async with store.postgres.transaction() as connection:
        new = NewCredential(**{**fields, **given})
        return await create_credential(connection, sealer, new=new, actor=ACTOR)


async def rows(store: AccountStore, company: str | None = None) -> list[CredentialRow]:
    async with store.postgres.transaction() as connection:
        return await load_rows(connection, company=company)


async def delete(store: AccountStore, row: CredentialRow) -> bool:
    async with store.postgres.transaction() as connection:
        return await delete_credential(connection, row, actor=ACTOR)


# the table


async def test_a_credential_is_listed_without_its_secret(store: AccountStore) -> None:
    made = await create(store, command_url="https://pbx.example.com/commands")
    (row,) = await rows(store, "Acme")
    assert (row.id, row.company, row.kind, row.account_id) == (made, "Acme", "generic", "pbx")
    assert row.command_url == "https://pbx.example.com/commands"
    assert await rows(store, "Nobody") == []


async def test_the_store_holds_no_secret_in_the_clear(store: AccountStore) -> None:
    await create(store)
    for table in ("switch_credentials", "audit_log"):
        text = repr(await store.rows(f"SELECT t::text FROM {table} t"))
        assert SECRET.reveal() not in text
        assert SECRET.reveal().encode().hex() not in text


async def test_making_and_deleting_are_written_down(store: AccountStore) -> None:
    made = await create(store)
    (row,) = await rows(store)
    assert await delete(store, row)
    assert not await delete(store, row)
    deeds = await store.rows(
        "SELECT action, entity_id, coalesce(before, after)->>'account_id' FROM audit_log "
        "WHERE entity = 'switch_credential' ORDER BY id"
    )
    assert deeds == [("create", made, "pbx"), ("delete", made, "pbx")]
    async with store.postgres.transaction() as connection:
        assert await audit.first_broken(connection, 1) is None


async def test_generic_switches_of_a_company_have_names_of_their_own(store: AccountStore) -> None:
    await create(store)
    await create(store, account_id="pbx2")
    with pytest.raises(OperatorError, match="of that name already"):
        await create(store)
    assert len(await rows(store)) == 2


async def test_a_twilio_account_leads_to_one_company(store: AccountStore) -> None:
    await store.apply(changed("company.name", "Other", changed("campaigns[0].numbers", [])))
    await create(store, kind="twilio", account_id=SID)
    for company_id in (1, 2):
        with pytest.raises(OperatorError, match="has a credential already"):
            await create(store, kind="twilio", account_id=SID, company_id=company_id)
    assert await create(store, account_id=SID, company_id=2)


async def test_of_two_companies_at_once_one_gets_the_account(store: AccountStore) -> None:
    await store.apply(changed("company.name", "Other", changed("campaigns[0].numbers", [])))
    tries = [create(store, kind="twilio", account_id=SID, company_id=company) for company in (1, 2)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["OperatorError", "int"]


async def test_the_switch_of_a_number(store: AccountStore) -> None:
    assert await find_generic_of(store.postgres, SEALER, number=NUMBER) is None
    await create(store, kind="twilio", account_id=SID)
    made = await create(store)
    await create(store, account_id="pbx2")
    assert await find_generic_of(store.postgres, SEALER, number=NUMBER) == Credential(
        id=made, company_id=1, kind="generic", account_id="pbx", secret=SECRET
    )
    assert await find_generic_of(store.postgres, SEALER, number="+12125550000") is None


async def test_a_secret_cannot_be_moved_to_another_row(store: AccountStore) -> None:
    made = await create(store)
    await store.postgres.execute("UPDATE switch_credentials SET account_id = 'other' WHERE id = $1", made)
    with pytest.raises(OperatorError, match="damaged"):
        await find_generic_of(store.postgres, SEALER, number=NUMBER)


# the directory


async def test_a_switch_is_found_by_what_its_requests_say(
    store: AccountStore, directory: SwitchDirectory
) -> None:
    generic, twilio = await create(store), await create(store, kind="twilio", account_id=SID)
    found = await directory.find_generic(generic)
    assert found == Credential(id=generic, company_id=1, kind="generic", account_id="pbx", secret=SECRET)
    assert directory.known(f"generic/{generic}") == found
    by_account = await directory.find_twilio(SID)
    assert by_account is not None
    assert (by_account.id, by_account.provider) == (twilio, f"twilio/{twilio}")
    assert await directory.find_generic(twilio) is None
    assert await directory.find_twilio("pbx") is None


async def test_nobody_is_found_without_a_name(directory: SwitchDirectory, store: AccountStore) -> None:
    before = store.postgres.queries
    assert await directory.find_generic(0) is None
    assert await directory.find_twilio("") is None
    assert store.postgres.queries == before


async def test_a_new_switch_is_known_at_once(store: AccountStore, directory: SwitchDirectory) -> None:
    await directory.refresh()
    made = await create(store)
    await directory.refresh()
    await directory.find_generic(made)
    another = await create(store, account_id="pbx2")
    assert await directory.find_generic(another)


async def test_unknown_names_cost_a_query_now_and_then(
    store: AccountStore, directory: SwitchDirectory
) -> None:
    await directory.refresh()
    before = store.postgres.queries
    found = await asyncio.gather(*(directory.find_generic(number) for number in range(1_000, 2_000)))
    assert set(found) == {None}
    assert store.postgres.queries - before <= 1


async def test_who_comes_during_the_first_look_waits_for_it(
    store: AccountStore, directory: SwitchDirectory
) -> None:
    made = await create(store)
    before = store.postgres.queries
    found = await asyncio.gather(*(directory.find_generic(made) for _ in range(50)))
    assert {each.id for each in found if each} == {made}
    assert all(found)
    assert store.postgres.queries == before + 1


async def test_a_deleted_switch_is_forgotten(store: AccountStore, directory: SwitchDirectory) -> None:
    made = await create(store)
    assert await directory.find_generic(made)
    (row,) = await rows(store)
    await delete(store, row)
    await directory.refresh()
    assert directory.known(f"generic/{made}") is None


async def test_one_that_cannot_be_opened_hides_no_other(
    store: AccountStore, directory: SwitchDirectory
) -> None:
    foreign = await create(store, Sealer(["another-switch-encryption-key-of-tests"]))
    made = await create(store, account_id="pbx2")
    assert await directory.find_generic(foreign) is None
    assert directory.known(f"generic/{made}")


async def test_the_run_looks_again_and_again(store: AccountStore, directory: SwitchDirectory) -> None:
    running = asyncio.ensure_future(directory.run())

    async def looked() -> bool:
        return directory.known(f"generic/{made}") is not None

    made = await create(store)
    await eventually(looked, what="the switch was seen without being asked for")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_without_postgres_what_is_known_goes_on(own_postgres: Engine) -> None:
    await prepare(own_postgres.url, MIGRATIONS)
    postgres = await Postgres.open(own_postgres.url, deadline_s=0.5)
    directory = SwitchDirectory(postgres, SEALER)
    company_id = await postgres.fetchval(
        "INSERT INTO companies (name, shard) VALUES ('Acme', 1) RETURNING id"
    )
    new = NewCredential(company_id=company_id, kind="generic", account_id="pbx", secret=SECRET)
    async with postgres.transaction() as connection:
        made = await create_credential(connection, SEALER, new=new, actor=ACTOR)
    await directory.refresh()
    own_postgres.kill9()
    assert await directory.find_generic(made)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await directory.find_generic(made + 1)
    assert directory.known(f"generic/{made}")
    own_postgres.start()
    assert await directory.find_generic(made + 1) is None
    await directory.close()
    await postgres.close()
