"""The drain: from the event streams into the ping log, each entry once, whatever dies when.

Owns the one transaction that stores rows and moves cursors. Must never trim before it has committed, lose an entry to
another's fault, or let one that cannot be stored stop the stream: that one is counted and its id logged.

Failure policy: Redis or Postgres away is Unavailable; nothing is stored half, the streams wait.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from msgspec import Struct

from shared.domain.ping_log import PingRow, read_entry
from shared.domain.pings import Confirmation
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.metrics import EVENTS_POISONED, ROWS_DRAINED, TRACES_LEFT_OUT
from shared.stores.events import PAGE, Cursor, Streams, claim_cursors, save_cursors
from shared.stores.key_uses import KeyUse, save_uses
from shared.stores.partitions import make, partition_of
from shared.stores.pings import save_confirmations, save_drained
from shared.stores.postgres import Connection, Postgres

_LOG = get_logger()
_MISFITS = (
    asyncpg.DataError,  # a value that the server refuses, such as a NUL or too much money
    asyncpg.IntegrityConstraintViolationError,
    ValueError,
    OverflowError,
    TypeError,
)


class Batch:
    """What was read of some shards, and how far.

    Shape: rows and confirmations by uuid; poisoned holds the id of the entry, or the uuid where that much was legible.
    uses and untraced (how many lack their trace) are of the rows that could be stored.
    """

    def __init__(self) -> None:
        self.rows: dict[str, PingRow] = {}
        self.confirmations: dict[str, Confirmation] = {}
        self.entries = 0
        self.cursors: list[Cursor] = []
        self.poisoned: list[str] = []
        self.uses: list[KeyUse] = []
        self.untraced = 0

    def take(self, entry_id: str, fields: Sequence[bytes]) -> None:
        """One entry of a stream."""
        self.entries += 1
        read = read_entry(entry_id, fields)
        if read is None:
            self.poisoned.append(entry_id)
        elif isinstance(read, Confirmation):
            self.confirmations.setdefault(read.uuid, read)
        else:
            self.rows.setdefault(read.uuid, read)


class Drained(Struct, frozen=True, kw_only=True):
    """What one drain did. Shape: more = some stream had more than was taken; busy = some are drained elsewhere."""

    entries: int = 0
    more: bool = False
    busy: bool = False


class Drain:
    """Moves entries. Several at once are safe: a shard belongs to one transaction at a time."""

    def __init__(self, postgres: Postgres, streams: Streams) -> None:
        self._postgres = postgres
        self._streams = streams

    async def drain(self, shards: Sequence[int], limit: int, *, wait: bool = False) -> Drained:
        """Store the next entries of these shards, about limit in all.

        Shape: wait = also the shards that somebody else drains now, once that is done.
        Errors: Unavailable; whether the commit was applied may then be unknown, and does not matter.
        """
        async with self._postgres.transaction() as connection:
            cursors = await claim_cursors(connection, shards, wait=wait)
            if not cursors:
                return Drained(busy=bool(shards))
            batch = Batch()
            each = max(1, limit // len(cursors))
            more = [await self._read(batch, cursor, limit=each) for cursor in cursors]
            await _store(connection, batch)
            await save_cursors(connection, batch.cursors)
        for name in batch.poisoned:
            _LOG.error("event_passed_over", event_id=name)
        EVENTS_POISONED.add(n=len(batch.poisoned))
        ROWS_DRAINED.add(n=batch.entries - len(batch.poisoned))
        TRACES_LEFT_OUT.add(n=batch.untraced)
        for cursor in batch.cursors:
            await self._streams.let_go(cursor.shard, cursor)
        return Drained(entries=batch.entries, more=any(more), busy=len(cursors) < len(shards))

    async def drain_all(self, shards: Sequence[int], limit: int) -> None:
        """Store everything that these streams hold now, waiting for whoever is at it."""
        while (await self.drain(shards, limit, wait=True)).more:
            pass

    async def _read(self, batch: Batch, cursor: Cursor, *, limit: int) -> bool:
        """Read a stream on from its cursor into the batch; whether there is more.

        Errors: Unavailable when the server was replaced meanwhile: ids of two servers must not mix.
        """
        shard, run_id = cursor.shard, self._streams.run_id(cursor.shard)
        last_id = cursor.start_in(run_id)
        taken, page = 0, PAGE
        while taken < limit and page == PAGE:
            entries = await self._streams.read_after(shard, last_id, count=PAGE)
            for entry_id, fields in entries:
                batch.take(entry_id, fields)
                last_id = entry_id
            page = len(entries)
            taken += page
        if self._streams.run_id(shard) != run_id:
            raise Unavailable("redis")
        batch.cursors.append(Cursor(shard=shard, epoch=run_id, last_id=last_id))
        return page == PAGE


async def _store(connection: Connection, batch: Batch) -> None:
    rows = list(batch.rows.values())
    if rows:
        days = {partition_of("pings", datetime.fromtimestamp(row.created_ms // 1000, UTC)) for row in rows}
        await make(connection, days)
        await _save_what_fits(connection, batch, rows=rows)
        await save_uses(connection, batch.uses)
    if batch.confirmations:
        await save_confirmations(connection, list(batch.confirmations.values()))


async def _save_what_fits(connection: Connection, batch: Batch, *, rows: list[PingRow]) -> None:
    """Store rows; those that fit no column are poisoned. Cost: O(log n) more tries for each of them."""
    try:
        async with connection.transaction():
            uses = await save_drained(connection, rows)
    except _MISFITS:
        if len(rows) == 1:
            batch.poisoned.append(rows[0].uuid)
            return
        half = len(rows) // 2
        await _save_what_fits(connection, batch, rows=rows[:half])
        await _save_what_fits(connection, batch, rows=rows[half:])
    else:
        batch.uses += uses
        batch.untraced += sum(row.trace is None for row in rows)
