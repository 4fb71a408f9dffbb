"""The partitions job: days and months are made before they are needed, and dropped when kept long enough.

Owns the rhythm, and the short-lived rows that no partition drops. Must never shorten what the settings say is kept.
"""

from datetime import UTC, datetime, timedelta

from shared.clock import Clock
from shared.logs import get_logger
from shared.metrics import PARTITIONS_DROPPED
from shared.stores.partitions import BY_DAY, BY_MONTH, drop_before, ensure
from shared.stores.postgres import Postgres

_LOG = get_logger()
_DAYS_A_MONTH = 31


class PartitionsJob:
    """Makes what the next days need, each ten minutes."""

    name = "partitions"
    interval_s = 600.0

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        self._postgres = postgres
        self._clock = clock

    async def step(self) -> bool:
        """Make what is missing. Cost: one query when nothing is."""
        async with self._postgres.transaction() as connection:
            await ensure(connection, _now(self._clock))
        return False


def _forget(table: str, column: str) -> str:
    # Names cannot be parameters. A place alone is not enough: each partition counts its own.
    old = f"SELECT tableoid, ctid FROM {table} WHERE {column} < $1 LIMIT $2"  # noqa: S608 - names of ours
    return f"DELETE FROM {table} WHERE (tableoid, ctid) IN ({old})"  # noqa: S608 - names of ours


FORGET_CHANGES = _forget("config_changes", "changed_at")
FORGET_KEYS = tuple(_forget(table, "created_at") for table in ("call_keys", "idempotency_keys"))
FORGET_DELIVERIES = _forget("outbox", "finished_at")
_DELIVERIES_KEPT = timedelta(days=31)  # so long a delivery can be looked at and replayed
_BATCH = 5_000


class RetentionJob:
    """Drops what has been kept long enough, each hour."""

    name = "retention"
    interval_s = 3_600.0

    def __init__(self, postgres: Postgres, clock: Clock, *, pings_days: int, calls_months: int) -> None:
        self._postgres = postgres
        self._clock = clock
        self._kept = ((BY_DAY, pings_days), (BY_MONTH, calls_months * _DAYS_A_MONTH))

    async def step(self) -> bool:
        """Drop old partitions, delete old short-lived rows. True while there are more of the latter."""
        now = _now(self._clock)
        for parents, days in self._kept:
            dropped, busy = await drop_before(self._postgres, parents, kept_from=now - timedelta(days=days))
            PARTITIONS_DROPPED.add(n=dropped)
            if busy:
                _LOG.warning("partitions_in_use", left=busy)
        return await self._forget(now)

    async def _forget(self, now: datetime) -> bool:
        counts = [await self._delete(FORGET_CHANGES, now - timedelta(hours=24))]
        counts += [await self._delete(statement, now - timedelta(hours=48)) for statement in FORGET_KEYS]
        counts.append(await self._delete(FORGET_DELIVERIES, now - _DELIVERIES_KEPT))
        return any(count == _BATCH for count in counts)

    async def _delete(self, statement: str, before: datetime) -> int:
        return int((await self._postgres.execute(statement, before, _BATCH)).split()[1])


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
