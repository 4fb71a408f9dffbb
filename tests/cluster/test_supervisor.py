"""The supervisor with a tiny service: deaths, rolls, stops, orphans."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.ports import free_port
from tests.support.processes import wait_until

_RUN = """
import asyncio, os, sys
from contextlib import closing
from pathlib import Path
from deploy.local.catalogue import Service
from deploy.local.crews import Crews
from deploy.local.readiness import Readiness
from deploy.local.supervisor import Supervisor

async def main(port, ops_port, workers, metrics):
    def say(text):
        print(text, flush=True)
    with closing(Readiness()) as readiness:
        await run(readiness, port, ops_port, workers, metrics, say)
    say("stopped")

async def run(readiness, port, ops_port, workers, metrics, say):
    crews = Crews(readiness, metrics=Path(metrics), say=say)
    service = Service(name="tiny", port=int(port), ops_port=int(ops_port))
    command = (sys.executable, "-m", "tests.support.tiny_service")
    slots = crews.assemble(service, os.environ, workers=int(workers), command=command)
    await Supervisor(slots, readiness, say=say).run(lambda: say("ready"))

asyncio.run(main(*sys.argv[1:]))
"""


class Supervised:
    """A supervisor of its own process, and what can be seen of it from outside."""

    def __init__(self, workers: int, folder: Path, environment: dict[str, str]) -> None:
        self.port, self.ops_port = free_port(), free_port()
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _RUN,
                    str(self.port),
                    str(self.ops_port),
                    str(workers),
                    str(folder / "metrics"),
                ],
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def said(self, text: str) -> bool:
        return text in self._log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: self.said(text), within_s=20, what=text, unless=self._ended)

    def get(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def pids(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _ended(self) -> str:
        return self._log.read_text() if self.process.poll() is not None else ""


Start = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervised] = []

    def start(workers: int = 1, **environment: str) -> Supervised:
        started.append(Supervised(workers, tmp_path, environment))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def test_each_worker_has_a_socket_of_its_own_and_all_answer(supervise: Start) -> None:
    supervised = supervise(workers=2)
    supervised.wait_for("ready")
    answering = {int(supervised.get("/pid")) for _request in range(40)}
    assert answering == supervised.pids()
    assert len(answering) == 2


def test_a_dead_worker_is_replaced_and_its_queue_is_kept(supervise: Start) -> None:
    supervised = supervise()
    supervised.wait_for("ready")
    before = int(supervised.get("/pid"))
    os.kill(before, signal.SIGKILL)
    assert int(supervised.get("/pid")) != before  # waited in the socket's queue, was not refused
    supervised.wait_for("tiny worker 1 ended with signal 9; starting it again")


def test_a_worker_that_ends_by_itself_is_replaced_too(supervise: Start) -> None:
    supervised = supervise()
    supervised.wait_for("ready")
    with pytest.raises((OSError, http.client.HTTPException)):
        supervised.get("/crash")
    assert int(supervised.get("/pid")) in supervised.pids()
    supervised.wait_for("ended with exit code 3")


def test_a_roll_changes_every_worker_and_loses_no_request(supervise: Start) -> None:
    supervised = supervise(workers=2)
    supervised.wait_for("ready")
    before = supervised.pids()
    supervised.send(signal.SIGHUP)
    answers = 0
    while not supervised.said("2 of 2 workers are new"):
        assert int(supervised.get("/pid")) > 0
        answers += 1
    assert answers > 0
    assert supervised.pids().isdisjoint(before)
    assert {int(supervised.get("/pid")) for _request in range(40)} == supervised.pids()


def test_a_stop_ends_all_workers_and_says_so(supervise: Start) -> None:
    supervised = supervise(workers=2)
    supervised.wait_for("ready")
    workers = supervised.pids()
    supervised.send(signal.SIGINT)
    assert supervised.process.wait(timeout=20) == 0
    assert supervised.said("stopped")
    assert not any(psutil.pid_exists(pid) for pid in workers)


def test_a_supervisor_that_is_killed_leaves_no_orphans(supervise: Start) -> None:
    supervised = supervise(workers=2)
    supervised.wait_for("ready")
    workers = [psutil.Process(pid) for pid in supervised.pids()]
    supervised.process.kill()
    supervised.process.wait()
    _gone, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_a_stop_before_readiness_ends_at_once(supervise: Start) -> None:
    supervised = supervise(TINY_NEVER_READY="1")
    wait_until(supervised.pids, within_s=10, what="a worker was started")
    supervised.send(signal.SIGTERM)
    assert supervised.process.wait(timeout=20) == 0
    assert not supervised.said("ready")


def test_a_taken_port_is_one_line(supervise: Start) -> None:
    supervised = supervise()
    supervised.wait_for("ready")
    command = [sys.executable, "-c", _RUN, str(supervised.port), str(free_port()), "1", "unused"]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == 1
    assert f"OperatorError: port {supervised.port} for tiny is taken by another process" in second.stderr


def test_workers_share_a_metrics_folder_that_starts_empty(supervise: Start, tmp_path: Path) -> None:
    leftover = tmp_path / "metrics" / "tiny" / "counter_1.db"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    supervised = supervise()
    supervised.wait_for("ready")
    assert supervised.get("/metrics-dir") == str(leftover.parent)
    assert not leftover.exists()


def test_gauges_of_a_dead_worker_go_and_its_counts_stay(supervise: Start, tmp_path: Path) -> None:
    supervised = supervise()
    supervised.wait_for("ready")
    folder, pid = tmp_path / "metrics" / "tiny", int(supervised.get("/pid"))
    (folder / f"gauge_livesum_{pid}.db").touch()
    (folder / f"counter_{pid}.db").touch()
    os.kill(pid, signal.SIGKILL)
    supervised.wait_for("starting it again")
    assert [each.name for each in folder.iterdir()] == [f"counter_{pid}.db"]
