"""Drill: a store goes away under those who keep caller lists. 503 with Retry-After meanwhile, and nothing that was
acknowledged is lost: it is listed, and turns callers away, once the store is back.
"""

import asyncio
import json
from collections.abc import Iterable
from contextlib import closing
from time import monotonic
from typing import Any

import pytest

from shared.domain.key_settings import PERMISSIONS
from tests.support.account_stage import Stage, a_drill_account
from tests.support.engines import Engine
from tests.support.partners import Line, Said, ask
from tests.support.waiting import eventually

SOON_S = 2.0  # generous: what is promised is a second
BACK_WITHIN_S = 10.0
TOKEN = "key-of-the-drill-that-keeps-lists"
BASE = "/api/v2/campaigns/auto/caller_lists"
DNC = f"{BASE}/suppressed_dnc"
UPLOADED = range(2125559000, 2125559300)


def an_account() -> dict[str, Any]:
    account = a_drill_account()
    account["campaigns"][0]["caller_lists"] = [{"name": "suppressed_dnc"}, {"name": "old"}, {"name": "gone"}]
    key = {"kind": "caller_list_management", "on": {"campaign": "auto"}, "permissions": list(PERMISSIONS)}
    account["postback_keys"].append({"name": "Lists", "token": TOKEN, **key})
    return account


class Keeper:
    """A partner who keeps a list, and remembers what was acknowledged."""

    def __init__(self, stage: Stage, hurt: Engine) -> None:
        stage.worker()
        stage.apply(an_account())
        (self.rtb,) = stage.rtb()
        self.control = stage.control()
        self.listed: set[int] = set()
        self._stage = stage
        self._hurt = hurt

    async def ask(self, path: str, *, method: str = "POST", body: object = None) -> Said:
        content = b"" if body is None else json.dumps(body).encode()
        target = f"{path}{'&' if '?' in path else '?'}key={TOKEN}"
        with closing(Line(self.control)) as line:
            head = "Content-Type: application/json\r\n"
            return await line.ask(target, method=method, head=head, body=content)

    async def add(self, number: int) -> Said:
        said = await self.ask(f"{DNC}/caller_list_numbers.json?number={number}")
        if said.status in {200, 201}:
            self.listed.add(number)
        return said

    async def check(self, number: int) -> Said:
        return await self.ask(f"{DNC}/caller_list_checks.json?number={number}")

    async def upload(self, numbers: Iterable[int]) -> Said:
        text = "\n".join(map(str, numbers))
        return await self.ask(f"{DNC}/caller_list_uploads.json", body={"numbers": text})

    async def change_everything(self) -> list[Said]:
        """Each way of changing a list."""
        return [
            await self.add(2125550300),
            await self.ask(f"{DNC}/caller_list_numbers/+12125550000.json", method="DELETE"),
            await self.ask(f"{BASE}.json", body={"caller_list": {"name": "suppressed_new"}}),
            await self.ask(f"{BASE}/old.json", method="PUT", body={"caller_list": {"name": "older"}}),
            await self.ask(f"{BASE}/gone.json", method="DELETE"),
        ]

    async def while_it_goes_away(self, how: str) -> list[Said]:
        """The answers to additions while the store is being hurt, some before it and some after."""
        adding = asyncio.gather(*(self.add(2125550100 + place) for place in range(60)))
        await asyncio.to_thread(self._hurt.kill9 if how == "killed" else self._hurt.pause)
        return await adding

    async def until_it_is_back(self, how: str) -> None:
        await asyncio.to_thread(self._hurt.start if how == "killed" else self._hurt.resume)
        began_s = monotonic()

        async def is_there() -> bool:
            return (await self.add(2125550200)).status in {200, 201}

        await eventually(is_there, within_s=BACK_WITHIN_S, what="numbers are added again")

        async def pings() -> bool:
            return (await ask(self.rtb, self._stage.ping(2125558000))).status == 200

        await eventually(pings, within_s=BACK_WITHIN_S - (monotonic() - began_s), what="pings are answered")

    async def all_is_kept(self) -> None:
        for number in sorted(self.listed):
            assert (await self.check(number)).fields["caller_list_check"] == {"status": "present"}, number
            said = await ask(self.rtb, self._stage.ping(number))
            assert said.fields.get("reason") == "caller_suppressed", (number, said)

    async def until_worked_on(self, taken: Said) -> dict[str, Any]:
        """An upload that was taken, once it is done."""
        path = f"{DNC}/caller_list_uploads/{taken.fields['caller_list_upload']['id']}.json"

        async def is_done() -> bool:
            return bool((await told())["status"] == "Completed")

        async def told() -> dict[str, Any]:
            fields: dict[str, Any] = (await self.ask(path, method="GET")).fields["caller_list_upload"]
            return fields

        await eventually(is_done, within_s=BACK_WITHIN_S, what="the upload is worked on")
        return await told()


def took_s(said: Said) -> float:
    return said.ended_s - said.began_s


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_without_postgres_nothing_is_answered_nor_lost(
    postgres_stage: Stage, own_postgres: Engine, how: str
) -> None:
    keeper = Keeper(postgres_stage, own_postgres)
    assert {(await keeper.add(2125550000 + place)).status for place in range(5)} == {201}
    taken = await keeper.upload(UPLOADED)
    assert taken.status == 202
    meanwhile = await keeper.while_it_goes_away(how)
    away = [
        *await keeper.change_everything(),
        await keeper.check(2125550000),
        await keeper.ask(f"{DNC}/caller_list_numbers.json", method="GET"),
        await keeper.upload(range(2125557000, 2125557010)),
    ]
    assert [said for said in away if not said.is_away or took_s(said) > SOON_S] == []
    assert [said for said in meanwhile if said.status != 201 and not said.is_away] == []
    await keeper.until_it_is_back(how)
    told = await keeper.until_worked_on(taken)
    assert (told["rows_applied"], told["rows_rejected"]) == (len(UPLOADED), 0)
    keeper.listed |= {UPLOADED[0], UPLOADED[-1]}
    await keeper.all_is_kept()
    assert {said.status for said in await keeper.change_everything()} <= {200, 201}


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_without_redis_no_change_is_promised_and_looks_go_on(
    redis_stage: Stage, own_redis: Engine, how: str
) -> None:
    keeper = Keeper(redis_stage, own_redis)
    assert {(await keeper.add(2125550000 + place)).status for place in range(5)} == {201}
    meanwhile = await keeper.while_it_goes_away(how)
    away = await keeper.change_everything()
    assert [said for said in away if not said.is_away or took_s(said) > SOON_S] == []
    assert [said for said in meanwhile if said.status != 201 and not said.is_away] == []
    assert (await keeper.check(2125550000)).fields["caller_list_check"] == {"status": "present"}
    assert (await keeper.check(2125550300)).fields["caller_list_check"] == {"status": "not-present"}
    taken = await keeper.upload(UPLOADED)
    assert taken.status == 202, "it promises nothing before it is worked on"
    await keeper.until_it_is_back(how)
    told = await keeper.until_worked_on(taken)
    assert told["rows_applied"] == len(UPLOADED)
    keeper.listed |= {UPLOADED[0], UPLOADED[-1]}
    await keeper.all_is_kept()
    assert {said.status for said in await keeper.change_everything()} <= {200, 201}
