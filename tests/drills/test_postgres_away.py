"""Drill: Postgres goes away under traffic. What is hot goes on, what is not is 503, and no ping misses in the log."""

import asyncio
from secrets import randbelow
from time import monotonic

import pytest

from shared.domain.keys import Kind, make_token
from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.engines import Engine
from tests.support.partners import Load, ask
from tests.support.waiting import eventually

SOON_S = 0.5  # generous: what is promised is 100 ms


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_postgres_is_away_for_a_while(postgres_stage: Stage, own_postgres: Engine, how: str) -> None:
    stage, everyone = postgres_stage, callers()
    worker = stage.worker()
    stage.apply(a_drill_account(keys=("Pings", "Cold key")))
    (rtb,) = stage.rtb()
    stage.tokens["Nobody's"] = make_token(Kind.RTB, randbelow)

    async with Load([rtb], lambda: stage.ping(next(everyone))) as load:
        await asyncio.to_thread(own_postgres.kill9 if how == "killed" else own_postgres.pause)
        while_away = await load.goes_on()
        assert {said.status for said in while_away} == {200}
        for name in ("Nobody's", "Cold key", "Elsewhere"):
            said = await ask(rtb, stage.ping(next(everyone), name))
            assert said.is_away, (name, said)
            assert said.ended_s - said.began_s < SOON_S
        await load.goes_on()
        waiting = await stage.waiting_events()
        assert waiting >= len(while_away)
        await asyncio.to_thread(own_postgres.start if how == "killed" else own_postgres.resume)

        async def is_there() -> bool:
            return (await ask(rtb, stage.ping(next(everyone), "Cold key"))).status == 200

        await eventually(is_there, what="Postgres is used again")
    assert (await ask(rtb, stage.ping(next(everyone), "Nobody's"))).status == 401
    assert {said.status for said in load.said} == {200}
    await stage.until_logged()
    reserved = {said.fields["uuid"] for said in load.said if said.is_reserved}
    assert reserved <= {row["uuid"] for row in await stage.logged()}
    assert worker.is_ready()


async def test_a_worker_leaves_in_time_though_postgres_hangs(
    postgres_stage: Stage, own_postgres: Engine
) -> None:
    worker = postgres_stage.worker(RINGPOST_DRAIN_S="1")
    own_postgres.pause()
    began_s = monotonic()
    assert worker.stop() == 0
    assert monotonic() - began_s < 5  # its drain and a moment
