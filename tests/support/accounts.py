"""Rows of an account, straight into Postgres, for tests of what reads them.

Owns small INSERTs only: what a column is for stands in the migrations. Must never be used by a service.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg

from shared.stores.config import Change, bump
from shared.stores.postgres import Postgres
from tests.support.waiting import eventually

PEPPER = b"pepper-of-the-tests"
_numbers = count(1)


async def insert(postgres: Postgres, table: str, **columns: Any) -> int:
    """One row; its id. Shape: JSON columns as text."""
    names, places = ", ".join(columns), ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id"
    return int(await postgres.fetchval(statement, *columns.values()))


async def insert_bare(postgres: Postgres, table: str, **columns: Any) -> None:
    """The same for a table without an id."""
    names, places = ", ".join(columns), ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await postgres.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *columns.values())


async def a_company(postgres: Postgres, **columns: Any) -> int:
    """A company of a name that nobody else has."""
    return await insert(postgres, "companies", **{"name": f"company {next(_numbers)}", "shard": 1, **columns})


async def a_campaign(postgres: Postgres, company_id: int, **columns: Any) -> int:
    """A campaign of the company."""
    return await insert(
        postgres, "campaigns", **{"company_id": company_id, "cid": f"c{next(_numbers)}", **columns}
    )


async def a_key(postgres: Postgres, company_id: int, token: str, **columns: Any) -> int:
    """A campaign's rtb key."""
    row = {
        "company_id": company_id,
        "kind": "rtb",
        "level": "campaign",
        "entity_id": 1,
        "name": f"key {next(_numbers)}",
        "token_hmac": hmac.new(PEPPER, token.encode(), hashlib.sha256).digest(),
    }
    return await insert(postgres, "postback_keys", **{**row, **columns})


def a_token() -> str:
    """A token as another platform made them: only Postgres knows whether it is one."""
    return f"imported-token-{next(_numbers):08d}"


async def changed(postgres: Postgres, company_id: int, statement: str = "", *changes: Change) -> int:
    """A change of the account in its own transaction, as the console makes it; the new version."""
    async with postgres.transaction() as connection:
        if statement:
            await connection.execute(statement)
        return await bump(connection, company_id, changes=changes or company_wide(company_id))


def company_wide(company_id: int) -> Iterable[Change]:
    """Everything of a company."""
    return [Change(scope="company", entity_id=company_id)]


def of_campaign(campaign_id: int) -> Change:
    """One campaign's plan."""
    return Change(scope="campaign", entity_id=campaign_id)


def of_key(key_id: int) -> Change:
    """One key."""
    return Change(scope="key", entity_id=key_id)


class Barrier:
    """A locked table: whoever reads it waits."""

    def __init__(self, connection: asyncpg.Connection, table: str) -> None:
        self._connection = connection
        self._table = table

    async def reached(self, readers: int = 1) -> None:
        """Wait until so many readers wait for it."""
        waiting = (
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            " JOIN pg_database d ON d.oid = l.database"
            " WHERE NOT l.granted AND c.relname = $1 AND d.datname = current_database()"
        )

        async def all_there() -> bool:
            return int(await self._connection.fetchval(waiting, self._table)) >= readers

        await eventually(all_there, what=f"{readers} wait for {self._table}")

    async def lift(self) -> None:
        """Let them read."""
        await self._connection.execute("COMMIT")


@asynccontextmanager
async def barrier_at(dsn: str, table: str) -> AsyncIterator[Barrier]:
    """Lock a table until the barrier is lifted or left."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield Barrier(connection, table)
    finally:
        await connection.close()
