"""Schema migrations: numbered SQL files, each applied once, whole, and never changed afterwards.

Owns the table schema_migrations. Must never run on a pool or through a pooler, nor hold a session-level lock.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from msgspec import Struct

from shared.errors import OperatorError
from shared.stores.postgres import CANNOT_CONNECT, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection = asyncpg.Connection[asyncpg.Record]

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_SESSION = {"application_name": "ringpost-migrate"}
_LOCK = 7_464_767_830  # any number, as long as every migrator takes the same


class Migration(Struct, frozen=True, kw_only=True):
    """One file: its number and name, its text and the text's SHA-256."""

    number: int
    name: str
    sql: str
    checksum: str

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.number:04d}_{self.name}.sql"


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """Every migration of a folder, by number. Errors: OperatorError on a stray name, a gap or a double."""
    found = [_read_migration(path) for path in sorted(folder.glob("*.sql"))]
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise OperatorError(
                f"migration {expected:04d} is missing or doubled: {migration.file} stands in its place"
            )
    return tuple(found)


def _read_migration(path: Path) -> Migration:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise OperatorError(f"{path.name} is not named like 0001_what_it_does.sql")
    sql = path.read_text(encoding="utf-8")
    return Migration(
        number=int(match[1]),
        name=match[2],
        sql=sql,
        checksum=hashlib.sha256(sql.encode()).hexdigest(),
    )


async def pending(dsn: str, folder: Path) -> tuple[Migration, ...]:
    """What migrate would apply now. Errors: OperatorError as for migrate."""
    known = read_migrations(folder)
    async with _connected(dsn) as connection:
        return known[len(await _applied(connection, known)) :]


async def migrate(
    dsn: str, folder: Path, *, report: Callable[[str], None] = lambda _line: None
) -> tuple[Migration, ...]:
    """Apply what is pending, in order, one transaction a file; what was applied is returned.

    report is told each file before it runs. Two migrators at once take turns.
    Errors: OperatorError when a file fails (it leaves nothing behind), when an applied file was changed or is
    missing, or when the database is newer than the folder.
    """
    known = read_migrations(folder)
    done: list[Migration] = []
    async with _connected(dsn) as connection:
        while (applied := await _apply_next(connection, known, report=report)) is not None:
            done.append(applied)
    return tuple(done)


@asynccontextmanager
async def _connected(dsn: str) -> "AsyncIterator[Connection]":
    try:
        connection = await asyncpg.connect(
            dsn, timeout=5, server_settings={"application_name": "ringpost-migrate"}
        )
    except CANNOT_CONNECT as error:
        raise OperatorError(f"Postgres cannot be used: {told(error)}") from None
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


_TAKE_TURNS = "SELECT pg_advisory_xact_lock($1)"


async def _apply_next(
    connection: "Connection", known: Sequence[Migration], *, report: Callable[[str], None]
) -> Migration | None:
    async with connection.transaction():
        await connection.execute(_TAKE_TURNS, _LOCK)
        place = len(await _applied(connection, known))
        if place == len(known):
            return None
        report(known[place].file)
        await _run(connection, known[place])
        return known[place]


_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""
_RECORD = "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)"


async def _run(connection: "Connection", migration: Migration) -> None:
    try:
        await connection.execute(_CREATE_TABLE)
        await connection.execute(migration.sql)
        await connection.execute(_RECORD, migration.number, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        raise OperatorError(f"{migration.file}{_line_of(error, migration.sql)}: {told(error)}") from error


def _line_of(error: asyncpg.PostgresError, sql: str) -> str:
    position = getattr(error, "position", None)
    return f" line {sql.count(chr(10), 0, int(position)) + 1}" if position else ""


_TABLE_EXISTS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_LOAD_APPLIED = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"


async def _applied(connection: "Connection", known: Sequence[Migration]) -> list[int]:
    if not await connection.fetchval(_TABLE_EXISTS):
        return []
    rows = await connection.fetch(_LOAD_APPLIED)
    if len(rows) > len(known):
        raise OperatorError(
            f"the database is newer than this program: it has migration {rows[-1]['number']:04d}"
        )
    for row, migration in zip(rows, known, strict=False):
        if (row["number"], row["checksum"]) != (migration.number, migration.checksum):
            raise OperatorError(
                f"{migration.file} was changed after it had been applied; restore it and add a new migration"
            )
    return [row["number"] for row in rows]
