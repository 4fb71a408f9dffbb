"""Drill: a key is paused, resumed and deleted under load. Who starts after the command has returned is told so."""

import asyncio
from time import monotonic

import pytest

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.engines import Engine
from tests.support.partners import Load, ask
from tests.support.waiting import eventually

SAVED_ONLY = 3


async def test_a_command_is_in_force_when_it_returns(stage: Stage) -> None:
    everyone = callers()
    stage.worker()
    stage.apply(a_drill_account())
    workers = stage.rtb(2)
    async with Load(workers, lambda: stage.ping(next(everyone)), lines=4) as load:
        for verb, status in (("pause", 403), ("resume", 200), ("delete", 401)):
            await asyncio.to_thread(stage.keys, verb, "Pings")
            returned_s = monotonic()
            await load.goes_on()
            assert {said.status for said in load.since(returned_s)} == {status}, verb
    assert {said.status for said in load.said} == {200, 401, 403}


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_a_change_that_found_no_redis_is_in_force_soon_after_its_return(
    redis_stage: Stage, own_redis: Engine, how: str
) -> None:
    stage, everyone = redis_stage, callers()
    stage.worker()
    stage.apply(a_drill_account())
    (rtb,) = stage.rtb()
    assert (await ask(rtb, stage.ping(next(everyone)))).status == 200
    await asyncio.to_thread(own_redis.kill9 if how == "killed" else own_redis.pause)
    await asyncio.to_thread(stage.keys, "delete", "Pings", ends=SAVED_ONLY)
    await asyncio.to_thread(own_redis.start if how == "killed" else own_redis.resume)

    async def is_deleted() -> bool:
        said = await ask(rtb, stage.ping(next(everyone)))
        assert how == "hung" or said.status != 200  # a Redis that was restarted serves the truth or nothing
        return said.status == 401

    await eventually(is_deleted, within_s=5, what="the key is deleted")
