"""Drill: a key is paused, resumed and deleted under load. Who starts after the command has returned is told so."""

import asyncio
from time import monotonic

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.partners import Load


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
