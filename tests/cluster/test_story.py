"""One story, from the first start of a cluster to its second: ping, call, conversion, explain, a key's pause, Ctrl-C."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest

from deploy.local.cluster_file import POSTGRES_DSN, read_cluster
from tests.support.engines import throw_away_folder
from tests.support.homes import READY, Home, Run
from tests.support.processes import wait_until

KEY = "Publisher_A_RTB_Auto"
DEMO_BUYERS = {"alpha", "beta", "gamma"}


class Story(Home):
    """A home, and what is seen of it from outside."""

    def explain(self, uuid: str) -> dict[str, Any]:
        done = self.run("explain", uuid, "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def is_logged(self, uuid: str) -> bool:
        cluster = read_cluster(self.path)
        assert cluster is not None
        return bool(asyncio.run(_found(cluster.settings[POSTGRES_DSN], uuid)))


async def _found(dsn: str, uuid: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pings WHERE uuid = $1::uuid", uuid))
    finally:
        await connection.close()


@pytest.fixture
def home() -> Iterator[Story]:
    with throw_away_folder() as folder:
        yield Story(folder)


def paste(line: str) -> dict[str, Any]:
    """What a printed line answers when it is pasted into a shell."""
    answer: dict[str, Any] = json.loads(subprocess.check_output(["bash", "-euc", line], timeout=20))
    return answer


def worker_of(up: Run) -> psutil.Process:
    return next(process for process in up.family() if "services.worker" in process.cmdline())


def test_a_cluster_from_its_first_start_to_its_second(home: Story) -> None:
    with home.up() as up:
        up.wait_for(READY)
        lines = up.pasted()
        with home.running("tail", "--json") as tail:
            tail.wait_for("following")
            uuid = pings_are_answered_and_explained(home, lines, worker_of(up))
            tail.wait_for(uuid)
            assert tail.interrupt() == 0
        a_call_is_brought_written_on_and_converted(home, up, lines=lines[3:])
        a_key_is_paused_and_resumed(home, lines[0])
        nothing_is_left_after_ctrl_c(up)
    with home.up() as again:
        again.wait_for(READY)
        assert again.pasted() == lines
        assert home.explain(uuid)["status"] in {"confirmed", "expired", "claimed"}
        assert paste(elsewhere(lines[0], "12125550177"))["status"] == "reserved"
        nothing_is_left_after_ctrl_c(again)


def pings_are_answered_and_explained(home: Story, lines: list[str], worker: psutil.Process) -> str:
    ping, again, confirmed = (paste(line) for line in lines[:3])
    assert ping["status"] == "reserved"
    assert again == {**ping, "retreaver_ping_shield": True}
    assert confirmed == {**ping, "status": "confirmed"}
    worker.suspend()
    new = paste(elsewhere(lines[0], "12125550188"))["uuid"]
    at_once = home.explain(new)
    assert not home.is_logged(new)
    worker.resume()
    wait_until(lambda: home.is_logged(new), within_s=2, what="the ping is in the log")
    for told in (at_once, home.explain(new)):
        assert {each["buyer"] for each in told["candidates"]} <= DEMO_BUYERS
        assert [each["buyer"] for each in told["candidates"] if not each["reason"]] == [told["buyer"]]
        assert (told["key"], told["status"], told["caller"]) == (KEY, "reserved", "+1******0188")
    assert home.run("explain", new).stdout.startswith(f"{new}  reserved\n")
    told = home.explain(ping["uuid"])
    assert (told["status"], Decimal(told["payout"])) == ("confirmed", Decimal("12.50"))
    return str(ping["uuid"])


def a_call_is_brought_written_on_and_converted(home: Story, up: Run, *, lines: list[str]) -> None:
    """The rest of the printed story, pasted line by line."""
    write, call, convert, read, record, reject, transfer, suppress, check = lines
    assert paste(write)["status"] == "call not found, tags stored"
    ping = paste(up.pasted()[0])
    uuid = told(call)
    assert told(f"CALL={uuid}; {convert}") == f"SUCCESS {uuid} 40.00"
    assert paste(read) == {"their_zip": "10001", "click_id": "click123"}
    text = told(f"CALL={uuid}; {record}")
    assert text.startswith(f"{uuid}  finished connected\n")
    assert "revenue 40.00, payout 32.00" in text
    shown = home.explain(uuid)
    assert (shown["buyer"], shown["reservation_uuid"]) == ("alpha", ping["uuid"])
    assert shown["tags"] == {"click_id": "click123", "lp__zip": "10001"}
    up.wait_for("a webhook came: GET /conv?click=click123&payout=32.00")
    back = told(reject).removeprefix("SUCCESS call ").removesuffix(" rejected")
    assert [event.get("status") for event in home.explain(back)["call_flow_events"]] == ["rejected", None]
    on = told(transfer).removeprefix("SUCCESS call ").removesuffix(" transferred")
    legs = [event for event in home.explain(on)["call_flow_events"] if "status" in event]
    assert [(leg["status"], leg["number"]) for leg in legs[1:]] == [("dialling", "+18005550133")]
    up.wait_for("a switch command came: POST /switch")
    assert paste(suppress)["caller_list_number"]["number"] == "+12125551515"
    assert paste(check) == {"caller_list_check": {"status": "present"}}
    assert paste(elsewhere(up.pasted()[0], "12125551515"))["reason"] == "caller_suppressed"


def told(line: str) -> str:
    """What a printed line says when it is pasted into a shell."""
    return subprocess.check_output(["bash", "-euc", line], text=True, timeout=30).strip()


def elsewhere(line: str, caller: str) -> str:
    """The same ping of another caller."""
    (before,) = parse_qs(urlsplit(line.split("'")[-2]).query)["caller_number"]
    return line.replace(before.replace("+", "%2B"), caller)


def a_key_is_paused_and_resumed(home: Story, line: str) -> None:
    assert home.run("keys", "pause", KEY).returncode == 0
    assert paste(elsewhere(line, "12125550166"))["reason"] == "key_paused"
    assert home.run("keys", "resume", KEY).returncode == 0
    assert paste(elsewhere(line, "12125550166"))["status"] == "reserved"


def nothing_is_left_after_ctrl_c(up: Run) -> None:
    family = up.family()
    assert up.interrupt() == 0
    assert [process for process in family if process.is_running()] == []
