"""Drills: workers of the rtb service are stopped, rolled and killed under load."""

import asyncio
from itertools import islice

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.partners import Line, Load, Said, ask_all

CAP = 30


def failed(said: list[Said]) -> list[Said]:
    """What was neither answered nor refused by a port that nobody listens on."""
    return [each for each in said if each.status != 200 and not each.refused]


async def test_workers_are_stopped_in_turn(stage: Stage) -> None:
    everyone = callers()
    stage.worker()
    stage.apply(a_drill_account())
    first, second = stage.rtb(2)
    async with Load([first, second], lambda: stage.ping(next(everyone)), lines=4) as load:
        for stopped, other in ((first, second), (second, first)):
            rest = asyncio.get_running_loop().create_future()
            head = (
                f"POST {stage.ping(next(everyone))} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
            )
            in_work = asyncio.ensure_future(Line(stopped).send(head.encode(), rest=rest))
            await load.goes_on()
            stopping = asyncio.ensure_future(asyncio.to_thread(stopped.stop))
            await load.goes_on(services=[other])
            rest.set_result(b"a=")
            assert (await in_work).is_reserved
            assert await stopping == 0
            await load.goes_on(services=[other])
            await asyncio.to_thread(stopped.start)
            await load.goes_on()
    assert failed(load.said) == []


async def test_a_killed_worker_takes_only_its_own_requests_along(stage: Stage) -> None:
    everyone = callers()
    stage.worker()
    stage.apply(a_drill_account(caps={"daily": CAP}))
    killed, other = stage.rtb(2)
    lines = 4
    async with Load([killed, other], lambda: stage.ping(next(everyone)), lines=lines) as load:
        await asyncio.to_thread(killed.kill9)
        await load.goes_on(services=[other])
        await asyncio.to_thread(killed.spawn)
        await asyncio.to_thread(killed.until_ready)
        await load.goes_on()
    lost = failed(load.said)
    assert len(lost) <= lines
    assert {said.port for said in lost} <= {killed.port}
    assert sum(said.is_reserved for said in load.said) in range(CAP - len(lost), CAP + 1)
    await asyncio.to_thread(stage.let_holds_run_out)
    said = await ask_all([killed, other], [stage.ping(caller) for caller in islice(everyone, 4 * CAP)])
    assert sum(each.is_reserved for each in said) == CAP
