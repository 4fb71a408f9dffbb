"""The reports of a call, shuffled and doubled over HTTP, leave the record that they leave in order."""

import json
import random
from typing import Any

import pytest

from shared.domain import uuid7
from tests.services.calls.bench import Bench, Switch
from tests.services.calls.conftest import Opened
from tests.services.rtb.bench import Loop

OF_ITS_OWN = {
    "call_uuid",
    "uuid",
    "caller",
    "leg",
    "at",
}  # what tells two calls apart, and when a leg was dialled


class Told:
    """One call whose first buyer was busy, and the reports that follow."""

    def __init__(self, bench: Bench, switch: Switch, name: str) -> None:
        self._bench = bench
        self._switch = switch
        caller = {"call_id": name, "from": f"+1212555{sum(map(ord, name)):04d}", "to": switch.number}
        first = self._post("/v1/calls", caller)
        self.uuid = first["call_uuid"]
        self._began_s = uuid7.ms_of(self.uuid) / 1000
        self.legs = [leg["leg_id"] for leg in first["legs"]]
        self._busy = self.report("busy", 3, leg=0)
        self.legs += [leg["leg_id"] for leg in self.tell(self._busy)["legs"]]

    def report(self, event: str, at_s: float, *, leg: int | None = None, **fields: object) -> dict[str, Any]:
        named = {} if leg is None else {"leg_id": self.legs[leg]}
        return {"event": event, "at": self._began_s + at_s + 0.5, **named, **fields}

    def reports(self) -> list[dict[str, Any]]:
        return [
            self._busy,
            self.report("answered", 12, leg=1),
            self.report("ended", 132, leg=1, connected_duration=120),
            self.report("ended", 133, duration=133, hung_up_by="buyer"),
        ]

    def tell(self, report: dict[str, Any]) -> dict[str, Any]:
        return self._post(f"/v1/calls/{self.uuid}/events", report)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._bench.post(self._switch, path, json.dumps(body).encode())
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.json()
        return told


def what_counts(value: Any) -> Any:
    """A record without what is each call's own: its names, and the moments that follow from when it came."""
    if isinstance(value, dict):
        return {name: what_counts(each) for name, each in value.items() if not _is_its_own(name)}
    return [what_counts(each) for each in value] if isinstance(value, list) else value


def _is_its_own(name: str) -> bool:
    return name in OF_ITS_OWN or name.endswith(("_time", "_at"))


def record_of(bench: Bench, loop: Loop, told: Told) -> dict[str, Any]:
    record: dict[str, Any] = what_counts(loop.run(bench.record(told.uuid)))
    return record


@pytest.fixture(scope="module")
def switch(open_company: Opened) -> Switch:
    return open_company("three_buyers")


@pytest.fixture(scope="module")
def in_order(bench: Bench, loop: Loop, switch: Switch) -> dict[str, Any]:
    told = Told(bench, switch, "in-order")
    for report in told.reports():
        told.tell(report)
    return record_of(bench, loop, told)


@pytest.mark.parametrize("seed", range(8))
def test_shuffled_and_doubled_reports_leave_the_same_record(
    bench: Bench, loop: Loop, switch: Switch, in_order: dict[str, Any], seed: int
) -> None:
    assert (in_order["outcome"], in_order["buyer"], in_order["rescued"]) == ("connected", "beta", True)
    assert (in_order["connected_duration"], in_order["converted"]) == (120, True)
    told, dice = Told(bench, switch, f"shuffled-{seed}"), random.Random(seed)
    reports = told.reports() + dice.choices(told.reports(), k=3)
    dice.shuffle(reports)
    for report in reports:
        told.tell(report)
    record = record_of(bench, loop, told)
    sums = {side: sum(float(row[side]) for row in record["ledger"]) for side in ("revenue", "payout")}
    assert sums == {side: float(record[side]) for side in ("revenue", "payout")}
    ledger = {"ledger": in_order["ledger"]}  # one booking, or several that come to the same
    assert {**record, **ledger} == in_order


def test_the_places_are_those_of_calls_that_are_over(bench: Bench, loop: Loop, open_company: Opened) -> None:
    switch = open_company("three_buyers")
    told = Told(bench, switch, "backwards")
    for report in reversed(told.reports() * 2):
        told.tell(report)
    assert loop.run(bench.fills(switch)) == {"alpha": [0, 0], "beta": [1, 0]}
