"""The event streams: reading them, letting go what is stored, and how far each is stored.

Owns the table stream_cursors and the reading side of the streams; scripts append. Must never let an entry go before the
transaction that stored it has committed.
"""

import asyncio
from collections.abc import Iterable, Sequence

from asyncpg import Record
from msgspec import Struct

from shared.stores import redis_keys
from shared.stores.postgres import Connection, Postgres
from shared.stores.redis import SHARDS, Redis
from shared.stores.scripts import load_script

TRIM = load_script(__file__, "trim")
START = "0-0"
PAGE = 250  # entries a read: Redis serves pings between two of them

Entry = tuple[str, Sequence[bytes]]


class Cursor(Struct, frozen=True, kw_only=True):
    """How far a shard's stream is stored: up to and with last_id, as numbered by the Redis `epoch`."""

    shard: int
    epoch: str
    last_id: str

    def start_in(self, run_id: str) -> str:
        """After which id to read on in that Redis: another one's stream is read from its start."""
        return self.last_id if self.epoch == run_id else START


class Streams:
    """The 64 streams. Errors: Unavailable('redis')."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def run_id(self, shard: int) -> str:
        """The run_id of the server that holds the shard now."""
        return self._redis.run_id_of(shard)

    async def lengths(self) -> list[int]:
        """How many entries each shard holds, by shard. Cost: one batch."""
        return list(
            await asyncio.gather(
                *(self._redis.command(shard, "XLEN", redis_keys.events(shard)) for shard in range(SHARDS))
            )
        )

    async def oldest_ms(self, shards: Iterable[int]) -> int:
        """When the oldest entry of these shards was appended; 0 when there is none. Cost: one batch."""
        heads = await asyncio.gather(*(self.read_after(shard, START, count=1) for shard in shards))
        return min((ms_of(page[0][0]) for page in heads if page), default=0)

    async def read_after(self, shard: int, entry_id: str, *, count: int) -> list[Entry]:
        """The next entries of a shard. Shape: oldest first, at most count. Cost: one round trip."""
        reply = await self._redis.command(
            shard, "XRANGE", redis_keys.events(shard), f"({entry_id}", "+", "COUNT", count
        )
        return [(entry[0].decode(), entry[1] or ()) for entry in reply]

    async def read_all_after(self, entry_ids: Sequence[str], count: int) -> list[list[Entry]]:
        """The same of every shard, by shard, each after its own id. Cost: one batch."""
        return list(
            await asyncio.gather(
                *(self.read_after(shard, entry_id, count=count) for shard, entry_id in enumerate(entry_ids))
            )
        )

    async def let_go(self, shard: int, cursor: Cursor) -> int:
        """Trim what the cursor says is stored; how many entries. A cold shard is left as it is."""
        keys = (redis_keys.head(shard), redis_keys.events(shard))
        reply = await self._redis.script(TRIM, shard, keys=keys, args=(cursor.epoch, after(cursor.last_id)))
        return int(reply[1]) if reply[0] == b"ok" else 0


def ms_of(entry_id: str) -> int:
    """When an entry was appended, by Redis's clock."""
    return int(entry_id.partition("-")[0])


def after(entry_id: str) -> str:
    """The smallest id above this one."""
    ms, _, sequence = entry_id.partition("-")
    return f"{ms}-{int(sequence) + 1}"


CLAIM_CURSORS = """
SELECT shard, epoch, last_id FROM stream_cursors WHERE shard = ANY($1::smallint[]) ORDER BY shard FOR UPDATE SKIP LOCKED
"""
AWAIT_CURSORS = """
SELECT shard, epoch, last_id FROM stream_cursors WHERE shard = ANY($1::smallint[]) ORDER BY shard FOR UPDATE
"""


async def claim_cursors(connection: Connection, shards: Sequence[int], *, wait: bool) -> list[Cursor]:
    """The cursors of these shards, for this transaction alone. wait: else those in use elsewhere are left out."""
    return [_cursor(row) for row in await connection.fetch(AWAIT_CURSORS if wait else CLAIM_CURSORS, shards)]


SAVE_CURSORS = """
UPDATE stream_cursors SET epoch = moved.epoch, last_id = moved.last_id, drained_at = now()
FROM unnest($1::smallint[], $2::text[], $3::text[]) AS moved (shard, epoch, last_id)
WHERE stream_cursors.shard = moved.shard
"""


async def save_cursors(connection: Connection, cursors: Sequence[Cursor]) -> None:
    """Move cursors that this transaction has claimed."""
    await connection.execute(
        SAVE_CURSORS,
        [cursor.shard for cursor in cursors],
        [cursor.epoch for cursor in cursors],
        [cursor.last_id for cursor in cursors],
    )


RESTART_CURSORS = "UPDATE stream_cursors SET last_id = '0-0' WHERE shard = ANY($1::smallint[])"


async def read_from_start(postgres: Postgres, shards: Sequence[int]) -> None:
    """Trust no id of these streams any more: what is stored already will be met again, and be known."""
    await postgres.execute(RESTART_CURSORS, shards)


def _cursor(row: Record) -> Cursor:
    return Cursor(shard=row["shard"], epoch=row["epoch"], last_id=row["last_id"])
