"""Drill: conversions under crashes and crowds. What was acknowledged is there, once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from tests.support.conversions import Conversions, conversions, data_service, post_to
from tests.support.engines import Engine
from tests.support.partners import Line, Said, ask_all
from tests.support.processes import ServiceProcess
from tests.support.waiting import eventually, give_way

KILLS = 10
CALLS = 120


@pytest.fixture
async def stage(fresh_database: str, fresh_redis: str) -> AsyncIterator[Conversions]:
    async with conversions(fresh_database, fresh_redis) as stage:
        yield stage


async def until_taken(service: ServiceProcess, target: str) -> Said:
    """A buyer's server: again and again, until it is told that the value stands."""
    line = Line(service)
    try:
        while True:
            said = await line.ask(target)
            if said.status == 200:
                return said
            assert said.status in {0, 503}, said.body
            await give_way()
    finally:
        line.close()


async def test_ten_kills_under_a_retrying_load_lose_nothing_and_count_nothing_twice(
    stage: Conversions, redis_url: str
) -> None:
    calls = await stage.answered(CALLS)
    worth = {call.uuid: Decimal(place + 1) for place, call in enumerate(calls)}
    with data_service(stage.store.dsn, redis_url) as service:
        taken: list[Said] = []

        async def post_in_turn(some: int) -> None:
            for call in calls[some::4]:
                taken.append(await until_taken(service, post_to(call, worth[call.uuid])))  # noqa: PERF401 - so far

        posting = [asyncio.ensure_future(post_in_turn(some)) for some in range(4)]
        for kill in range(KILLS):
            already = kill * (CALLS // (KILLS + 2))

            async def so_many(already: int = already) -> bool:
                return len(taken) > already

            await eventually(so_many, within_s=60, what="the load goes on")
            await asyncio.to_thread(service.kill9)
            await asyncio.to_thread(service.start)
        await asyncio.gather(*posting)
    told = {said.body.decode().split()[1]: Decimal(said.body.decode().split()[2]) for said in taken}
    assert told == worth
    assert await stage.worth() == worth
    assert await stage.sums_are_equal()
    assert await stage.store.rows("SELECT count(*) FROM outbox") == [(CALLS,)]
    assert await stage.store.rows("SELECT max(revision), max(ledger_entries) FROM calls") == [(1, 1)]


async def test_a_hundred_identical_conversions_at_once_have_one_effect(
    stage: Conversions, redis_url: str
) -> None:
    (call,) = await stage.answered(1)
    with data_service(stage.store.dsn, redis_url) as service:
        answers = await ask_all([service], [post_to(call, 25)] * 100)
    assert Counter(said.body for said in answers) == {f"SUCCESS {call.uuid} 25.00".encode(): 100}
    assert await stage.store.rows("SELECT count(*) FROM outbox") == [(1,)]
    assert await stage.store.rows("SELECT count(*) FROM ledger") == [(1,)]
    assert await stage.revenue() == 25
    assert await stage.store.rows("SELECT count(*) FROM postback_log WHERE answer = 'SUCCESS'") == [(100,)]


async def test_a_hundred_different_values_at_once_are_a_hundred_revisions(
    stage: Conversions, redis_url: str
) -> None:
    (call,) = await stage.answered(1)
    with data_service(stage.store.dsn, redis_url) as service:
        answers = await ask_all([service], [post_to(call, place + 1) for place in range(100)])
    assert {said.status for said in answers} == {200}, Counter(said.body for said in answers)
    assert await stage.store.rows("SELECT revision, ledger_entries FROM calls") == [(100, 100)]
    assert await stage.sums_are_equal()
    assert await stage.store.rows("SELECT count(*) FROM outbox") == [(100,)]


async def test_an_idempotency_key_stands_for_one_request_however_many_come_at_once(
    stage: Conversions, redis_url: str
) -> None:
    (call,) = await stage.answered(1)
    head = "Idempotency-Key: one\r\n"

    async def post(value: int) -> Said:
        line = Line(service)
        try:
            return await line.ask(post_to(call, value), head=head)
        finally:
            line.close()

    with data_service(stage.store.dsn, redis_url) as service:
        same = await asyncio.gather(*(post(10) for _ in range(20)))
        other = await post(11)
    assert {said.body for said in same} == {f"SUCCESS {call.uuid} 10.00".encode()}
    assert (other.status, other.body[:6]) == (422, b"FAILED")
    assert await stage.revenue() == 10


async def test_postgres_killed_under_load_loses_nothing_that_was_acknowledged(
    own_postgres: Engine, fresh_redis: str
) -> None:
    from deploy.local.paths import MIGRATIONS  # noqa: PLC0415 - this drill alone prepares a server of its own
    from shared.stores.schema import prepare  # noqa: PLC0415 - the same

    await prepare(own_postgres.url, MIGRATIONS)
    async with conversions(own_postgres.url, fresh_redis) as stage:
        calls = await stage.answered(60)
        with data_service(own_postgres.url, fresh_redis) as service:
            taken = {call.uuid: await until_taken(service, post_to(call, 7)) for call in calls[:20]}
            posting = [asyncio.ensure_future(until_taken(service, post_to(call, 7))) for call in calls[20:40]]
            await asyncio.to_thread(own_postgres.kill9)
            while_away = await ask_all([service], [post_to(call, 7) for call in calls[40:50]])
            for said in while_away:
                assert (said.status, said.body) == (503, b"FAILED try again")
                assert int(said.headers["retry-after"]) > 0
            await asyncio.to_thread(own_postgres.start)
            await asyncio.gather(*posting)
            for call in calls[20:]:
                taken[call.uuid] = await until_taken(service, post_to(call, 7))
        assert {said.status for said in taken.values()} == {200}
        assert await stage.worth() == {call.uuid: Decimal(7) for call in calls}
        assert await stage.sums_are_equal()


async def test_without_redis_partners_notice_nothing(fresh_database: str, own_redis: Engine) -> None:
    async with conversions(fresh_database, own_redis.url) as stage:
        (call,) = await stage.answered(1)
        with data_service(fresh_database, own_redis.url) as service:
            await asyncio.to_thread(own_redis.kill9)
            answers = await ask_all(
                [service],
                [
                    post_to(call, 5),
                    "/data_writing?key=writing-key-of-the-drills&caller_number=%2B13105551212&zip=90210",
                    f"/data_writing?key=writing-key-of-the-drills&call_uuid={call.uuid}&zip=90210",
                ],
            )
            assert [said.status for said in answers] == [200, 200, 200]
            assert await stage.store.rows("SELECT kind, subject FROM hot_sync WHERE kind = 'tags'") == [
                ("tags", "+13105551212")
            ]
            await asyncio.to_thread(own_redis.start)
