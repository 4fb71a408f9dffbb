"""A switch does not take a transfer's command, and the call changes before that is known."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from shared.domain.call_books import CallChange
from shared.stores.call_changes import Saving, save_change
from shared.stores.calls import find_call
from tests.services.calls.bench import Switch
from tests.services.control.bench import ControlBench
from tests.services.control.cases import own_account
from tests.services.rtb.cases import Answer
from tests.support.receiver import answer

_numbers = count(110)  # of companies; those below are others' own


class LiveCall:
    """A buyer talks with its caller."""

    def __init__(self, bench: ControlBench) -> None:
        account = own_account("two_groups", next(_numbers), {})
        self.token = next(key["token"] for key in account["postback_keys"] if key["name"] == "Hand on")
        self.bench = bench
        self.switch: Switch = bench.open_company(account)
        inbound = {"call_id": "c1", "from": "+12125551212", "to": self.switch.number}
        told = self.bench.calls.post(self.switch, "/v1/calls", json.dumps(inbound).encode()).json()
        self.uuid = told["call_uuid"]
        self.leg = told["legs"][0]["leg_id"]
        self.event("answered", leg_id=self.leg)

    def event(self, event: str, **more: object) -> dict[str, Any]:
        """The switch reports."""
        body = json.dumps({"event": event, **more}).encode()
        told: dict[str, Any] = self.bench.calls.post(
            self.switch, f"/v1/calls/{self.uuid}/events", body
        ).json()
        return told

    def transfer(self) -> Answer:
        """The buyer hands its caller on."""
        return self.bench.ask(
            f"/call_control/v1/calls/{self.uuid}/transfer.json",
            {"api_key": self.token},
            method="POST",
            headers={"Content-Type": "application/json"},
            body=b'{"transfer_to": "+13105550101"}',
        )

    def transfer_unheard(self, meanwhile: Callable[[], object]) -> Answer:
        """The same while the switch says nothing, then that it cannot."""
        receiver, loop, gate = self.bench.receiver, self.bench.loop, asyncio.Event()

        async def fail_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            await answer(500)(reader, writer)

        async def go_on() -> None:
            gate.set()

        receiver.plan(fail_later)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.transfer)
            loop.run(receiver.until_seen(len(receiver.seen) + 1))
            meanwhile()
            loop.run(go_on())
            said = asked.result()
        receiver.plan(answer())
        return said

    def write_tags(self) -> None:
        """Somebody writes tags on the call, as the data service does."""
        assert self.bench.loop.run(self._written())

    async def _written(self) -> bool:
        postgres = self.bench.calls.postgres
        found = await find_call(postgres, self.switch.company_id, uuid=self.uuid)
        assert found is not None
        return await save_change(postgres, Saving(change=CallChange(state=found.state, tags={"zip": "1"})))


@pytest.fixture
def call(bench: ControlBench) -> LiveCall:
    return LiveCall(bench)


def test_it_is_taken_back_though_tags_were_written(call: LiveCall) -> None:
    said = call.transfer_unheard(call.write_tags)
    assert (said.status, said.json()["error"]) == (503, "cannot dial transfer_to number")
    assert call.transfer().json()["success"] is True, "it may be tried again at once"


def test_it_goes_on_when_the_buyer_has_left(call: LiveCall) -> None:
    asked: list[dict[str, Any]] = []
    said = call.transfer_unheard(
        lambda: asked.append(call.event("ended", leg_id=call.leg, connected_duration=1))
    )
    assert (asked[0]["action"], asked[0]["legs"][0]["number"]) == ("dial", "+13105550101")
    assert said.json() == {"success": True, "transfer_uuid": asked[0]["legs"][0]["leg_id"]}
    assert call.event("answered", leg_id=said.json()["transfer_uuid"])["action"] == "connected"


def test_a_caller_who_hung_up_is_told_of(call: LiveCall) -> None:
    said = call.transfer_unheard(lambda: call.event("ended", duration=9))
    assert (said.status, said.json()["error"]) == (409, "caller hung up")
