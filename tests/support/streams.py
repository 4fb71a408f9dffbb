"""Stream entries as reserve.lua and confirm.lua append them, written by hand.

Owns their format on the tests' side: a change there must break here.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from shared.domain import uuid7
from shared.domain.pings import PingEvent, Winner, encode_event, encode_winner, write_candidate
from shared.stores import redis_keys
from shared.stores.redis import Redis

Fields = tuple[str | bytes, ...]
NOW_MS = 1_760_000_000_000
WINNER = Winner(buyer_id=12, group_id=3, revenue="25.00", payout="20.5", seconds=90, dba='O"Hara & Söhne')
TRACE = f"{write_candidate(12, 3, bid='25.00')} {write_candidate(13, 0, bid='9.5')}\n" + write_candidate(
    14, 0, bid="", reason="buyers_closed"
)
_chance = count(1)
_last_ms: WeakKeyDictionary[Redis, dict[int, int]] = WeakKeyDictionary()


def new_uuid(at_ms: int = NOW_MS, shard: int = 5) -> str:
    """A uuid of that moment and shard that no other test has."""
    return uuid7.make(at_ms, shard, rand=next(_chance).to_bytes(8, "big"))


def event(at_ms: int = NOW_MS, shard: int = 5, **changes: Any) -> PingEvent:
    """A ping of company 1 as it was evaluated."""
    plain = PingEvent(
        uuid=new_uuid(at_ms, shard),
        company_id=1,
        key_id=7,
        publisher_id=2,
        campaign_id=4,
        caller="+13105551212",
        now_ms=at_ms,
        version=3,
        number_asked="",
        test=False,
        reason="",
        tags={"caller_state": "CA", "caller_country": "us", "geo": ("us", "us-ca"), "age": "42"},
    )
    return replace(plain, **changes)


def reserved(
    ping: PingEvent,
    *,
    expires_ms: int,
    number: str = "+18005550100",
    subjects: str = "",
    winner: Winner = WINNER,
    trace: str | None = TRACE,
) -> Fields:
    """The first candidate took the caller."""
    result = f"reserved|k|{expires_ms}|{number}|{subjects}||reserved"
    return _fields(ping, result, winner, trace)


def repeat(ping: PingEvent, original: str, *, expires_ms: int, status: str = "reserved") -> Fields:
    """The same caller again, same publisher."""
    return _fields(ping, f"repeat||{expires_ms}|+18005550100||{original}|{status}", WINNER, TRACE)


def duplicate(ping: PingEvent, original: str) -> Fields:
    """The same caller from another publisher."""
    return _fields(ping, f"duplicate|||||{original}|rejected", None, TRACE)


def no_target(ping: PingEvent, verdicts: str = "cs", trace: str | None = TRACE) -> Fields:
    """Nobody may take the caller."""
    return _fields(ping, f"no-target|{verdicts}|||||", None, trace)


def confirmation(uuid: str, at_ms: int, subjects: str = "") -> Fields:
    """The publisher confirmed."""
    return ("c", f"{uuid}|{at_ms}|{subjects}")


def _fields(ping: PingEvent, result: str, winner: Winner | None, trace: str | None) -> Fields:
    fields: Fields = ("e", encode_event(ping), "r", result)
    if winner is not None:
        fields += ("w", encode_winner(winner))
    return fields if trace is None else (*fields, "t", trace)


async def append(redis: Redis, shard: int, entries: Sequence[Fields], *, at_ms: int = NOW_MS) -> list[str]:
    """Append entries in order, as of that moment or of the last entry that we appended; their ids."""
    key = redis_keys.events(shard)
    last = _last_ms.setdefault(redis, {})
    at_ms = last[shard] = max(at_ms, last.get(shard, 0))
    replies = await redis.commands(shard, [("XADD", key, f"{at_ms}-*", *fields) for fields in entries])
    return [reply.decode() for reply in replies]


async def warm(redis: Redis, *shards: int) -> None:
    """Let scripts trust these shards."""
    for shard in shards:
        await redis.command(shard, "HSET", redis_keys.head(shard), "epoch", redis.run_id_of(shard))
