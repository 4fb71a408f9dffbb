"""Drill: reservations are claimed while Redis is away or empty; calls that nobody asks about again leak nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.paths import MIGRATIONS
from shared.stores.call_records import CallRecord, find_record
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.redis import Redis
from shared.stores.schema import prepare
from tests.support.account_store import PEPPER
from tests.support.call_stage import CallStage
from tests.support.engines import Engine, empty_redis
from tests.support.partners import ask
from tests.support.processes import ServiceProcess, running_service
from tests.support.receiver import hang, receiving
from tests.support.switch import Switch, calls_service, switched
from tests.support.waiting import eventually

NUMBER, KEY = "+18445550100", "key-of-the-claims-drill"
ONE, TWO = "+18005550111", "+18005550122"
CALLER = "+12125551212"
ACCOUNT: dict[str, Any] = {
    "company": {"name": "Claims"},
    "publishers": [{"afid": "pub_a"}],
    "buyers": [
        {"tid": "one", "number": ONE, "priority": 1, "caps": {"daily": 3}},
        {"tid": "two", "number": TWO, "priority": 2},
    ],
    "campaigns": [
        {
            "cid": "auto",
            "routing": {"buyers": [{"tid": "one"}, {"tid": "two"}]},
            "default_payout": "10",
            "no_target_message": "Nobody is here.",
            "numbers": [{"number": NUMBER, "rtb_pool": True}],
        }
    ],
    "postback_keys": [
        {"name": "Of_A", "kind": "rtb", "on": {"campaign": "auto"}, "publisher": "pub_a", "token": KEY}
    ],
}


class Claims:
    """A partner, a switch, both services, and what is stored."""

    def __init__(self, stage: CallStage, service: ServiceProcess, switch: Switch) -> None:
        self.stage = stage
        self.service = service
        self.switch = switch

    async def reserved(self, redis_url: str) -> str:
        """The uuid of the caller's reservation, once it is in the ping log."""
        environment = {
            "RINGPOST_POSTGRES_DSN": self.stage.store.dsn,
            "RINGPOST_REDIS_URL": redis_url,
            "RINGPOST_PEPPER": PEPPER,
            "RINGPOST_SIP_DOMAIN": "sip.example.com",
        }
        with running_service("rtb", environment) as rtb:
            said = await ask(rtb, f"/rtbs.json?key={KEY}&caller_number={CALLER[2:]}")
        assert said.is_reserved, said
        redis = await Redis.open(redis_url, scripts=(TRIM,))
        try:
            drain = Drain(self.stage.store.postgres, Streams(redis))
            await drain.drain_all([self.stage.plan.company.shard], 1_000)
        finally:
            await redis.close()
        return str(said.fields["uuid"])

    async def record(self, step: dict[str, Any]) -> CallRecord:
        found = await find_record(self.stage.store.postgres, step["call_uuid"])
        assert found is not None
        return found

    async def fills(self) -> tuple[int, int]:
        """The places of the first buyer: of the day, and at this moment."""
        subject = f"b{self.stage.seat('one').buyer.id}"
        rows = await self.stage.store.rows("SELECT day_n, live_n FROM cap_fills WHERE subject = $1", subject)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    async def until_closed(self) -> None:
        """Wait until the sweep has ended every call."""

        async def is_closed() -> bool:
            return await self.stage.store.rows("SELECT 1 FROM calls WHERE closed_at IS NULL") == []

        await eventually(is_closed, what="the sweep has ended every call")


@asynccontextmanager
async def claims(dsn: str, redis_url: str, *, hook: str = "") -> AsyncIterator[Claims]:
    tree = ACCOUNT
    if hook:
        hooks = [{"name": "hello", "trigger": "start", "url": hook}]
        tree = {**ACCOUNT, "campaigns": [{**ACCOUNT["campaigns"][0], "webhooks": hooks}]}
    async with switched(dsn, redis_url, tree) as (stage, credential):
        with calls_service(dsn, redis_url, RINGPOST_START_WEBHOOK_WAIT_S="8" if hook else "2") as service:
            yield Claims(stage, service, Switch(service, credential))


async def lose(redis: Engine, how: str) -> None:
    if how == "away":
        await asyncio.to_thread(redis.kill9)
    else:
        await asyncio.to_thread(empty_redis, redis.url)


@pytest.mark.parametrize("how", ["away", "emptied"])
async def test_the_log_claims_a_reservation_once(fresh_database: str, own_redis: Engine, how: str) -> None:
    async with claims(fresh_database, own_redis.url) as one:
        uuid = await one.reserved(own_redis.url)
        await lose(own_redis, how)
        steps = await asyncio.gather(*(one.switch.inbound(CALLER, NUMBER) for _ in range(10)))
        records = [await one.record(step) for step in steps]
        promised = [record.call for record in records if record.call.reservation_uuid]
        assert [(call.reservation_uuid, call.via) for call in promised] == [(uuid, "rtb")]
        assert promised[0].reserved_buyer_id == one.stage.seat("one").buyer.id
        assert {record.publisher for record in records} == {"pub_a"}
        dialled = [leg["number"] for step in steps for leg in step["legs"]]
        assert (dialled.count(ONE), dialled.count(TWO)) == (3, 7)
        assert await one.fills() == (3, 3)
        if how == "away":
            await asyncio.to_thread(own_redis.start)


