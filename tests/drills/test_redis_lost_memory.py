"""Drill: Redis forgets everything, or comes back older, under traffic. Cold until it is rebuilt, and right from then on."""

import asyncio
import subprocess
from itertools import islice
from pathlib import Path

import pytest
from redis import Redis

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.engines import Engine, empty_redis
from tests.support.partners import Load, Said, ask, ask_all
from tests.support.processes import ServiceProcess
from tests.support.waiting import eventually

CAP = 20
KEYS = ("Pings", "Deleted", "Paused")


class Past:
    """What a Redis had on disk at some moment, to be put back while it is down."""

    def __init__(self, engine: Engine, kept: Path) -> None:
        self._kept = kept
        with Redis.from_url(engine.url) as redis:
            folder, name = redis.config_get("dir")["dir"], redis.config_get("appenddirname")["appenddirname"]
        self._folder = Path(folder) / name
        subprocess.run(["cp", "-a", self._folder, kept], check=True)

    def put_back(self) -> None:
        subprocess.run(["rm", "-r", self._folder], check=True)
        subprocess.run(["cp", "-a", self._kept, self._folder], check=True)


async def reserve(stage: Stage, rtb: ServiceProcess, who: "list[int]") -> dict[str, int]:
    said = await ask_all([rtb], [stage.ping(caller) for caller in who])
    assert all(each.is_reserved for each in said), said
    return {each.fields["uuid"]: caller for each, caller in zip(said, who, strict=True)}


@pytest.mark.parametrize("how", ["emptied", "older"])
async def test_redis_lost_its_memory(redis_stage: Stage, own_redis: Engine, how: str, tmp_path: Path) -> None:
    stage, everyone = redis_stage, callers()
    stage.worker()
    stage.apply(a_drill_account(caps={"daily": CAP}, ttl_seconds=300, keys=KEYS))
    busy, quiet = stage.rtb(2)
    for key in KEYS:  # hot in the memory of both
        assert {said.status for said in await ask_all([busy, quiet], [stage.ping(1, key)] * 2)} == {422}
    held = await reserve(stage, busy, list(islice(everyone, CAP // 2)))
    past = Past(own_redis, tmp_path / "past")
    held |= await reserve(stage, busy, list(islice(everyone, CAP - CAP // 2)))
    await asyncio.to_thread(stage.keys, "delete", "Deleted")
    await asyncio.to_thread(stage.keys, "pause", "Paused")
    await stage.until_logged()

    async with Load([busy], lambda: stage.ping(next(everyone))) as load:
        if how == "emptied":
            await asyncio.to_thread(empty_redis, own_redis.url)
        else:
            await asyncio.to_thread(own_redis.kill9)
            past.put_back()
            await asyncio.to_thread(own_redis.start)
        assert_refused(await refused_keys(stage, quiet), meanwhile=True)

        async def is_warm() -> bool:
            return (await ask(quiet, stage.ping(next(everyone)))).status == 200

        await eventually(is_warm, within_s=5, what="the shard is rebuilt")
        await load.goes_on()
    # never one over the cap: every place is held by those before the loss
    assert {said.status for said in load.said} == {200, 503}
    assert [said for said in load.said if said.status == 503 and not said.is_away] == []
    assert {said.fields["reason"] for said in load.said if said.status == 200} == {"buyers_capped"}
    assert_refused(await refused_keys(stage, quiet), meanwhile=False)
    uuid = next(iter(held))
    confirmed = await ask(
        quiet, f"/rtbs/{uuid}.json?key={stage.tokens['Pings']}&status=confirmed", method="PUT"
    )
    assert confirmed.fields["status"] == "confirmed"  # with the place that it holds: there is no other
    again = await ask_all([busy, quiet], [stage.ping(caller) for caller in held.values()])
    assert [said.fields["uuid"] for said in again] == list(held)
    assert all(said.is_repeat for said in again)
    await asyncio.to_thread(stage.let_holds_run_out)
    await reserve(stage, quiet, list(islice(everyone, CAP)))


async def refused_keys(stage: Stage, quiet: ServiceProcess) -> dict[str, Said]:
    """What the keys that are deleted and paused are told by a worker that last met them as good ones."""
    return {name: await ask(quiet, stage.ping("2125551212", name)) for name in ("Deleted", "Paused")}


def assert_refused(said: dict[str, Said], *, meanwhile: bool) -> None:
    for name, status in (("Deleted", 401), ("Paused", 403)):
        assert said[name].status == status or (meanwhile and said[name].is_away), (name, said[name])
