"""Drill: a store goes away under the control service. Without Postgres nothing is done; Redis is not needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.paths import MIGRATIONS
from shared.domain.call_events import LegNews
from shared.domain.calls import CallState, LegStatus
from shared.stores.placing import Written
from shared.stores.schema import prepare
from tests.support.account_store import PEPPER
from tests.support.call_stage import CallStage
from tests.support.engines import Engine
from tests.support.partners import Said, ask
from tests.support.processes import ServiceProcess, running_service
from tests.support.switch import SWITCH_KEY, switched
from tests.support.waiting import eventually

TOKEN = "key-of-the-drill-that-rejects"
TARGET = f"/handler_groups/East/call_control/reject?key={TOKEN}&caller_number=%2B12125551212"
ACCOUNT: dict[str, Any] = {
    "company": {"name": "Drill"},
    "buyers": [{"tid": "one", "number": "+18005550111", "caps": {"daily": 3}}],
    "buyer_groups": [{"name": "East", "buyers": ["one"]}],
    "campaigns": [
        {"cid": "auto", "routing": {"buyers": [{"tid": "one"}]}, "numbers": [{"number": "+18445550100"}]}
    ],
    "postback_keys": [
        {"name": "back", "kind": "call_rejection", "on": {"buyer_group": "East"}, "token": TOKEN}
    ],
}


@asynccontextmanager
async def live_call(dsn: str, redis_url: str) -> AsyncIterator[tuple[CallStage, CallState, ServiceProcess]]:
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
        "RINGPOST_SWITCH_ENCRYPTION_KEY": SWITCH_KEY,
    }
    async with switched(dsn, redis_url, ACCOUNT) as (stage, credential):
        opened = await stage.open(stage.a_call("+12125551212", provider=credential.provider))
        assert opened is not None
        placed = await stage.place(opened.change.state, "one")
        assert isinstance(placed, Written)
        news = LegNews(leg_uuid=placed.state.legs[0].uuid, news="answered", at_ms=stage.now_ms)
        state = await stage.report(placed.state, news)
        with running_service("control", environment) as service:
            yield stage, state, service


def says_away(said: Said) -> bool:
    words = (said.body, said.headers.get("x-ringpost-reason"))
    return (
        said.status == 503
        and words == (b"FAILED rejected", "unavailable")
        and int(said.headers["retry-after"]) > 0
    )


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_without_postgres_nothing_is_done(own_postgres: Engine, fresh_redis: str, how: str) -> None:
    await prepare(own_postgres.url, MIGRATIONS)
    async with live_call(own_postgres.url, fresh_redis) as (stage, state, service):
        wrong = TARGET.replace("East", "nobody")
        assert (await ask(service, wrong)).status == 403
        await asyncio.to_thread(own_postgres.kill9 if how == "killed" else own_postgres.pause)
        assert says_away(await ask(service, TARGET))
        await asyncio.to_thread(own_postgres.start if how == "killed" else own_postgres.resume)

        async def is_there() -> bool:
            return (await ask(service, TARGET)).status in {200, 409}

        await eventually(is_there, within_s=5, what="Postgres is used again")
        assert (await stage.load(state.call.uuid)).legs[0].status is LegStatus.REJECTED


async def test_redis_is_not_needed(fresh_database: str, own_redis: Engine) -> None:
    async with live_call(fresh_database, own_redis.url) as (stage, state, service):
        await asyncio.to_thread(own_redis.kill9)
        said = await ask(service, TARGET)
        assert (said.status, said.body) == (200, f"SUCCESS call {state.call.uuid} rejected".encode())
        assert await stage.store.rows("SELECT day_n, live_n FROM cap_fills") == [(0, 0)]
        await asyncio.to_thread(own_redis.start)
