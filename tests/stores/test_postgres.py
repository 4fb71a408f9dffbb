"""The pool: deadlines, translation of errors, reconnects."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.ports import free_port
from shared.errors import OperatorError, Unavailable
from shared.stores.postgres import Postgres
from tests.support.engines import Engine

_MAKE = "CREATE TABLE things (id int PRIMARY KEY, amount int CHECK (amount > 0))"
_INSERT = "INSERT INTO things (id, amount) VALUES ($1, $2)"
_COUNT = "SELECT count(*) FROM things"


@pytest.fixture
async def postgres(empty_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(empty_database, max_size=2, name="a test")
    await pool.execute(_MAKE)
    yield pool
    await pool.close()


async def test_rows_values_and_tags_come_back(postgres: Postgres) -> None:
    assert await postgres.execute(_INSERT, 1, 10) == "INSERT 0 1"
    assert [tuple(row) for row in await postgres.fetch("SELECT id, amount FROM things")] == [(1, 10)]
    assert await postgres.fetchrow("SELECT id FROM things WHERE id = $1", 2) is None
    assert await postgres.fetchval("SELECT current_setting('application_name')") == "a test"


async def test_a_plan_that_is_kept_is_right_for_a_table_that_grows(postgres: Postgres) -> None:
    """Of ten rows the server would read all, and of a few keys at once make a hash: that plan would stay."""
    await postgres.execute("INSERT INTO things SELECT n, 1 FROM generate_series(1, 10) AS n")
    await postgres.execute("ANALYZE things")
    by_keys = "SELECT id FROM unnest($1::int[]) AS key JOIN things ON id = key"
    for query in ("SELECT amount FROM things WHERE id = $1", by_keys):
        key = [1] if query == by_keys else 1
        plan = "\n".join(row[0] for row in await postgres.fetch(f"EXPLAIN {query}", key))
        assert "Seq Scan" not in plan
        assert "Hash" not in plan
        assert "Index" in plan


async def test_each_use_is_counted(postgres: Postgres) -> None:
    before = postgres.queries
    await postgres.fetch("SELECT 1")
    async with postgres.transaction() as connection:
        await connection.execute("SELECT 1")
    assert postgres.queries - before == 2
    assert (postgres.size, postgres.idle) == (1, 1)


async def test_each_use_that_was_not_answered_is_counted(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url, max_size=1, deadline_s=0.3)
    with pytest.raises(asyncpg.UndefinedTableError):
        await postgres.fetch("SELECT FROM nothing")
    assert postgres.failures == 0, "a refusal is an answer"
    with pytest.raises(Unavailable):
        await postgres.execute("SELECT pg_sleep(5)")
    async with postgres.transaction():
        with pytest.raises(Unavailable):
            await postgres.fetch("SELECT 1")
    own_postgres.kill9()
    for _attempt in range(2):
        with pytest.raises(Unavailable):
            await postgres.fetchval("SELECT 1")
    with pytest.raises(Unavailable):
        async with postgres.transaction():
            pytest.fail("there is no server")
    assert postgres.failures == 5
    await postgres.close()


async def test_a_transaction_is_kept_whole_or_not_at_all(postgres: Postgres) -> None:
    async with postgres.transaction() as connection:
        await connection.execute(_INSERT, 1, 1)
    with pytest.raises(RuntimeError, match="changed my mind"):  # noqa: PT012 - the block is what is tested
        async with postgres.transaction() as connection:
            await connection.execute(_INSERT, 2, 1)
            raise RuntimeError("changed my mind")
    assert await postgres.fetchval(_COUNT) == 1


async def test_violations_reach_the_store_and_the_connection_stays(postgres: Postgres) -> None:
    await postgres.execute(_INSERT, 1, 1)
    backend = await postgres.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(asyncpg.UniqueViolationError):
        await postgres.execute(_INSERT, 1, 1)
    with pytest.raises(asyncpg.CheckViolationError):
        async with postgres.transaction() as connection:
            await connection.execute(_INSERT, 2, -1)
    assert await postgres.fetchval("SELECT pg_backend_pid()") == backend


async def test_a_read_only_snapshot_does_not_move(postgres: Postgres) -> None:
    async with postgres.transaction(isolation="repeatable_read", readonly=True) as connection:
        assert await connection.fetchval(_COUNT) == 0
        await postgres.execute(_INSERT, 1, 1)
        assert await connection.fetchval(_COUNT) == 0


async def test_a_slow_command_is_unavailable_and_its_connection_is_not_used_again(
    empty_database: str,
) -> None:
    postgres = await Postgres.open(empty_database, max_size=1, deadline_s=0.15)
    backend = await postgres.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(Unavailable):
        await postgres.execute("SELECT pg_sleep(5)")
    with pytest.raises(Unavailable):
        async with postgres.transaction() as connection:
            await connection.execute("SELECT pg_sleep(5)")
    assert await postgres.fetchval("SELECT pg_backend_pid()") != backend
    await postgres.close()


async def test_an_exhausted_pool_is_unavailable_within_the_deadline(empty_database: str) -> None:
    postgres = await Postgres.open(empty_database, max_size=1, deadline_s=0.15)
    async with postgres.transaction():
        with pytest.raises(Unavailable) as caught:
            await postgres.fetch("SELECT 1")
    assert (caught.value.what, caught.value.retry_after_s) == ("postgres", 1)
    assert await postgres.fetchval("SELECT 1") == 1
    await postgres.close()


async def test_a_cancelled_caller_leaves_no_transaction_behind(postgres: Postgres) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with postgres.transaction() as connection:
            await connection.execute(_INSERT, 1, 1)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await postgres.fetchval(_COUNT) == 0


async def test_behind_a_pooler_statements_are_not_cached(empty_database: str) -> None:
    postgres = await Postgres.open(empty_database, max_size=1, pooler=True)
    await postgres.fetch("SELECT $1::int", 1)
    assert await postgres.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '\\_%'") == 0
    await postgres.close()


@pytest.mark.parametrize("password", ["wrong", "throw-away"])
async def test_open_says_what_is_wrong_without_credentials(own_postgres: Engine, password: str) -> None:
    dsn = own_postgres.url.replace(":throw-away@", f":{password}@").replace("/ringpost", "/nowhere")
    with pytest.raises(OperatorError) as caught:
        await Postgres.open(dsn)
    assert "Postgres cannot be used" in caught.value.text
    assert "wrong" not in caught.value.text
    assert "\n" not in caught.value.text


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:hunter2/x@127.0.0.1:5432/db",
        "postgresql://me:hunter2#x@127.0.0.1/db",
        "postgresql://me:x?hunter2@127.0.0.1/db",
        "postgresql://me:hunter2[x@127.0.0.1/db",
        "postgresql://me:hunter2@127.0.0.1:654321/db",
        "postgresql://me:hunter2@127.0.0.1:5432,/db",
        "hunter2",
    ],
)
async def test_a_dsn_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    """A password with a sign of its own meaning in URLs ends up in the library's words for a port or a field."""
    with pytest.raises(OperatorError, match="DSN cannot be read") as caught:
        await Postgres.open(dsn)
    assert "hunter2" not in caught.value.text


