"""The drain: every entry once, statuses forward only, no entry able to stop the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from shared.domain import uuid7
from shared.errors import Unavailable
from shared.metrics import EVENTS_POISONED
from shared.stores import redis_keys
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.pings import find_ping
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.engines import Engine, fresh_database_of, make_template
from tests.support.streams import (
    NOW_MS,
    Fields,
    append,
    confirmation,
    duplicate,
    event,
    new_uuid,
    no_target,
    repeat,
    reserved,
    warm,
)

PATIENT = Limits(deadline_ms=5_000, silence_ms=10_000, waiting=4_096)
SHARD = 5
EXPIRES = NOW_MS + 15_000


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=15)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(fresh_redis, scripts=(TRIM,), limits=PATIENT)
    yield redis
    await redis.close()


@pytest.fixture
def drain(postgres: Postgres, redis: Redis) -> Drain:
    return Drain(postgres, Streams(redis))


async def _rows(postgres: Postgres, columns: str = "*") -> list[Any]:
    return [
        tuple(row) for row in await postgres.fetch(f"SELECT {columns} FROM pings ORDER BY created_at, uuid")
    ]


async def _length(redis: Redis, shard: int = SHARD) -> int:
    return int(await redis.command(shard, "XLEN", redis_keys.events(shard)))


def _pings(n: int, shard: int = SHARD, at_ms: int = NOW_MS) -> list[Fields]:
    return [reserved(event(at_ms + i, shard), expires_ms=at_ms + i + 15_000) for i in range(n)]


async def test_a_reserved_ping_becomes_a_row(postgres: Postgres, redis: Redis, drain: Drain) -> None:
    await warm(redis, SHARD)
    ping = event()
    await append(redis, SHARD, [reserved(ping, expires_ms=EXPIRES, subjects="b12,g3")])
    drained = await drain.drain([SHARD], 100)
    assert (drained.entries, drained.more, drained.busy) == (1, False, False)
    row = await find_ping(postgres, ping.uuid)
    assert row is not None
    assert (row.status, row.reason, row.expires_ms, row.ended_ms) == ("reserved", "", EXPIRES, 0)
    assert (row.caller, row.number, row.holds) == ("+13105551212", "+18005550100", "b12,g3")
    assert row.created_ms == NOW_MS == uuid7.ms_of(row.uuid)
    assert row.tags == ping.tags
    assert [(each.buyer_id, each.reason) for each in row.trace or ()] == [
        (12, ""),
        (13, "outranked"),
        (14, "buyers_closed"),
    ]
    winner = row.replay.winner
    assert winner is not None
    assert (winner.buyer_id, winner.payout, winner.dba) == (12, "20.5", 'O"Hara & Söhne')
    assert (row.replay.version, row.replay.verdicts, row.replay.now_ms) == (3, "k", NOW_MS)
    money = await _rows(postgres, "buyer_id, group_id, revenue::text, payout::text, seconds, caller_state")
    assert money == [(12, 3, "25.0000", "20.5000", 90, "CA")]
    assert await _length(redis) == 0


async def test_what_was_not_reserved_says_why(postgres: Postgres, redis: Redis, drain: Drain) -> None:
    first = event()
    known = [event(NOW_MS + 1), event(NOW_MS + 2, publisher_id=9)]
    refused = [event(NOW_MS + 3), event(NOW_MS + 4, reason="campaign_paused"), event(NOW_MS + 5, caller="")]
    shielded = event(NOW_MS + 6, reason="claim_rate")
    entries = [
        reserved(first, expires_ms=EXPIRES, trace=None),
        repeat(known[0], first.uuid, expires_ms=EXPIRES),
        duplicate(known[1], first.uuid),
        no_target(refused[0], "cs"),
        no_target(refused[1], "", "\n"),
        no_target(refused[2], "S", None),
        no_target(shielded, "", "\n"),
    ]
    await append(redis, SHARD, entries, at_ms=NOW_MS + 250)
    await drain.drain([SHARD], 100)
    assert await _rows(
        postgres,
        "status, reason, duplicate_original_uuid IS NOT NULL, trace IS NULL, time_to_resolve_s::float8",
    ) == [
        ("reserved", None, False, True, None),
        ("reserved", None, True, False, None),
        ("rejected", "duplicate_caller", True, False, 0.248),
        ("no-target", "caller_suppressed", False, False, 0.247),
        ("no-target", "campaign_paused", False, False, 0.246),
        ("no-target", "caller_suppressed", False, True, 0.245),
        ("rejected", "claim_rate", False, False, 0.244),
    ]
    assert [row[0] for row in await _rows(postgres, "caller")].count(None) == 1


async def test_confirmations_of_this_batch_and_of_earlier_ones(
    postgres: Postgres, redis: Redis, drain: Drain
) -> None:
    await warm(redis, SHARD)
    early, late = event(), event(NOW_MS + 1)
    await append(redis, SHARD, [reserved(early, expires_ms=EXPIRES), reserved(late, expires_ms=EXPIRES)])
    await append(redis, SHARD, [confirmation(early.uuid, NOW_MS + 500, "b12")])
    await drain.drain([SHARD], 100)
    again = [confirmation(late.uuid, NOW_MS + 600, "b12,g3"), confirmation(early.uuid, NOW_MS + 900, "b12")]
    await append(redis, SHARD, [*again, confirmation(new_uuid(), NOW_MS + 700)])
    await drain.drain([SHARD], 100)
    rows = [await find_ping(postgres, ping.uuid) for ping in (early, late)]
    assert [(row.status, row.confirmed_ms, row.holds) for row in rows if row] == [
        ("confirmed", NOW_MS + 500, "b12"),
        ("confirmed", NOW_MS + 600, "b12,g3"),
    ]


async def test_a_late_confirmation_moves_no_ended_row_back(
    postgres: Postgres, redis: Redis, drain: Drain
) -> None:
    ping = event()
    await append(redis, SHARD, [reserved(ping, expires_ms=EXPIRES)])
    await drain.drain([SHARD], 100)
    await postgres.execute("UPDATE pings SET status = 'claimed'")
    await append(redis, SHARD, [confirmation(ping.uuid, NOW_MS + 500)])
    await drain.drain([SHARD], 100)
    row = await find_ping(postgres, ping.uuid)
    assert row is not None
    assert (row.status, row.confirmed_ms) == ("claimed", NOW_MS + 500)


def _broken() -> Sequence[Fields]:
    ping = event()
    good = reserved(ping, expires_ms=EXPIRES)
    money = reserved(event(), expires_ms=EXPIRES)
    return [
        ("x", "y"),
        ("e", "{not json", "r", "reserved|k|1|||"),
        (*good[:3], "nonsense|k|1||||reserved", *good[4:]),
        ("e", good[1], "r", "reserved|k|1|||"),
        ("e", good[1], "r", f"reserved|k|{EXPIRES}||||reserved"),
        ("e", good[1], "r", f"reserved|k|{EXPIRES}||||reserved", "w", b"\xff"),
        reserved(event(uuid="not-a-uuid"), expires_ms=EXPIRES),
        reserved(event(uuid=new_uuid(NOW_MS - 172_800_000)), expires_ms=EXPIRES),
        reserved(event(key_id=1 << 70), expires_ms=EXPIRES),
        reserved(event(tags={"a": "\0"}), expires_ms=EXPIRES),
        reserved(event(caller="\0"), expires_ms=EXPIRES),
        (*money[:5], money[5].replace(b"25.00", b"9e999"), *money[6:]),  # type: ignore[arg-type]
        (*money[:5], money[5].replace(b"25.00", b"xxxxx"), *money[6:]),  # type: ignore[arg-type]
        reserved(event(), expires_ms=1 << 62),
        repeat(event(), new_uuid(1 << 47), expires_ms=EXPIRES),
        confirmation("not-a-uuid", NOW_MS),
        confirmation(new_uuid(1 << 47), NOW_MS),
        confirmation(new_uuid(), 1 << 62),
        ("c", "garbage"),
    ]


async def test_a_poisoned_entry_stops_nothing(postgres: Postgres, redis: Redis, drain: Drain) -> None:
    await warm(redis, SHARD)
    EVENTS_POISONED.fold()
    good = _pings(40)
    broken = _broken()
    mixed = [*good[:20], *broken, *good[20:]]
    await append(redis, SHARD, mixed)
    assert (await drain.drain([SHARD], 1_000)).entries == len(mixed)
    assert len(await _rows(postgres, "uuid")) == len(good)
    assert EVENTS_POISONED._pending == {(): len(broken)}
    assert await _length(redis) == 0


async def test_a_stream_whose_ids_are_ahead_loses_nothing(
    postgres: Postgres, redis: Redis, drain: Drain
) -> None:
    """The clock of Redis was years ahead for a moment: its ids stay there when the clock is right again."""
    ping = event()
    entries = [no_target(event()), reserved(ping, expires_ms=EXPIRES), confirmation(ping.uuid, NOW_MS + 5)]
    await append(redis, SHARD, entries, at_ms=NOW_MS + 10**11)
    await drain.drain([SHARD], 100)
    assert sorted(await _rows(postgres, "status")) == [("confirmed",), ("no-target",)]


async def test_many_shards_in_one_go(postgres: Postgres, redis: Redis, drain: Drain) -> None:
    shards = list(range(16))
    await warm(redis, *shards)
    for shard in shards:
        await append(redis, shard, _pings(30, shard))
    drained = await drain.drain(shards, 2_000)
    assert (drained.entries, drained.more) == (480, False)
    assert len(await _rows(postgres, "uuid")) == 480
    assert await Streams(redis).lengths() == [0] * 64


async def test_a_long_stream_is_taken_piece_by_piece(postgres: Postgres, redis: Redis, drain: Drain) -> None:
    await warm(redis, SHARD)
    await append(redis, SHARD, _pings(1_100))
    assert (await drain.drain([SHARD], 500)).more
    assert (len(await _rows(postgres, "uuid")), await _length(redis)) == (500, 600)
    await drain.drain_all([SHARD], 500)
    assert (len(await _rows(postgres, "uuid")), await _length(redis)) == (1_100, 0)


async def test_a_cold_shard_is_stored_but_not_trimmed(postgres: Postgres, redis: Redis, drain: Drain) -> None:
    await append(redis, SHARD, _pings(3))
    await drain.drain([SHARD], 100)
    assert (len(await _rows(postgres, "uuid")), await _length(redis)) == (3, 3)
    assert (await drain.drain([SHARD], 100)).entries == 0


async def test_another_epoch_reads_from_the_start_and_stores_nothing_twice(
    postgres: Postgres, redis: Redis, drain: Drain
) -> None:
    first = event()
    await append(redis, SHARD, [reserved(first, expires_ms=EXPIRES), *_pings(5)])
    await drain.drain([SHARD], 100)
    await postgres.execute("UPDATE pings SET status = 'expired' WHERE uuid = $1", first.uuid)
    await postgres.execute("UPDATE stream_cursors SET epoch = 'another'")
    await append(redis, SHARD, _pings(2))
    assert (await drain.drain([SHARD], 100)).entries == 8
    assert len(await _rows(postgres, "uuid")) == 8
    row = await find_ping(postgres, first.uuid)
    assert row is not None
    assert row.status == "expired"


async def test_two_drainers_at_once_store_each_entry_once(
    postgres: Postgres, redis: Redis, drain: Drain
) -> None:
    shards = list(range(8))
    await warm(redis, *shards)
    for shard in shards:
        await append(redis, shard, _pings(300, shard))
    another = Drain(postgres, Streams(redis))

    async def work(each: Drain) -> None:
        while any(await Streams(redis).lengths()):
            await asyncio.gather(*(each.drain([shard], 100) for shard in shards[:2]))
            await each.drain(shards, 200)

    await asyncio.gather(work(drain), work(another))
    assert len(await _rows(postgres, "uuid")) == 2_400
    assert await Streams(redis).lengths() == [0] * 64


async def test_redis_away_stores_nothing(postgres_engine: Engine, own_redis: Engine) -> None:
    with fresh_database_of(postgres_engine.url) as dsn:
        postgres = await Postgres.open(dsn)
        redis = await Redis.open(
            own_redis.url, scripts=(TRIM,), limits=Limits(deadline_ms=100, silence_ms=300)
        )
        await append(redis, SHARD, _pings(3))
        own_redis.pause()
        with pytest.raises(Unavailable):
            await Drain(postgres, Streams(redis)).drain([SHARD], 100)
        assert await _rows(postgres, "uuid") == []
        own_redis.resume()
        await redis.close()
        await postgres.close()


async def test_postgres_away_leaves_the_stream_alone(own_postgres: Engine, redis: Redis) -> None:
    make_template(own_postgres.url)
    with fresh_database_of(own_postgres.url) as dsn:
        postgres = await Postgres.open(dsn, deadline_s=1)
        drain = Drain(postgres, Streams(redis))
        await warm(redis, SHARD)
        await append(redis, SHARD, _pings(3))
        own_postgres.kill9()
        with pytest.raises(Unavailable):
            await drain.drain([SHARD], 100)
        assert await _length(redis) == 3
        own_postgres.start()
        await drain.drain([SHARD], 100)
        assert (len(await _rows(postgres, "uuid")), await _length(redis)) == (3, 0)
        await postgres.close()
