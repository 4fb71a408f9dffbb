"""Drill: calls while stores go away, while their service is killed, and when their switch goes quiet."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.paths import MIGRATIONS
from shared.domain.switching.credentials import Credential
from shared.stores.call_records import find_record
from shared.stores.schema import prepare
from tests.support.call_stage import CallStage
from tests.support.engines import Engine
from tests.support.processes import ServiceProcess
from tests.support.receiver import answer, hang, receiving
from tests.support.switch import Switch, calls_service, switched
from tests.support.waiting import eventually

NUMBER = "+18445550100"
FALLBACK, PLATFORM = "+18005550190", "+18005550191"
ACCOUNT: dict[str, Any] = {
    "company": {"name": "Drills"},
    "publishers": [{"afid": "pub_a"}],
    "buyers": [
        {"tid": "one", "number": "+18005550111", "priority": 1, "caps": {"daily": 7}, "timeout_seconds": 20},
        {"tid": "two", "number": "+18005550122", "priority": 2},
    ],
    "campaigns": [
        {
            "cid": "auto",
            "routing": {"buyers": [{"tid": "one"}, {"tid": "two"}]},
            "default_payout": "10",
            "default_revenue": "20",
            "no_target_message": "Nobody is here.",
            "fallback_number": FALLBACK,
            "numbers": [{"number": NUMBER, "rtb_pool": True}, {"number": "+18445550101"}],
        }
    ],
}
ONE, TWO = "+18005550111", "+18005550122"


class Drill:
    """A switch, the service that it asks, and what is stored."""

    def __init__(self, stage: CallStage, service: ServiceProcess, credential: Credential) -> None:
        self.stage = stage
        self.service = service
        self.switch = Switch(service, credential)

    async def fills(self, tid: str = "one") -> tuple[int, int]:
        subject = f"b{self.stage.seat(tid).buyer.id}"
        rows = await self.stage.store.rows("SELECT day_n, live_n FROM cap_fills WHERE subject = $1", subject)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    async def record(self, call_uuid: str) -> Any:
        found = await find_record(self.stage.store.postgres, call_uuid)
        assert found is not None
        return found

    async def execute(self, statement: str, *args: object) -> None:
        await self.stage.store.postgres.execute(statement, *args)


@asynccontextmanager
async def drill(dsn: str, redis_url: str, **more: str) -> AsyncIterator[Drill]:
    command_url = more.pop("command_url", "")
    tree = {**ACCOUNT, **({"campaigns": json.loads(more.pop("campaigns"))} if "campaigns" in more else {})}
    async with switched(dsn, redis_url, tree, command_url=command_url) as (stage, credential):
        with calls_service(dsn, redis_url, RINGPOST_PLATFORM_FALLBACK_NUMBER=PLATFORM, **more) as service:
            yield Drill(stage, service, credential)


def numbers(step: dict[str, Any]) -> list[str]:
    return [leg["number"] for leg in step.get("legs", ())]


async def test_never_one_over_a_cap_over_two_processes(fresh_database: str, fresh_redis: str) -> None:
    async with drill(fresh_database, fresh_redis) as one:
        with calls_service(fresh_database, fresh_redis) as second:
            other = Switch(second, one.switch._credential)
            steps = await asyncio.gather(
                *((one.switch, other)[i % 2].inbound(f"+1212555{i:04d}", NUMBER) for i in range(100))
            )
        assert sum(numbers(step) == [ONE] for step in steps) == 7
        assert sum(numbers(step) == [TWO] for step in steps) == 93
        assert await one.fills() == (7, 7)


async def test_without_redis_calls_are_placed_by_postgres_alone(
    fresh_database: str, own_redis: Engine
) -> None:
    async with drill(fresh_database, own_redis.url) as one:
        await asyncio.to_thread(own_redis.kill9)
        steps = await asyncio.gather(*(one.switch.inbound(f"+1212555{i:04d}", NUMBER) for i in range(20)))
        assert sum(numbers(step) == [ONE] for step in steps) == 7
        step = steps[0]
        leg = step["legs"][0]["leg_id"]
        assert (await one.switch.event(step["call_uuid"], "answered", leg_id=leg))["action"] == "connected"
        await one.switch.event(step["call_uuid"], "ended", leg_id=leg, connected_duration=60)
        await one.switch.event(step["call_uuid"], "ended", duration=65)
        record = await one.record(step["call_uuid"])
        assert (record.call.outcome, record.call.revenue) == ("connected", 20)
        await asyncio.to_thread(own_redis.start)


async def test_without_postgres_nobody_is_left_in_silence_and_no_report_is_lost(
    own_postgres: Engine, fresh_redis: str
) -> None:
    await prepare(own_postgres.url, MIGRATIONS)
    async with drill(own_postgres.url, fresh_redis) as one:
        talking = await one.switch.inbound("+12125550001", NUMBER)
        ringing = await one.switch.inbound("+12125550002", NUMBER)
        leg, late = talking["legs"][0]["leg_id"], ringing["legs"][0]["leg_id"]
        await asyncio.to_thread(own_postgres.kill9)
        known = await one.switch.inbound("+12125550003", NUMBER)
        assert known == {"action": "dial", "fallback": True, "number": FALLBACK}
        unseen = await one.switch.inbound("+12125550003", "+18445550101")
        assert unseen == {"action": "dial", "fallback": True, "number": PLATFORM}
        answered = await one.switch.event(talking["call_uuid"], "answered", leg_id=leg)
        assert answered["action"] == "connected"
        busy = await one.switch.event(ringing["call_uuid"], "busy", leg_id=late)
        assert busy["action"] == "dial"
        await asyncio.to_thread(own_postgres.start)

        async def is_kept() -> bool:
            rows = await one.stage.store.rows("SELECT status FROM legs ORDER BY dialled_at")
            return [row[0] for row in rows] == ["answered", "busy"]

        await eventually(is_kept, within_s=20, what="what was reported meanwhile is kept")
        assert await one.fills() == (1, 1)


async def test_a_kill_between_opening_and_dialling_leaks_nothing(
    fresh_database: str, fresh_redis: str
) -> None:
    """The start webhook hangs, so that the kill meets the call opened, and nobody dialled."""
    async with receiving(hang) as receiver:
        hook = {"name": "hello", "trigger": "start", "url": f"{receiver.url}/hello"}
        campaigns = json.dumps([{**ACCOUNT["campaigns"][0], "webhooks": [hook]}])
        async with drill(
            fresh_database, fresh_redis, campaigns=campaigns, RINGPOST_START_WEBHOOK_WAIT_S="8"
        ) as one:
            asking = asyncio.ensure_future(one.switch.send("/v1/calls", inbound("a")))
            await receiver.until_seen(1)
            await asyncio.to_thread(one.service.kill9)
            assert (await asking).status == 0
            await asyncio.to_thread(one.service.start)
            step = await one.switch.inbound("+12125551212", NUMBER, call_id="a")
            assert numbers(step) == [ONE]
            assert await one.switch.inbound("+12125551212", NUMBER, call_id="a") == step
            assert await one.fills() == (1, 1)
            assert await one.stage.store.rows("SELECT count(*) FROM calls") == [(1,)]


async def test_kills_amid_events_leave_one_record(fresh_database: str, fresh_redis: str) -> None:
    async with drill(fresh_database, fresh_redis) as one:
        step = await one.switch.inbound("+12125551212", NUMBER)
        call, leg = step["call_uuid"], step["legs"][0]["leg_id"]
        story: list[tuple[str, dict[str, object]]] = [
            ("answered", {"leg_id": leg}),
            ("ended", {"leg_id": leg, "connected_duration": 90}),
            ("ended", {"duration": 95, "hung_up_by": "buyer"}),
        ]
        for event, fields in story:
            lost = asyncio.ensure_future(
                one.switch.send(f"/v1/calls/{call}/events", {"event": event, **fields})
            )
            await asyncio.to_thread(one.service.kill9)
            await lost
            await asyncio.to_thread(one.service.start)
            await one.switch.event(call, event, **fields)
        record = await one.record(call)
        assert (record.call.outcome, record.call.connected_s, record.call.payout) == ("connected", 90, 10)
        assert [row.entry for row in record.ledger] == [1]
        assert await one.fills() == (1, 0)


async def test_a_phone_that_rings_too_long_is_given_up_and_the_switch_is_told(
    fresh_database: str, fresh_redis: str
) -> None:
    async with (
        receiving(answer(200)) as receiver,
        drill(fresh_database, fresh_redis, command_url=f"{receiver.url}/commands") as one,
    ):
        step = await one.switch.inbound("+12125551212", NUMBER)
        await one.execute("UPDATE legs SET dialled_at = dialled_at - interval '31 seconds'")
        (told,) = await receiver.until_seen(1)
        command = json.loads(told.body)
        assert (command["command"], numbers(command)) == ("dial", [TWO])
        assert told.headers["x-ringpost-signature"].startswith("v1=")
        record = await one.record(step["call_uuid"])
        assert [leg.status for leg in record.legs] == ["no_answer", "dialling"]
        assert await one.fills() == (0, 0)


async def test_a_call_without_news_for_hours_is_ended(fresh_database: str, fresh_redis: str) -> None:
    async with drill(fresh_database, fresh_redis) as one:
        step = await one.switch.inbound("+12125551212", NUMBER)
        await one.switch.event(step["call_uuid"], "answered", leg_id=step["legs"][0]["leg_id"])
        await one.execute(AGE_CALL, step["call_uuid"])

        async def is_over() -> bool:
            return bool((await one.record(step["call_uuid"])).call.closed_ms)

        await eventually(is_over, what="the sweep has ended it")
        assert await one.fills() == (1, 0)


AGE_CALL = "UPDATE calls SET last_event_at = now() - interval '5 hours' WHERE uuid = $1"


async def test_an_end_without_its_leg_s_news_closes_after_a_moment(
    fresh_database: str, fresh_redis: str
) -> None:
    async with drill(fresh_database, fresh_redis) as one:
        step = await one.switch.inbound("+12125551212", NUMBER)
        await one.switch.event(step["call_uuid"], "ended", duration=4)
        assert await one.fills() == (1, 1)
        await one.execute("UPDATE calls SET ended_at = ended_at - interval '6 seconds'")

        async def is_closed() -> bool:
            return bool((await one.record(step["call_uuid"])).call.closed_ms)

        await eventually(is_closed, what="the open leg is given up")
        record = await one.record(step["call_uuid"])
        assert (record.call.outcome, record.legs[0].status) == ("abandoned", "canceled")
        assert await one.fills() == (0, 0)


@pytest.mark.parametrize("times", [20])
async def test_the_same_call_told_many_times_at_once_is_one_call(
    fresh_database: str, fresh_redis: str, times: int
) -> None:
    async with drill(fresh_database, fresh_redis) as one:
        steps = await asyncio.gather(
            *(one.switch.inbound("+12125551212", NUMBER, call_id="same") for _ in range(times))
        )
        assert all(step == steps[0] for step in steps)
        assert await one.fills() == (1, 1)


def inbound(call_id: str) -> dict[str, object]:
    return {"call_id": call_id, "from": "+12125551212", "to": NUMBER}