async def test_open_without_a_server_is_one_line() -> None:
    with pytest.raises(OperatorError, match=r"^Postgres cannot be used: .*\S$"):
        await Postgres.open(f"postgresql://me:secret@127.0.0.1:{free_port()}/x")


async def test_a_crash_and_a_restart_are_survived(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url, min_size=2, max_size=2)
    own_postgres.kill9()
    for _attempt in range(3):
        with pytest.raises(Unavailable):
            await postgres.fetch("SELECT 1")
    with pytest.raises(Unavailable):
        async with postgres.transaction():
            pytest.fail("there is no server")
    own_postgres.start()
    assert [await postgres.fetchval("SELECT 1") for _attempt in range(3)] == [1, 1, 1]
    await postgres.close()


async def test_a_crash_inside_a_transaction_is_unavailable(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url)
    with pytest.raises(Unavailable):  # noqa: PT012 - the block is what is tested
        async with postgres.transaction() as connection:
            own_postgres.kill9()
            await connection.execute("SELECT 1")
    own_postgres.start()
    assert await postgres.fetchval("SELECT 1") == 1
    await postgres.close()


async def test_a_clean_shutdown_is_unavailable(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url)
    own_postgres.stop()
    with pytest.raises(Unavailable):
        await postgres.fetch("SELECT 1")
    await postgres.close()


async def test_a_hanging_server_is_unavailable_within_the_deadline(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url, deadline_s=0.3)
    own_postgres.pause()
    try:
        async with asyncio.timeout(2):
            with pytest.raises(Unavailable):
                await postgres.fetch("SELECT 1")
            with pytest.raises(Unavailable):
                async with postgres.transaction() as connection:
                    await connection.fetch("SELECT 1")
    finally:
        own_postgres.resume()
    assert await postgres.fetchval("SELECT 1") == 1
    await postgres.close()


async def test_too_many_connections_are_unavailable(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url, max_size=3)
    await postgres.execute("CREATE ROLE guest LOGIN CONNECTION LIMIT 1 PASSWORD 'throw-away'")
    guest = await Postgres.open(own_postgres.url.replace("//ringpost:", "//guest:"), max_size=2)
    async with guest.transaction():
        with pytest.raises(Unavailable):
            await guest.fetch("SELECT 1")
    await guest.close()
    await postgres.close()
