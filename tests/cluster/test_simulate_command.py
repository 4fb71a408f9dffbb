"""`ringpost simulate call` against a whole cluster: calls from their first ring to their record."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.support.engines import throw_away_folder
from tests.support.homes import READY, Home, Run

CALLER, NUMBER = "+12125551212", "+18445550100"


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Home, Run]]:
    with throw_away_folder() as folder:
        home = Home(folder)
        with home.up() as up:
            up.wait_for(READY)
            yield home, up


def record(home: Home, *arguments: str, caller: str = CALLER, number: str = NUMBER) -> dict[str, Any]:
    played = home.run("simulate", "call", "--from", caller, "--to", number, *arguments, "--json")
    assert (played.returncode, played.stderr) == (0, "")
    assert played.stdout.count("\n") == 1
    told: dict[str, Any] = json.loads(played.stdout)
    return told


def test_a_ping_s_caller_is_put_through_to_the_reserved_buyer(cluster: tuple[Home, Run]) -> None:
    home, up = cluster
    caller = "+12125550147"
    (address,) = [line for line in up.pasted()[:1] for line in line.split("'") if line.startswith("http")]
    with urlopen(address.replace("%2B12125551212", quote(caller)), timeout=10) as answer:
        ping = json.loads(answer.read())
    assert ping["status"] == "reserved"
    number = ping["inbound_number"]
    told = record(home, caller=caller, number=number)
    assert (told["call_uuid"], told["status"], told["outcome"]) == (told["uuid"], "finished", "connected")
    assert (told["reservation_uuid"], told["publisher"]) == (ping["uuid"], "pub_a")
    assert (told["caller"], told["dialed_number"], told["campaign"]) == (caller, number, "auto")
    assert (told["connected_duration"], told["total_duration"], told["hung_up_by"]) == (120, 125, "caller")
    (leg,) = told["call_flow_events"]
    assert (leg["buyer"], leg["status"], leg["connected_duration"]) == (told["buyer"], "ended", 120)


def test_busy_buyers_are_passed_by_and_money_follows_the_talk(cluster: tuple[Home, Run]) -> None:
    told = record(cluster[0], "--busy", "alpha", "--busy", "beta", caller="+12125550148")
    assert [(each["buyer"], each["status"]) for each in told["call_flow_events"]][-1] == ("gamma", "ended")
    assert {each["status"] for each in told["call_flow_events"][:-1]} == {"busy"}
    assert (told["buyer"], told["rescued"], told["converted"]) == ("gamma", True, True)
    assert (told["revenue"], told["payout"]) == (15.0, 12.5)
    assert sum(float(row["revenue"]) for row in told["ledger"]) == told["revenue"]
    assert sum(float(row["payout"]) for row in told["ledger"]) == told["payout"]


def test_a_short_talk_pays_nothing(cluster: tuple[Home, Run]) -> None:
    told = record(cluster[0], "--busy", "alpha", "--busy", "beta", "--talk", "1", caller="+12125550149")
    assert (told["connected_duration"], told["revenue"], told["payout"], told["ledger"]) == (1, 0.0, 0.0, [])


def test_nobody_answers_in_time(cluster: tuple[Home, Run]) -> None:
    played = cluster[0].run("simulate", "call", "--from", "anonymous", "--to", NUMBER, "--answer", "9999")
    assert played.returncode == 0
    lines = played.stdout.splitlines()
    assert lines[0] == "an anonymous caller calls +1******0100"
    assert any("does not answer within" in line for line in lines)
    assert any(line.endswith("finished no-target") for line in lines)


def test_people_get_the_story_and_the_record_without_whole_numbers(cluster: tuple[Home, Run]) -> None:
    played = cluster[0].run("simulate", "call", "--from", CALLER, "--to", NUMBER, "--busy", "beta")
    assert "  alpha answers after 5 s\n" in played.stdout
    assert "connected 120 s of 125 s" in played.stdout
    assert CALLER not in played.stdout
    assert NUMBER not in played.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("call", "--from", CALLER, "--to", "+12125559999"),
            "no company with a generic switch has that number",
        ),
        (("call", "--from", "nobody", "--to", NUMBER), "--from is not a possible phone number"),
        (("call", "--from", CALLER, "--to", "12"), "--to is not a possible phone number"),
        (
            ("--url", "http://127.0.0.1:1", "call", "--from", CALLER, "--to", NUMBER),
            "no calls service answers at",
        ),
    ],
)
def test_what_cannot_be_played_is_one_line(
    cluster: tuple[Home, Run], arguments: tuple[str, ...], text: str
) -> None:
    played = cluster[0].run("simulate", *arguments)
    assert played.returncode == 1
    assert played.stderr.startswith(f"ringpost: {text}")


def test_a_new_credential_is_in_use_at_once(cluster: tuple[Home, Run]) -> None:
    home = cluster[0]
    made = json.loads(home.run("switches", "list", "--json").stdout)
    assert home.run("switches", "delete", str(made[0]["id"]), "--yes").returncode == 0
    assert home.run("simulate", "call", "--from", CALLER, "--to", NUMBER).returncode == 1
    assert home.run("switches", "create", "--company", "Demo Media", "--kind", "generic").returncode == 0
    assert record(home)["outcome"] == "connected"
