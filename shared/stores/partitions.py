"""Partitions: which exist, which are needed soon, which have been kept long enough.

Owns the making and dropping of every range partition. Must never drop a day or month that is still to be kept, nor
hold up the parent's readers and writers: a new one is attached (SHARE UPDATE EXCLUSIVE on the parent), an old one is
dropped only when its lock comes at once.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import asyncpg
from msgspec import Struct

from shared.stores.postgres import Connection, Postgres

BY_DAY = ("pings",)
BY_MONTH = ("calls", "legs", "call_tags", "conversions", "ledger", "postback_log")
# Of rows that change after their insert: the room left on a page lets a new version stand beside the old, so that no index of
# the table is written.
_FILLED_PCT = {"calls": 60, "legs": 80, "call_tags": 90}
DAYS_AHEAD = 3
MONTHS_AHEAD = 2
_NAME = re.compile(r"([a-z_]+)_(\d{4})(\d{2})(\d{2})?")


class Partition(Struct, frozen=True, kw_only=True):
    """One day or month of a table, in UTC, from its first day to the day after its last."""

    parent: str
    first: date
    until: date

    @property
    def name(self) -> str:
        """The partition's own name: the day or month behind the parent's."""
        return (
            f"{self.parent}_{self.first:%Y%m%d}"
            if self.parent in BY_DAY
            else f"{self.parent}_{self.first:%Y%m}"
        )


def partition_of(parent: str, moment: datetime) -> Partition:
    """The partition in which a row of that moment stands."""
    day = moment.astimezone(UTC).date()
    if parent in BY_DAY:
        return Partition(parent=parent, first=day, until=day + timedelta(days=1))
    return Partition(parent=parent, first=day.replace(day=1), until=_next_month(day))


async def ensure(connection: Connection, now: datetime) -> int:
    """Make what the next days and months need, and yesterday and last month for late rows; how many were made.

    Runs after the migrations (schema.py), before any insert; afterwards the worker repeats it.
    """
    days = [now + timedelta(days=ahead) for ahead in range(-1, DAYS_AHEAD + 1)]
    wanted = [partition_of(parent, day) for parent in BY_DAY for day in days]
    for parent in BY_MONTH:
        month = partition_of(parent, _midnight(partition_of(parent, now).first) - timedelta(days=1))
        for _ in range(MONTHS_AHEAD + 2):
            wanted.append(month)
            month = partition_of(parent, _midnight(month.until))
    return await make(connection, wanted)


# Not to_regclass: its cache may not yet know what was committed while we waited for our turn.
SELECT_MISSING = """
SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (
    SELECT FROM pg_class WHERE relname = name AND relnamespace = current_schema()::regnamespace
)
"""
TAKE_TURNS = "SELECT pg_advisory_xact_lock($1)"
_LOCK = 7_464_767_831


async def make(connection: Connection, wanted: Iterable[Partition]) -> int:
    """Make those that are missing; how many. Runs inside the caller's transaction. Cost: one query when none is."""
    by_name = {partition.name: partition for partition in wanted}
    if not await connection.fetch(SELECT_MISSING, list(by_name)):
        return 0
    async with connection.transaction():
        await connection.execute(TAKE_TURNS, _LOCK)
        missing = await connection.fetch(SELECT_MISSING, list(by_name))
        for row in missing:
            await _make(connection, by_name[row["name"]])
    return len(missing)


async def _make(connection: Connection, partition: Partition) -> None:
    # Names and bounds are ours: DDL takes no parameters.
    filled = _FILLED_PCT.get(partition.parent, 100)
    await connection.execute(
        f"CREATE TABLE {partition.name} (LIKE {partition.parent} INCLUDING ALL) WITH (fillfactor = {filled})"
    )
    await connection.execute(
        f"ALTER TABLE {partition.parent} ATTACH PARTITION {partition.name} "
        f"FOR VALUES FROM ('{partition.first} 00:00+00') TO ('{partition.until} 00:00+00')"
    )


SELECT_PARTITIONS = """
SELECT child.relname AS name FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid
JOIN pg_class parent ON parent.oid = inhparent
WHERE parent.relname = ANY($1::text[]) AND pg_table_is_visible(parent.oid)
ORDER BY child.relname
"""


async def load_partitions(postgres: Postgres, parents: Iterable[str]) -> list[Partition]:
    """Every day and month there is of these tables, by name."""
    found = []
    for row in await postgres.fetch(SELECT_PARTITIONS, list(parents)):
        match = _NAME.fullmatch(row["name"])
        if match:
            year, month, day = int(match[2]), int(match[3]), int(match[4] or 1)
            found.append(partition_of(match[1], datetime(year, month, day, tzinfo=UTC)))
    return found


SET_PATIENCE = "SET LOCAL lock_timeout = '200ms'"


async def drop_before(postgres: Postgres, parents: Iterable[str], *, kept_from: datetime) -> tuple[int, int]:
    """Drop what ended before that moment; how many went, and how many were in use and stay until the next time."""
    dropped = busy = 0
    for partition in await load_partitions(postgres, parents):
        if partition.until > kept_from.astimezone(UTC).date():
            continue
        if await _drop(postgres, partition):
            dropped += 1
        else:
            busy += 1
    return dropped, busy


async def _drop(postgres: Postgres, partition: Partition) -> bool:
    try:
        async with postgres.transaction() as connection:
            await connection.execute(SET_PATIENCE)
            await connection.execute(f"ALTER TABLE {partition.parent} DETACH PARTITION {partition.name}")
            await connection.execute(f"DROP TABLE {partition.name}")
    except (asyncpg.LockNotAvailableError, asyncpg.UndefinedTableError):  # in use, or just dropped elsewhere
        return False
    return True


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
