"""The rebuild: a cold shard gets back what Postgres knows, whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.clock import Clock
from shared.domain.lists import bucket_of
from shared.domain.pings import PingEvent
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.pings import expire, find_ping
from shared.stores.postgres import Postgres
from shared.stores.rebuild import Rebuild
from shared.stores.rebuild_writes import SCRIPTS
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.stored_tags import Writing, keep, use_up
from tests.support.engines import Engine, empty_redis
from tests.support.streams import WINNER, append, confirmation, event, repeat, reserved
from tests.support.waiting import eventually

PATIENT = Limits(deadline_ms=5_000, silence_ms=10_000, waiting=4_096)
SHARD = 9
CALLER = "+13105551212"
EVERY = list(range(64))


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=6, deadline_s=15)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    redis = await Redis.open(fresh_redis, scripts=(TRIM, *SCRIPTS), limits=PATIENT)
    yield redis
    await redis.close()


@pytest.fixture
def rebuild(postgres: Postgres, redis: Redis) -> Rebuild:
    return Rebuild(postgres, redis, clock=Clock())


async def _company(postgres: Postgres, shard: int = SHARD, version: int = 7) -> int:
    insert = "INSERT INTO companies (name, shard, config_version) VALUES (gen_random_uuid()::text, $1, $2) RETURNING id"
    return int(await postgres.fetchval(insert, shard, version))


async def _hash(redis: Redis, key: str) -> dict[str, str]:
    flat = [part.decode() for part in await redis.command(SHARD, "HGETALL", key)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


async def _ping(redis: Redis, company: int, **changes: Any) -> PingEvent:
    """A reserved ping in the stream, with a hold on b12 and g3 unless told otherwise."""
    now_ms = Clock().now_ms()
    subjects = changes.pop("subjects", "b12,g3")
    number = changes.pop("number", "+18005550100")
    left_ms = changes.pop("left_ms", 15_000)
    ping = event(now_ms, SHARD, company_id=company, **changes)
    entry = reserved(ping, expires_ms=now_ms + left_ms, subjects=subjects, number=number)
    await append(redis, SHARD, [entry], at_ms=now_ms)
    return ping


def _text(ping: PingEvent, **changes: Any) -> str:
    plain: dict[str, Any] = {
        "status": "reserved",
        "expires_ms": ping.now_ms + 15_000,
        "company_id": ping.company_id,
        "key_id": ping.key_id,
        "publisher_id": ping.publisher_id,
        "campaign_id": ping.campaign_id,
        "number": "+18005550100",
        "subjects": "b12,g3",
        "caller": ping.caller,
        "uuid": ping.uuid,
        "winner": WINNER,
    }
    return write_reservation(Reservation(**{**plain, **changes})).decode()


async def test_an_empty_redis_becomes_warm_whole(redis: Redis, rebuild: Rebuild) -> None:
    assert await rebuild.cold() == EVERY
    assert sorted(await rebuild.rebuild(EVERY)) == EVERY
    assert await rebuild.cold() == []
    assert await rebuild.rebuild(EVERY) == []
    assert await _hash(redis, redis_keys.head(0)) == {"epoch": redis.run_id}


async def test_versions_mirror_and_tags_come_back(postgres: Postgres, redis: Redis, rebuild: Rebuild) -> None:
    company, stranger = await _company(postgres), await _company(postgres, shard=10)
    await postgres.execute(
        "INSERT INTO cap_fills (company_id, subject, hour_at, hour_n, hard_n, live_n, rev)"
        " VALUES ($1, 'b12', 3600, 2, 40, 1, 9), ($2, 'b13', 0, 0, 1, 0, 1)",
        company,
        stranger,
    )
    insert_tags = (
        "INSERT INTO stored_tags (company_id, caller, publisher_id, rev, tags, key_id, expires_at)"
        ' VALUES ($1, $2, $3, 4, \'{"age": "42"}\', 1, $4)'
    )
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    await postgres.execute(insert_tags, company, CALLER, 0, until)
    await postgres.execute(insert_tags, company, CALLER, 2, until - timedelta(days=1))
    await redis.command(SHARD, "HSET", redis_keys.fills(SHARD), "b99", "stale", "h:b99", "4")
    await rebuild.rebuild([SHARD])
    head = await _hash(redis, redis_keys.head(SHARD))
    assert (head["epoch"], head[f"v:{company}"]) == (redis.run_id, "7")
    assert f"v:{stranger}" not in head
    assert "rebuild" not in head
    assert await _hash(redis, redis_keys.fills(SHARD)) == {"b12": "3600 2 0 0 0 0 40 1 9"}
    caller = redis_keys.caller(SHARD, company, e164=CALLER)
    expires_ms = int(until.timestamp()) * 1000
    assert await _hash(redis, caller) == {"t0": f'4|{expires_ms}|{{"age": "42"}}'}
    assert 290_000 < await redis.command(SHARD, "PTTL", caller) <= 300_000


async def test_tags_that_a_call_used_up_do_not_come_back_from_an_older_redis(
    postgres: Postgres, redis: Redis, rebuild: Rebuild
) -> None:
    company = await _company(postgres)
    kept = await keep(postgres, Writing(company_id=company, caller=CALLER, key_id=1, tags={"age": "42"}))
    async with postgres.transaction() as connection:
        used = await use_up(connection, company, caller=CALLER, publisher_id=0)
    caller = redis_keys.caller(SHARD, company, e164=CALLER)
    await redis.command(SHARD, "HSET", caller, "t0", kept.hot[0].text)
    await rebuild.rebuild([SHARD])
    assert await _hash(redis, caller) == {"t0": used.hot[0].text}


async def test_caller_lists_come_back(postgres: Postgres, redis: Redis, rebuild: Rebuild) -> None:
    company = await _company(postgres)
    columns = "company_id, level, entity_id, name"
    insert_list = (
        f"INSERT INTO caller_lists ({columns}) VALUES ($1, 'company', $1, 'suppressed') RETURNING id"
    )
    list_id = await postgres.fetchval(insert_list, company)
    insert_generation = (
        "INSERT INTO caller_list_generations (company_id, list_id) VALUES ($1, $2) RETURNING id"
    )
    generation = await postgres.fetchval(insert_generation, company, list_id)
    await postgres.execute("UPDATE caller_lists SET generation_id = $1", generation)
    await postgres.execute(
        "INSERT INTO caller_list_numbers (company_id, generation_id, number) VALUES ($1, $2, $3)",
        company,
        generation,
        CALLER,
    )
    await rebuild.rebuild([SHARD])
    bucket, field = bucket_of(CALLER, 64)
    assert await _hash(redis, redis_keys.bucket(SHARD, company, buckets=64, number=bucket)) == {
        field: str(generation)
    }
    assert (await _hash(redis, redis_keys.head(SHARD)))[f"g:{generation}"] == str(list_id)


async def test_live_reservations_and_holds_come_back(
    postgres: Postgres, redis: Redis, rebuild: Rebuild, fresh_redis: str
) -> None:
    company = await _company(postgres)
    ping = await _ping(redis, company)
    again = event(ping.now_ms, SHARD, company_id=company)
    await append(
        redis, SHARD, [repeat(again, ping.uuid, expires_ms=ping.now_ms + 15_000)], at_ms=ping.now_ms + 5
    )
    await Drain(postgres, Streams(redis)).drain_all([SHARD], 100)
    empty_redis(fresh_redis)
    await rebuild.rebuild([SHARD])
    key = redis_keys.reservation(SHARD, ping.uuid)
    text = (await redis.command(SHARD, "GET", key)).decode()
    assert text == _text(ping)
    assert 70_000 < await redis.command(SHARD, "PTTL", key) <= 75_000
    expires = f"{ping.uuid}|{ping.now_ms + 15_000}"
    assert await _hash(redis, redis_keys.caller(SHARD, company, e164=CALLER)) == {
        "k7": text,
        "m4": "7",
        "n+18005550100": expires,
    }
    assert await _hash(redis, redis_keys.fills(SHARD)) == {"h:b12": "1", "h:g3": "1"}
    due = await redis.command(SHARD, "ZRANGE", redis_keys.due(SHARD), 0, -1, "WITHSCORES")
    assert due == [f"{ping.uuid}|b12,g3".encode(), str(ping.now_ms + 15_000).encode()]


async def test_confirmed_ones_come_back_confirmed_and_ended_ones_do_not(
    postgres: Postgres, redis: Redis, rebuild: Rebuild
) -> None:
    company = await _company(postgres)
    confirmed = await _ping(redis, company, subjects="")
    await append(
        redis, SHARD, [confirmation(confirmed.uuid, confirmed.now_ms + 1, "b12")], at_ms=confirmed.now_ms + 1
    )
    claimed = await _ping(redis, company, caller="+13105550001")
    over = await _ping(redis, company, caller="+13105550002", left_ms=-1_000)
    await Drain(postgres, Streams(redis)).drain_all([SHARD], 100)
    await postgres.execute("UPDATE pings SET status = 'claimed' WHERE uuid = $1", claimed.uuid)
    await rebuild.rebuild([SHARD])
    texts = [
        await redis.command(SHARD, "GET", redis_keys.reservation(SHARD, ping.uuid))
        for ping in (confirmed, claimed, over)
    ]
    assert texts[1:] == [None, None]
    found = read_reservation(texts[0])
    assert (found.status, found.subjects) == ("confirmed", "b12")
    assert await _hash(redis, redis_keys.fills(SHARD)) == {"h:b12": "1"}


async def test_what_waits_in_a_surviving_stream_counts(own_redis: Engine, postgres: Postgres) -> None:
    redis = await Redis.open(own_redis.url, scripts=(TRIM, *SCRIPTS), limits=PATIENT)
    rebuild = Rebuild(postgres, redis, clock=Clock())
    company = await _company(postgres)
    await rebuild.rebuild(EVERY)
    drained = await _ping(redis, company, caller="+13105550001")
    await Drain(postgres, Streams(redis)).drain_all([SHARD], 100)
    undrained = await _ping(redis, company)
    before = redis.run_id
    own_redis.restart()

    async def reconnected() -> bool:
        return redis.connected and redis.run_id != before

    await eventually(reconnected, what="the link is back")
    assert await rebuild.cold() == EVERY
    await rebuild.rebuild(EVERY)
    for ping in (drained, undrained):
        text = await redis.command(SHARD, "GET", redis_keys.reservation(SHARD, ping.uuid))
        assert text.decode() == _text(ping)
        assert await find_ping(postgres, ping.uuid) is not None
    assert (await _hash(redis, redis_keys.fills(SHARD)))["h:b12"] == "2"
    await redis.close()


async def test_after_a_flush_a_stream_is_read_from_its_start_whatever_the_clock_says(
    postgres: Postgres, redis: Redis, rebuild: Rebuild, fresh_redis: str
) -> None:
    """Its ids begin anew: below those that were stored, if the clock has been set back since."""
    company = await _company(postgres)
    await rebuild.rebuild([SHARD])
    ahead = event(Clock().now_ms() + 3_600_000, SHARD, company_id=company)
    await append(redis, SHARD, [reserved(ahead, expires_ms=ahead.now_ms)], at_ms=ahead.now_ms)
    drain = Drain(postgres, Streams(redis))
    await drain.drain_all([SHARD], 100)
    empty_redis(fresh_redis)
    await rebuild.rebuild([SHARD])
    now_ms = Clock().now_ms()
    ping = event(now_ms, SHARD, company_id=company)
    entry = reserved(ping, expires_ms=now_ms + 15_000)
    await redis.command(SHARD, "XADD", redis_keys.events(SHARD), f"{now_ms}-0", *entry)
    await drain.drain_all([SHARD], 100)
    assert await find_ping(postgres, ping.uuid) is not None
    assert await redis.command(SHARD, "XLEN", redis_keys.events(SHARD)) == 0


async def test_anonymous_callers_get_their_leases_back(
    postgres: Postgres, redis: Redis, rebuild: Rebuild
) -> None:
    company = await _company(postgres)
    live = await _ping(redis, company, caller="", subjects="")
    over = await _ping(redis, company, caller="", subjects="", number="+18005550101", left_ms=-20_000)
    await _ping(redis, company, caller="", subjects="", number="+18005550102", left_ms=-40_000)
    await Drain(postgres, Streams(redis)).drain_all([SHARD], 100)
    await expire(postgres, Clock().now_ms(), limit=100)
    await rebuild.rebuild([SHARD])
    assert await _hash(redis, redis_keys.leases(SHARD, 4)) == {
        "n+18005550100": f"{live.uuid}|{live.now_ms + 45_000}|7",
        "n+18005550101": f"{over.uuid}|{over.now_ms + 10_000}|7",
    }
    assert await redis.command(SHARD, "EXISTS", redis_keys.caller(SHARD, company, e164="")) == 0


async def test_one_key_in_two_campaigns_and_a_test_key(
    postgres: Postgres, redis: Redis, rebuild: Rebuild
) -> None:
    company = await _company(postgres)
    first = await _ping(redis, company)
    second = await _ping(redis, company, campaign_id=5, number="", subjects="")
    trial = await _ping(redis, company, key_id=8, test=True, subjects="")
    await rebuild.rebuild([SHARD])
    assert await _hash(redis, redis_keys.caller(SHARD, company, e164=CALLER)) == {
        "k7": _text(second, number="", subjects=""),
        "m5": "7",
        "m4": _text(first),
        "n+18005550100": f"{first.uuid}|{first.now_ms + 15_000}",
    }
    assert (await _hash(redis, redis_keys.test_caller(SHARD, 8, e164=CALLER)))["k8"] == _text(
        trial, subjects=""
    )


async def test_the_reservation_that_lives_longest_shields_its_campaign(
    postgres: Postgres, redis: Redis, rebuild: Rebuild
) -> None:
    company = await _company(postgres)
    await _ping(redis, company, left_ms=60_000)
    await _ping(redis, company, key_id=8, number="+18005550101")
    await rebuild.rebuild([SHARD])
    assert (await _hash(redis, redis_keys.caller(SHARD, company, e164=CALLER)))["m4"] == "7"


async def test_two_at_once_rebuild_each_shard_once(postgres: Postgres, redis: Redis) -> None:
    for shard in range(0, 64, 4):
        await _company(postgres, shard)
    both = [Rebuild(postgres, redis, clock=Clock()) for _ in range(2)]
    rebuilt = await asyncio.gather(*(each.rebuild(EVERY) for each in both))
    assert not set(rebuilt[0]) & set(rebuilt[1])
    while left := await both[0].cold():
        rebuilt.append(await both[0].rebuild(left))
    assert sorted(shard for some in rebuilt for shard in some) == EVERY


async def test_a_change_under_way_is_waited_for(postgres: Postgres, redis: Redis, rebuild: Rebuild) -> None:
    company = await _company(postgres)
    async with postgres.transaction() as connection:
        await connection.execute("UPDATE companies SET config_version = 8 WHERE id = $1", company)
        rebuilding = asyncio.ensure_future(rebuild.rebuild([SHARD]))

        async def waits() -> bool:
            return bool(
                await postgres.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                )
            )

        await eventually(waits, what="the rebuild waits for the company")
        assert await rebuild.cold() == EVERY
    assert await rebuilding == [SHARD]
    assert (await _hash(redis, redis_keys.head(SHARD)))[f"v:{company}"] == "8"


async def test_without_redis_the_rebuild_ends_as_unavailable(own_redis: Engine, postgres: Postgres) -> None:
    redis = await Redis.open(own_redis.url, scripts=SCRIPTS, limits=Limits(deadline_ms=100, silence_ms=200))
    own_redis.kill9()
    rebuild = Rebuild(postgres, redis, clock=Clock())
    with pytest.raises(Unavailable):
        await rebuild.rebuild(EVERY)
    await redis.close()
