"""The switch that `ringpost simulate call` plays: what it tells a calls service that answers as written here."""

from collections.abc import Mapping
from typing import Any

import pytest

from ringpost.simulated_switch import Answer, Script, SimulatedSwitch, Wire
from shared.errors import OperatorError

CALL = "01890a5d-ac96-7000-8000-123456789abc"
SCRIPT = Script(caller="+12125551212", number="+18445550100")
TIDS = {"leg-a": "alpha", "leg-b": "beta", "leg-c": "gamma"}
OVER = {"call_uuid": CALL, "action": "hangup", "message": "", "reason": ""}


def dial(*legs: str) -> Answer:
    each = [{"leg_id": leg, "number": "+18005550111", "timeout_seconds": 30} for leg in legs]
    return {"call_uuid": CALL, "action": "dial", "caller": "", "legs": each}


def connected(*drop: str) -> Answer:
    return {"call_uuid": CALL, "action": "connected", "drop_legs": list(drop)}


class ScriptedWire(Wire):
    """Answers in order, and what was sent."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = iter(answers)
        self.sent: list[tuple[str, Mapping[str, Any]]] = []

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        self.sent.append((path, body))
        return next(self._answers)

    @property
    def events(self) -> list[tuple[str, str]]:
        """What was told of which leg, "" = the call."""
        return [(body["event"], body.get("leg_id", "")) for _, body in self.sent[1:]]


async def play(wire: ScriptedWire, script: Script = SCRIPT) -> list[str]:
    said: list[str] = []

    async def tids_of(_call_uuid: str) -> Mapping[str, str]:
        return TIDS

    assert await SimulatedSwitch(wire, script, tids_of=tids_of, say=said.append).play() == CALL
    return said


async def test_the_first_buyer_answers_and_time_passes_in_the_events_alone() -> None:
    wire = ScriptedWire(dial("leg-a"), connected(), OVER, OVER)
    said = await play(wire)
    assert wire.events == [("answered", "leg-a"), ("ended", "leg-a"), ("ended", "")]
    (path, inbound), *events = wire.sent
    assert (path, inbound["from"], inbound["to"]) == ("/v1/calls", "+12125551212", "+18445550100")
    assert {path for path, _ in events} == {f"/v1/calls/{CALL}/events"}
    answered, leg_ended, ended = (body for _, body in events)
    assert leg_ended["at"] - answered["at"] == pytest.approx(120)
    assert (leg_ended["connected_duration"], ended["connected_duration"]) == (120, 120)
    assert int(ended["duration"]) == 125
    assert ended["hung_up_by"] == "caller"
    assert said == [
        "+1******1212 calls +1******0100",
        "  dialling alpha",
        "  alpha answers after 5 s",
        "  they talk for 120 s, and the caller hangs up",
    ]


async def test_a_busy_buyer_is_passed_by() -> None:
    wire = ScriptedWire(dial("leg-a"), dial("leg-b"), connected(), OVER, OVER)
    said = await play(wire, Script(caller="", number="+18445550100", busy=frozenset({"alpha"}), talk_s=7))
    assert wire.events == [("busy", "leg-a"), ("answered", "leg-b"), ("ended", "leg-b"), ("ended", "")]
    assert wire.sent[0][1]["from"] == ""
    assert said[0].startswith("an anonymous caller calls")
    assert "  alpha is busy" in said


async def test_who_takes_longer_than_the_timeout_does_not_answer() -> None:
    sorry = {**OVER, "message": "Sorry.", "reason": "buyers_filtered"}
    wire = ScriptedWire(dial("leg-a"), dial("leg-b"), sorry, OVER)
    said = await play(wire, Script(caller="", number="+18445550100", answer_s=30))
    assert wire.events == [("no_answer", "leg-a"), ("no_answer", "leg-b"), ("ended", "")]
    ended = wire.sent[-1][1]
    assert (int(ended["duration"]), ended["connected_duration"], ended["hung_up_by"]) == (60, 0, "switch")
    assert said[-2:] == ["  nobody takes the call: buyers_filtered", "  the caller hears: Sorry."]


async def test_of_a_group_the_first_answers_and_the_others_are_dropped() -> None:
    still = dial("leg-b", "leg-c")
    wire = ScriptedWire(dial("leg-a", "leg-b", "leg-c"), still, connected("leg-c"), connected(), OVER, OVER)
    said = await play(wire, Script(caller="", number="+18445550100", busy=frozenset({"alpha"})))
    assert wire.events == [
        ("busy", "leg-a"),
        ("answered", "leg-b"),
        ("ended", "leg-c"),
        ("ended", "leg-b"),
        ("ended", ""),
    ]
    assert "  dialling alpha, beta, gamma" in said
    assert "  gamma is dropped" in said


async def test_a_group_in_which_nobody_answers_takes_one_timeout() -> None:
    wire = ScriptedWire(dial("leg-a", "leg-b"), dial("leg-b"), OVER, OVER)
    await play(wire, Script(caller="", number="+18445550100", answer_s=99))
    assert wire.events == [("no_answer", "leg-a"), ("no_answer", "leg-b"), ("ended", "")]
    assert int(wire.sent[-1][1]["duration"]) == 30


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"action": "reject", "reason": "number_unknown"}, "the call was not taken: number_unknown"),
        ({"action": "hangup", "message": "Sorry."}, "the call was not taken: nothing can be decided now"),
        (
            {"action": "dial", "fallback": True, "number": "+1"},
            "the call was not taken: nothing can be decided",
        ),
    ],
)
async def test_a_call_that_is_not_taken(answer: Answer, text: str) -> None:
    with pytest.raises(OperatorError) as caught:
        await play(ScriptedWire(answer))
    assert caught.value.text.startswith(text)


async def test_a_service_that_repeats_itself_ends_the_play() -> None:
    with pytest.raises(OperatorError, match="same legs again"):
        await play(
            ScriptedWire(dial("leg-a"), dial("leg-a")),
            Script(caller="", number="+18445550100", busy=frozenset({"alpha"})),
        )
