"""Drill: the worker is killed under load. Every answered ping is in the log, once."""

import asyncio
from collections import Counter
from itertools import cycle, islice

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.partners import Load


async def test_the_worker_is_killed_and_no_ping_misses_in_the_log(stage: Stage) -> None:
    some = cycle(list(islice(callers(), 40)))  # so that most pings are repeats
    worker = stage.worker()
    stage.apply(a_drill_account(ttl_seconds=300))
    async with Load(stage.rtb(2), lambda: stage.ping(next(some)), lines=4) as load:
        for _ in range(3):
            await load.goes_on(50)
            await asyncio.to_thread(worker.kill9)
            await load.goes_on(50)
            await asyncio.to_thread(worker.spawn)
        await asyncio.to_thread(worker.until_ready)
    await stage.until_logged()
    logged = await stage.logged()
    assert {said.status for said in load.said} == {200}
    assert len(logged) == len(load.said)
    assert len({row["uuid"] for row in logged}) == len(logged)
    reserved = {said.fields["uuid"] for said in load.said if said.is_reserved}
    assert {row["uuid"] for row in logged if row["original"] is None} == reserved
    repeated = Counter(said.fields["uuid"] for said in load.said if said.is_repeat)
    assert Counter(row["original"] for row in logged if row["original"]) == repeated
