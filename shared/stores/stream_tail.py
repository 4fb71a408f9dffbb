"""Pings that are not in the log yet, and those that come now.

Owns the operator's view of the event streams. Must never trim a stream or move a cursor.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from shared.domain import uuid7
from shared.domain.ping_log import PingRow, read_entry
from shared.domain.pings import Confirmation
from shared.domain.reservations import read_reservation
from shared.stores import redis_keys
from shared.stores.events import PAGE, Streams
from shared.stores.pings import load_since
from shared.stores.postgres import Postgres
from shared.stores.redis import SHARDS, Redis

_EARLIER_MS = 2_000  # a uuid's clock may be ahead of the stream's
_OVERLAP_MS = 3_000  # a ping is stored, and let go by its stream, at most so long after it came
_MOST = 20_000
_AHEAD = frozenset({"confirmed", "claimed"})


async def find_waiting(streams: Streams, uuid: str) -> PingRow | None:
    """A ping that waits in its shard's stream, with its confirmation; None when it is not there (any more)."""
    shard, last_id = uuid7.shard_of(uuid), f"{uuid7.ms_of(uuid) - _EARLIER_MS}-0"
    found: PingRow | None = None
    while shard < SHARDS and (entries := await streams.read_after(shard, last_id, count=PAGE)):
        for entry_id, fields in entries:
            read = read_entry(entry_id, fields)
            if isinstance(read, PingRow) and read.uuid == uuid:
                found = read
            elif found and isinstance(read, Confirmation) and read.uuid == uuid:
                found = replace(found, status="confirmed", confirmed_ms=read.at_ms, holds=read.subjects)
        last_id = entries[-1][0]
    return found


async def as_of_now(redis: Redis, ping: PingRow) -> PingRow:
    """The ping with the status of its live reservation, where that is ahead of the log. Cost: one round trip."""
    shard = uuid7.shard_of(ping.uuid)
    if ping.status not in {"reserved", "confirmed"} or ping.original_uuid or shard >= SHARDS:
        return ping
    text = await redis.command(shard, "GET", redis_keys.reservation(shard, ping.uuid))
    status = read_reservation(text).status if text else ""
    return replace(ping, status=status) if status in _AHEAD else ping


class Follower:
    """All pings from now on, each once: from the streams at once, from the log those that left a stream meanwhile."""

    def __init__(self, postgres: Postgres, streams: Streams, *, now_ms: int, key_id: int | None) -> None:
        self._postgres = postgres
        self._streams = streams
        self._key_id = key_id
        self._from_ms = self._newest_ms = now_ms
        self._last_ids = [f"{now_ms}-0"] * SHARDS
        self._seen: dict[str, None] = {}

    async def new(self) -> list[PingRow]:
        """What came since the last look, oldest first. Cost: a batch to Redis, one query."""
        pages = await self._streams.read_all_after(self._last_ids, PAGE)
        read = []
        for shard, page in enumerate(pages):
            for entry_id, fields in page:
                self._last_ids[shard] = entry_id
                read.append(read_entry(entry_id, fields))
        since_ms = max(self._from_ms, self._newest_ms - _OVERLAP_MS)
        stored = await load_since(self._postgres, since_ms, key_id=self._key_id, limit=_MOST)
        return self._unseen([*(ping for ping in read if isinstance(ping, PingRow)), *stored])

    def _unseen(self, pings: Sequence[PingRow]) -> list[PingRow]:
        fresh = []
        for ping in pings:
            if ping.uuid in self._seen or (self._key_id is not None and ping.key_id != self._key_id):
                continue
            self._seen[ping.uuid] = None
            self._newest_ms = max(self._newest_ms, ping.created_ms)
            fresh.append(ping)
        while len(self._seen) > 3 * _MOST:
            del self._seen[next(iter(self._seen))]
        return sorted(fresh, key=lambda ping: (ping.created_ms, ping.uuid))
