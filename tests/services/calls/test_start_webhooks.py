"""Start webhooks: their answers become tags that routing sees, and none of them holds a caller up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.stores.call_records import find_record
from tests.support.call_stage import CallStage
from tests.support.receiver import Behaviour, Receiver, answer, hang, receiving
from tests.support.switch import Switch, calls_service, switched
from tests.support.waiting import eventually

NUMBER = "+18445550100"
GOLD, ANYBODY = "+18005550111", "+18005550122"


def account(url: str, **webhook: object) -> dict[str, Any]:
    hook = {"name": "hello", "trigger": "start", "url": f"{url}/hello?c=[caller_number]", **webhook}
    return {
        "company": {"name": "Greeting"},
        "buyers": [
            {"tid": "gold", "number": GOLD, "priority": 1, "tags": ["plan == gold"]},
            {"tid": "anybody", "number": ANYBODY, "priority": 2},
        ],
        "campaigns": [
            {
                "cid": "auto",
                "routing": {"buyers": [{"tid": "gold"}, {"tid": "anybody"}]},
                "numbers": [{"number": NUMBER}],
                "webhooks": [hook],
            }
        ],
    }


@asynccontextmanager
async def greeting(
    stores: tuple[str, str], *plan: Behaviour, wait_s: str = "5", **webhook: object
) -> AsyncIterator[tuple[CallStage, Switch, Receiver]]:
    dsn, redis_url = stores
    async with (
        receiving(*plan) as receiver,
        switched(dsn, redis_url, account(receiver.url, **webhook)) as (stage, credential),
    ):
        with calls_service(dsn, redis_url, RINGPOST_START_WEBHOOK_WAIT_S=wait_s) as service:
            yield stage, Switch(service, credential), receiver


def numbers(step: dict[str, Any]) -> list[str]:
    return [leg["number"] for leg in step["legs"]]


async def outbox(stage: CallStage) -> list[tuple[Any, ...]]:
    return await stage.store.rows("SELECT status, attempts FROM outbox")


async def test_an_answer_becomes_tags_before_anybody_is_dialled(
    fresh_database: str, fresh_redis: str
) -> None:
    told = json.dumps({"plan": "gold", "age": 44, "system_buyer_id": "1", "nested": {"a": 1}, "none": None})
    stores = fresh_database, fresh_redis
    async with greeting(stores, answer(200, told.encode())) as (stage, switch, receiver):
        step = await switch.inbound("+12125551212", NUMBER)
        assert numbers(step) == [GOLD]
        (seen,) = receiver.seen
        assert seen.target == "/hello?c=%2B12125551212"
        assert seen.headers["webhook-signature"].startswith("v1,")
        record = await find_record(stage.store.postgres, step["call_uuid"])
        assert record is not None
        assert record.state.tags == {"plan": "gold", "age": "44"}
        assert await outbox(stage) == [("delivered", 1)]
        assert numbers(await switch.inbound("+12125551213", NUMBER, call_id="again")) == [GOLD]


async def test_a_late_answer_serves_the_next_decision(fresh_database: str, fresh_redis: str) -> None:
    go_on = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await answer(200, b'{"plan": "gold"}')(reader, writer)

    stores = fresh_database, fresh_redis
    async with greeting(stores, late, wait_s="0.2") as (stage, switch, _):
        step = await switch.inbound("+12125551212", NUMBER)
        assert numbers(step) == [ANYBODY]
        go_on.set()

        async def is_heard() -> bool:
            return await outbox(stage) == [("delivered", 1)]

        await eventually(is_heard, what="the late answer is heard")
        leg = step["legs"][0]["leg_id"]
        assert numbers(await switch.event(step["call_uuid"], "busy", leg_id=leg)) == [GOLD]


async def test_nobody_waits_when_the_wait_is_off(fresh_database: str, fresh_redis: str) -> None:
    stores = fresh_database, fresh_redis
    async with greeting(stores, hang, wait_s="0") as (_, switch, receiver):
        assert numbers(await switch.inbound("+12125551212", NUMBER)) == [ANYBODY]
        await receiver.until_seen(1)


async def test_one_that_fails_is_the_worker_s_to_try_again(fresh_database: str, fresh_redis: str) -> None:
    stores = fresh_database, fresh_redis
    async with greeting(stores, answer(500)) as (stage, switch, _):
        assert numbers(await switch.inbound("+12125551212", NUMBER)) == [ANYBODY]
        assert await outbox(stage) == [("waiting", 1)]


@pytest.mark.parametrize("body", [b"", b"[1]", b"gold", b"\xff", b'{"a":'])
async def test_what_is_no_object_says_nothing(fresh_database: str, fresh_redis: str, body: bytes) -> None:
    stores = fresh_database, fresh_redis
    async with greeting(stores, answer(200, body)) as (_, switch, _receiver):
        assert numbers(await switch.inbound("+12125551212", NUMBER)) == [ANYBODY]


async def test_a_caller_who_had_it_lately_is_not_asked_for_again(
    fresh_database: str, fresh_redis: str
) -> None:
    stores = fresh_database, fresh_redis
    async with greeting(stores, answer(200, b'{"plan": "gold"}'), dedupe_seconds=600) as (_, switch, seen):
        assert numbers(await switch.inbound("+12125551212", NUMBER)) == [GOLD]
        assert numbers(await switch.inbound("+12125551212", NUMBER)) == [ANYBODY]
        assert len(seen.seen) == 1
