"""Migrations: each file once, whole, unchanged, whoever runs them."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from deploy.local.paths import MIGRATIONS
from deploy.local.ports import free_port
from shared.errors import OperatorError
from shared.stores.migrations import migrate, pending, read_migrations

_FIRST = "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\n"
_SECOND = "CREATE TABLE two (id int);\n"
_MIGRATE_AND_COUNT = """
import asyncio, sys
from pathlib import Path
from shared.stores.migrations import migrate
sys.stdin.readline()
print(len(asyncio.run(migrate(sys.argv[1], Path(sys.argv[2])))))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_one.sql").write_text(_FIRST)
    (tmp_path / "0002_two.sql").write_text(_SECOND)
    return tmp_path


async def _tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT relname FROM pg_stat_user_tables")
    finally:
        await connection.close()
    return {row["relname"] for row in rows}


async def test_each_file_is_applied_once_and_reported(empty_database: str, folder: Path) -> None:
    reported: list[str] = []
    assert [each.file for each in await pending(empty_database, folder)] == ["0001_one.sql", "0002_two.sql"]
    done = await migrate(empty_database, folder, report=reported.append)
    assert [each.number for each in done] == [1, 2]
    assert reported == ["0001_one.sql", "0002_two.sql"]
    assert await migrate(empty_database, folder) == ()
    assert await pending(empty_database, folder) == ()
    assert await _tables(empty_database) == {"one", "two", "schema_migrations"}


async def test_a_failing_file_leaves_nothing_behind(empty_database: str, folder: Path) -> None:
    (folder / "0002_two.sql").write_text("CREATE TABLE two (id int);\n\nSELECT nonsense;\n")
    with pytest.raises(OperatorError, match=r"^0002_two\.sql line 3: column .nonsense. does not exist$"):
        await migrate(empty_database, folder)
    assert await _tables(empty_database) == {"one", "schema_migrations"}
    (folder / "0002_two.sql").write_text(_SECOND)
    assert [each.number for each in await migrate(empty_database, folder)] == [2]


async def test_a_file_changed_after_it_was_applied_is_refused(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder)
    (folder / "0001_one.sql").write_text(_FIRST + "-- a word\n")
    with pytest.raises(OperatorError, match=r"0001_one\.sql was changed"):
        await migrate(empty_database, folder)
    with pytest.raises(OperatorError, match=r"0001_one\.sql was changed"):
        await pending(empty_database, folder)


async def test_a_newer_database_is_refused(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder)
    (folder / "0002_two.sql").unlink()
    with pytest.raises(OperatorError, match=r"newer than this program: it has migration 0002$"):
        await migrate(empty_database, folder)


@pytest.mark.parametrize("name", ["0004_four.sql", "0002_again.sql"])
def test_gaps_and_doubles_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(OperatorError, match="missing or doubled"):
        read_migrations(folder)


@pytest.mark.parametrize("name", ["3_three.sql", "0003-three.sql", "0003_Three.sql", "three.sql"])
def test_stray_names_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(OperatorError, match="is not named like"):
        read_migrations(folder)


async def test_no_server_is_one_line_without_credentials(folder: Path) -> None:
    with pytest.raises(OperatorError, match=r"^Postgres cannot be used: ") as caught:
        await migrate(f"postgresql://me:secret@127.0.0.1:{free_port()}/x", folder)
    assert "secret" not in caught.value.text


def test_two_processes_at_once_apply_each_file_once(empty_database: str, folder: Path) -> None:
    for number in range(3, 12):
        (folder / f"{number:04d}_more.sql").write_text(f"CREATE TABLE more_{number} (id int);")
    command = [sys.executable, "-c", _MIGRATE_AND_COUNT, empty_database, str(folder)]
    migrators = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _each in range(2)
    ]
    for migrator in migrators:
        assert migrator.stdin is not None
        migrator.stdin.write("go\n")
        migrator.stdin.flush()
    applied = [int(migrator.communicate(timeout=60)[0]) for migrator in migrators]
    assert [migrator.returncode for migrator in migrators] == [0, 0]
    assert sum(applied) == 11


async def test_the_schema_of_this_repository_applies_whole(empty_database: str) -> None:
    done = await migrate(empty_database, MIGRATIONS)
    assert {"companies", "postback_keys"} <= await _tables(empty_database)
    assert len(done) == len(read_migrations(MIGRATIONS))
