"""The schema as it must stand before the first insert: migrated, and with partitions for the days to come.

Owns their order. Must never run through a pooler.
"""

from collections.abc import Callable
from pathlib import Path

from shared.stores import partitions
from shared.stores.migrations import Migration, migrate
from shared.stores.postgres import Postgres

_DEADLINE_S = 30.0
NOW = "SELECT now()"


async def prepare(
    dsn: str, folder: Path, *, report: Callable[[str], None] = lambda _line: None
) -> tuple[Migration, ...]:
    """Apply what is pending, then make the partitions that are missing; what was applied is returned.

    report is told each file before it runs. Safe to repeat, and with several at once. Errors: OperatorError as of migrate.
    """
    applied = await migrate(dsn, folder, report=report)
    postgres = await Postgres.open(dsn, max_size=1, deadline_s=_DEADLINE_S, name="ringpost-migrate")
    try:
        async with postgres.transaction() as connection:
            await partitions.ensure(connection, await connection.fetchval(NOW))
    finally:
        await postgres.close()
    return applied
