"""Drill: Redis goes away under the data service. Partners notice nothing, a pause is in force, what is owed comes later."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.domain.calls import Call
from shared.errors import Unavailable
from shared.stores import hot_sync, redis_keys
from shared.stores.keys import find_one, set_paused
from tests.support.conversions import (
    READING_KEY,
    WRITING_KEY,
    Conversions,
    conversions,
    data_service,
    post_to,
)
from tests.support.engines import Engine
from tests.support.partners import ask
from tests.support.waiting import eventually

NEXT_CALLER = "+13105551212"


@pytest.fixture
async def stage(fresh_database: str, own_redis: Engine) -> AsyncIterator[Conversions]:
    async with conversions(fresh_database, own_redis.url) as stage:
        await stage.store.warm()
        yield stage


def writing(whose: str, tag: str) -> str:
    return f"/data_writing?key={WRITING_KEY}&{whose}&{tag}"


def reading(call: Call) -> str:
    return f"/data_reading?key={READING_KEY}&call_uuid={call.uuid}"


async def owed_kinds(stage: Conversions) -> list[str]:
    return [kind for (kind,) in await stage.store.rows("SELECT kind FROM hot_sync ORDER BY id")]


async def stored_in_redis(stage: Conversions) -> str:
    company = stage.plan.company
    key = redis_keys.caller(company.shard, company.id, e164=NEXT_CALLER)
    return " ".join((await stage.store.hash(company.shard, key)).values())


async def pause(stage: Conversions, name: str) -> None:
    """What `ringpost keys pause` does in Postgres; when it returns, the pause is in force."""
    async with stage.store.postgres.transaction() as connection:
        key = await find_one(connection, name, company="Drills")
        assert await set_paused(connection, key, actor="operator:tests", paused=True)


async def test_writing_reading_and_conversions_go_on_and_redis_is_told_later(
    stage: Conversions, own_redis: Engine
) -> None:
    (call,) = await stage.answered(1)
    whose = f"caller_number=%2B{NEXT_CALLER[1:]}"
    with data_service(stage.store.dsn, own_redis.url) as service:
        assert (await ask(service, writing(whose, "zip=10001"))).status == 200
        assert '"zip": "10001"' in await stored_in_redis(stage), "the next ping sees them at once"
        await asyncio.to_thread(own_redis.kill9)
        stored = await ask(service, writing(whose, "zip=90210"))
        assert (stored.status, stored.fields["status"]) == (200, "call not found, tags stored")
        assert (await ask(service, writing(f"call_uuid={call.uuid}", "zip=60601"))).status == 200
        assert (await ask(service, reading(call))).fields == {"zip": "60601"}
        assert (await ask(service, post_to(call, 5))).status == 200
        assert "tags" in await owed_kinds(stage)
        await asyncio.to_thread(own_redis.start)

        async def told() -> bool:
            try:
                await stage.store.warm()
                await hot_sync.apply(stage.store.postgres, stage.store.redis, company_id=call.company_id)
            except Unavailable:
                return False
            return '"zip": "90210"' in await stored_in_redis(stage)

        await eventually(told, what="Redis is told what it is owed")
        assert "tags" not in await owed_kinds(stage)


async def test_a_pause_is_in_force_at_once_with_redis_and_without(
    stage: Conversions, own_redis: Engine
) -> None:
    (call,) = await stage.answered(1)
    write = writing(f"call_uuid={call.uuid}", "zip=60601")
    with data_service(stage.store.dsn, own_redis.url) as service:
        for target in (post_to(call, 5), write, reading(call)):
            assert (await ask(service, target)).status == 200
        await pause(stage, "post")
        paused = await ask(service, post_to(call, 6))
        assert (paused.status, paused.body) == (403, b"FAILED key is paused")
        await asyncio.to_thread(own_redis.kill9)
        for name, target in (("write", write), ("read", reading(call))):
            await pause(stage, name)
            refused = await ask(service, target)
            assert (refused.status, refused.fields["reason"]) == (403, "key_paused")
        await asyncio.to_thread(own_redis.start)
    assert await stage.revenue() == 5
