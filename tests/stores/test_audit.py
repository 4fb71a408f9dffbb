"""The audit log: a chain for each company, in which every tampering shows."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.stores import audit
from shared.stores.audit import Deed
from shared.stores.postgres import Postgres

_UNLOCK = "ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only"
_DEED = Deed(
    action="pause", entity="postback_key", entity_id=5, before={"paused": False}, after={"paused": True}
)


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=10, name="tests")
    yield pool
    await pool.close()


async def append(postgres: Postgres, *deeds: Deed, company_id: int = 1) -> None:
    async with postgres.transaction() as connection:
        await audit.append(connection, company_id, actor="operator:tests", deeds=deeds)


async def first_broken(postgres: Postgres, company_id: int = 1) -> int | None:
    async with postgres.transaction() as connection:
        return await audit.first_broken(connection, company_id)


async def test_a_chain_is_whole(postgres: Postgres) -> None:
    after = {"money": "12.50", "number": 5.0, "list": [1, None, {"b": 1, "a": "é"}], "z": True}
    await append(postgres, _DEED, Deed(action="update", entity="buyer", after=after))
    await append(postgres, Deed(action="reveal", entity="postback_key", entity_id=5))
    await append(postgres)
    assert await postgres.fetchval("SELECT count(*) FROM audit_log") == 3
    assert await first_broken(postgres) is None


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_log SET actor = 'nobody' WHERE id = 2",
        "UPDATE audit_log SET after = '{}' WHERE id = 2",
        "UPDATE audit_log SET at = at - interval '1 s' WHERE id = 2",
        "UPDATE audit_log SET entity_id = 6 WHERE id = 2",
        "DELETE FROM audit_log WHERE id = 2",
        "UPDATE audit_log SET chain = NULL WHERE id = 2",
    ],
)
async def test_tampering_shows(postgres: Postgres, tampering: str) -> None:
    await append(postgres, _DEED, _DEED, _DEED)
    await postgres.execute(_UNLOCK)
    await postgres.execute(tampering)
    assert await first_broken(postgres) in {2, 3}


async def test_rows_cannot_be_changed_or_deleted(postgres: Postgres) -> None:
    await append(postgres, _DEED)
    for change in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await postgres.execute(change)


async def test_companies_have_chains_of_their_own(postgres: Postgres) -> None:
    for company_id in (1, 2, 1, 2):
        await append(postgres, _DEED, company_id=company_id)
    assert [await first_broken(postgres, company_id) for company_id in (1, 2, 3)] == [None, None, None]


async def test_deeds_at_once_make_one_chain(postgres: Postgres) -> None:
    await asyncio.gather(*(append(postgres, _DEED, _DEED) for _ in range(12)))
    assert await postgres.fetchval("SELECT count(*) FROM audit_log") == 24
    assert await first_broken(postgres) is None


async def test_a_deed_goes_with_its_transaction(postgres: Postgres) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):  # noqa: PT012 - the block is what is tested
        async with postgres.transaction() as connection:
            await audit.append(connection, 1, actor="operator:tests", deeds=[_DEED])
            raise RuntimeError("changed my mind")
    assert await postgres.fetchval("SELECT count(*) FROM audit_log") == 0
