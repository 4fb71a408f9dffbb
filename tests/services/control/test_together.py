"""Rejections that come at once, from different buyers, and while a store is away."""

import asyncio
from collections import Counter

import pytest

from tests.services.control.bench import ControlBench
from tests.services.control.cases import own_account
from tests.support.partners import Line

CALLER = "+12125551212"


async def rejections(bench: ControlBench, target: str, number: int) -> list[tuple[int, str]]:
    async def one() -> tuple[int, str]:
        line = Line(bench.control)
        try:
            said = await line.ask(target)
            return said.status, said.body.decode()
        finally:
            line.close()

    return await asyncio.gather(*(one() for _ in range(number)))


@pytest.mark.parametrize("fallback", ["group", "campaign"])
def test_of_many_rejections_at_once_one_succeeds(bench: ControlBench, fallback: str) -> None:
    number = 100 if fallback == "group" else 101
    account = own_account("two_groups", number, {"postback_keys.1.fallback": fallback})
    switch = bench.open_company(account)
    told = bench.calls.post(
        switch,
        "/v1/calls",
        b'{"call_id":"c1","from":"%s","to":"%s"}' % (CALLER.encode(), switch.number.encode()),
    ).json()
    leg = told["legs"][0]["leg_id"]
    path = f"/v1/calls/{told['call_uuid']}/events"
    bench.calls.post(switch, path, b'{"event":"answered","leg_id":"%s"}' % leg.encode())
    assert bench.taken(switch) == 1
    token = account["postback_keys"][1]["token"]
    target = f"/handler_groups/East/call_control/reject?key={token}&caller_number=%2B12125551212"
    bench.commands()
    answers = Counter(bench.loop.run(rejections(bench, target, 20)))
    assert answers == {(200, f"SUCCESS call {told['call_uuid']} rejected"): 1, (409, "FAILED rejected"): 19}
    assert [each["command"] for each in bench.commands()] == ["drop_leg"]
    assert bench.taken(switch) == 0
