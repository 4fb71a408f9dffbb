"""What many calls at once show that one cannot: nothing is claimed, opened or taken twice."""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.services.calls.bench import Bench, Switch
from tests.services.calls.conftest import Opened
from tests.services.rtb.bench import Loop

AT_ONCE = 20
CALLER = "+12125551212"
ALPHA, BETA = "+18005550111", "+18005550122"


def arrive(bench: Bench, switch: Switch, calls: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """The answers to calls that come at once."""

    def one(call: dict[str, str]) -> dict[str, Any]:
        answer = bench.post(switch, "/v1/calls", json.dumps(call).encode())
        assert answer.status == 200, answer.body
        return answer.json()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, calls))


def tell(bench: Bench, switch: Switch, reports: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The answers to reports of calls, at once."""

    def one(report: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        call, body = report
        answer = bench.post(switch, f"/v1/calls/{call}/events", json.dumps(body).encode())
        assert answer.status == 200, answer.body
        return answer.json()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, reports))


def of_many(switch: Switch, count: int) -> list[dict[str, str]]:
    """Calls of as many callers."""
    return [
        {"call_id": f"c{each}", "from": f"+1212555{each:04d}", "to": switch.number} for each in range(count)
    ]


def dialled(answers: Sequence[dict[str, Any]]) -> Counter[str]:
    """How often each buyer is dialled."""
    return Counter(leg["number"] for answer in answers for leg in answer.get("legs", ()))


def test_one_reservation_is_claimed_once(bench: Bench, loop: Loop, open_company: Opened) -> None:
    switch = open_company("three_buyers")
    reserved = bench.ping({"key": switch.key, "caller_number": CALLER}).json()
    calls = [{"call_id": f"c{each}", "from": CALLER, "to": reserved["inbound_number"]} for each in range(50)]
    answers = arrive(bench, switch, calls)
    assert len({answer["call_uuid"] for answer in answers}) == 50
    records = [loop.run(bench.record(answer["call_uuid"])) for answer in answers]
    claimed = [record for record in records if record["reservation_uuid"]]
    assert [record["reservation_uuid"] for record in claimed] == [reserved["uuid"]]
    assert {record["publisher"] for record in records} == {"pub_a"}
    assert loop.run(bench.fills(switch)) == {"alpha": [50, 50]}


def test_one_call_told_many_times_at_once_is_one(bench: Bench, loop: Loop, open_company: Opened) -> None:
    switch = open_company("three_buyers")
    call = {"call_id": "c1", "from": CALLER, "to": switch.number}
    first, *others = arrive(bench, switch, [call] * 20)
    assert first["action"] == "dial"
    assert others == [first] * 19
    record = loop.run(bench.record(first["call_uuid"]))
    assert [event["buyer"] for event in record["call_flow_events"]] == ["alpha"]
    assert loop.run(bench.fills(switch)) == {"alpha": [1, 1]}


def test_one_report_told_many_times_at_once_is_one(bench: Bench, loop: Loop, open_company: Opened) -> None:
    switch = open_company("three_buyers")
    (answer,) = arrive(bench, switch, of_many(switch, 1))
    report = {"event": "busy", "leg_id": answer["legs"][0]["leg_id"]}
    first, *others = tell(bench, switch, [(answer["call_uuid"], report)] * 20)
    assert dialled([first]) == {BETA: 1}
    assert others == [first] * 19
    assert loop.run(bench.fills(switch)) == {"alpha": [0, 0], "beta": [1, 1]}


def test_a_cap_is_never_exceeded(bench: Bench, loop: Loop, open_company: Opened) -> None:
    switch = open_company("three_buyers", {"buyers.0.caps": {"daily": 7}})
    answers = arrive(bench, switch, of_many(switch, 60))
    assert dialled(answers) == {ALPHA: 7, BETA: 53}
    assert loop.run(bench.fills(switch)) == {"alpha": [7, 7], "beta": [53, 53]}


def test_every_place_of_many_calls_is_given_back(bench: Bench, loop: Loop, open_company: Opened) -> None:
    switch = open_company("three_buyers", {"buyers.0.caps": {"concurrency": 5}})
    answers = arrive(bench, switch, of_many(switch, 30))
    assert dialled(answers) == {ALPHA: 5, BETA: 25}
    over = {"event": "ended", "hung_up_by": "caller", "connected_duration": 0}
    tell(bench, switch, [(answer["call_uuid"], over) for answer in answers * 2])
    assert loop.run(bench.fills(switch)) == {"alpha": [0, 0], "beta": [0, 0]}


def test_a_full_buyer_is_dialled_again_by_each_place_that_is_given_back(
    bench: Bench, loop: Loop, open_company: Opened
) -> None:
    switch = open_company("three_buyers", {"buyers.0.caps": {"daily": 7}})
    answers = arrive(bench, switch, of_many(switch, 20))
    busy = [
        (answer["call_uuid"], {"event": "busy", "leg_id": answer["legs"][0]["leg_id"]})
        for answer in answers
        if answer["legs"][0]["number"] == ALPHA
    ]
    assert dialled(tell(bench, switch, busy)) == {BETA: 7}
    later = [{**call, "call_id": f"later-{call['call_id']}"} for call in of_many(switch, 20)]
    assert dialled(arrive(bench, switch, later)) == {ALPHA: 7, BETA: 13}
    assert loop.run(bench.fills(switch)) == {"alpha": [7, 7], "beta": [33, 33]}