@pytest.mark.parametrize("how", ["away", "emptied"])
async def test_the_log_knows_the_reservation_of_a_sip_user(
    fresh_database: str, own_redis: Engine, how: str
) -> None:
    async with claims(fresh_database, own_redis.url) as one:
        uuid = await one.reserved(own_redis.url)
        await lose(own_redis, how)
        body = {"call_id": "by-sip", "from": "anonymous", "sip_user": uuid}
        said = await one.switch.send("/v1/calls", body)
        assert (said.status, said.fields["action"]) == (200, "dial")
        record = await one.record(said.fields)
        assert (record.call.reservation_uuid, record.call.via, record.publisher) == (uuid, "rtb", "pub_a")
        if how == "away":
            await asyncio.to_thread(own_redis.start)


async def test_a_claim_that_redis_was_not_told_of_is_not_made_again(
    fresh_database: str, own_redis: Engine
) -> None:
    """Redis comes back with the reservation as it was: the log has the last word."""
    async with claims(fresh_database, own_redis.url) as one:
        uuid = await one.reserved(own_redis.url)
        await lose(own_redis, "away")
        first = await one.switch.inbound(CALLER, NUMBER)
        await asyncio.to_thread(own_redis.start)
        later = await one.switch.inbound(CALLER, NUMBER)
        assert (await one.record(first)).call.reservation_uuid == uuid
        assert (await one.record(later)).call.reservation_uuid == ""
        assert (await one.record(later)).publisher == "pub_a"


async def test_without_postgres_and_any_number_to_fall_back_to_the_caller_hears_the_message(
    own_postgres: Engine, fresh_redis: str
) -> None:
    await prepare(own_postgres.url, MIGRATIONS)
    async with claims(own_postgres.url, fresh_redis) as one:
        await one.switch.inbound(CALLER, NUMBER)
        await asyncio.to_thread(own_postgres.kill9)
        steps = await asyncio.gather(*(one.switch.inbound(f"+1212555{i:04d}", NUMBER) for i in range(10)))
        assert steps == [{"action": "hangup", "message": "Nobody is here."}] * 10
        await asyncio.to_thread(own_postgres.start)

        async def is_taken() -> bool:
            return "legs" in await one.switch.inbound("+12125559999", NUMBER)

        await eventually(is_taken, within_s=20, what="calls are taken again")


async def test_a_call_that_was_opened_by_a_process_that_was_killed_is_swept(
    fresh_database: str, own_redis: Engine
) -> None:
    """Its switch never asks again: the sweep ends it, and nobody's place is taken."""
    async with (
        receiving(hang) as receiver,
        claims(fresh_database, own_redis.url, hook=f"{receiver.url}/hello") as one,
    ):
        asking = asyncio.ensure_future(
            one.switch.send("/v1/calls", {"call_id": "a", "from": CALLER, "to": NUMBER})
        )
        await receiver.until_seen(1)
        await asyncio.to_thread(one.service.kill9)
        assert (await asking).status == 0
        await asyncio.to_thread(one.service.start)
        await one.stage.store.postgres.execute(AGE)
        await one.until_closed()
        assert await one.stage.store.rows("SELECT outcome, hung_up_by FROM calls") == [
            ("no-target", "switch")
        ]
        assert await one.fills() == (0, 0)


async def test_calls_whose_process_was_killed_while_they_were_dialled_give_their_places_back(
    fresh_database: str, fresh_redis: str
) -> None:
    """Killed amid a crowd: whatever was committed is swept, and the counts are those of no call."""
    async with claims(fresh_database, fresh_redis) as one:
        crowd = [{"call_id": f"c{i}", "from": f"+1212555{i:04d}", "to": NUMBER} for i in range(30)]
        asking = [asyncio.ensure_future(one.switch.send("/v1/calls", call)) for call in crowd]

        async def has_begun() -> bool:
            return await one.stage.store.rows("SELECT 1 FROM legs LIMIT 1") != []

        await eventually(has_begun, what="somebody is dialled")
        await asyncio.to_thread(one.service.kill9)
        await asyncio.gather(*asking)
        await asyncio.to_thread(one.service.start)
        await one.stage.store.postgres.execute(AGE)
        await one.until_closed()
        assert await one.fills() == (0, 0)
        assert await one.stage.store.rows("SELECT 1 FROM legs WHERE place = 'taken'") == []
        assert await one.stage.store.rows(DOUBLED) == []


AGE = "UPDATE calls SET last_event_at = now() - interval '5 hours'"
DOUBLED = "SELECT call_uuid, buyer_id FROM legs GROUP BY 1, 2 HAVING count(*) > 1"
