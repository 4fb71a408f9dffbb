"""Drill: Redis goes away under traffic. 503 with Retry-After meanwhile, no silent pass, back soon after its return."""

import asyncio
from collections.abc import Callable
from time import monotonic

import pytest

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.engines import Engine
from tests.support.partners import Load, Said, ask
from tests.support.processes import ServiceProcess
from tests.support.waiting import eventually

SOON_S = 1.0  # generous: what is promised is 100 ms
BACK_WITHIN_S = 5.0
CAP = 80


async def until_back(service: ServiceProcess, target: Callable[[], str], back_s: float) -> None:
    async def answers() -> bool:
        return (await ask(service, target())).status == 200

    await eventually(answers, within_s=BACK_WITHIN_S - (monotonic() - back_s), what="pings are answered")


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_redis_is_away_for_a_while(redis_stage: Stage, own_redis: Engine, how: str) -> None:
    stage, everyone = redis_stage, callers()
    stage.worker()
    stage.apply(a_drill_account(keys=("Pings", "Paused"), caps={"daily": CAP}))
    (rtb,) = stage.rtb()
    stage.keys("pause", "Paused")
    paused = stage.ping("2125551212", "Paused")
    assert (await ask(rtb, paused)).status == 403
    held = (await ask(rtb, stage.ping("2125551212"))).fields["uuid"]
    confirm = f"/rtbs/{held}.json?key={stage.tokens['Pings']}&status=confirmed"

    async with Load([rtb], lambda: stage.ping(next(everyone))) as load:
        assert load.said[-1].status == 200
        await asyncio.to_thread(own_redis.kill9 if how == "killed" else own_redis.pause)
        away_s = monotonic()
        await load.goes_on()
        others = [await ask(rtb, paused), await ask(rtb, confirm, method="PUT")]
        while_away = [*load.since(away_s), *others]
        assert [said for said in while_away if not said.is_away] == []
        assert max(map(took_s, while_away)) < SOON_S
        back_s = monotonic()
        await asyncio.to_thread(own_redis.start if how == "killed" else own_redis.resume)
        await until_back(rtb, lambda: stage.ping(next(everyone)), back_s)
        await load.goes_on(CAP)
    assert [said for said in load.said if said.status != 200 and not said.is_away] == []
    assert (await ask(rtb, paused)).status == 403
    assert (await ask(rtb, confirm, method="PUT")).fields["status"] == "confirmed"
    reserved = {said.fields["uuid"] for said in load.said if said.is_reserved}
    assert len(reserved) < CAP  # the confirmed one has a place, too
    assert load.said[-1].fields["reason"] == "buyers_capped"
    await stage.until_logged()
    assert reserved <= {row["uuid"] for row in await stage.logged()}


def took_s(said: Said) -> float:
    return said.ended_s - said.began_s
