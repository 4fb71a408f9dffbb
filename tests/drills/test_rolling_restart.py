"""`ringpost serve` rolls its workers under load: not one request fails, kept connections or new ones."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.ports import free_port
from tests.support.processes import ops_status, wait_until

_PROGRAM = "from ringpost.cli import main; main()"
_WORKERS = 2
_CLIENTS = 4


class Served:
    """`ringpost serve rtb` on free ports."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port, self.ops_port = free_port(), free_port()
        self._log = log
        own = {"RINGPOST_PORT": str(self.port), "RINGPOST_OPS_PORT": str(self.ops_port), **environment}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, "serve", "rtb", "--workers", str(_WORKERS)],
                env={**_without_settings(), "RINGPOST_HOME": "/nonexistent", **own},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str) -> None:
        wait_until(lambda: self.said(text), within_s=30, what=text, unless=self._ended)

    def said(self, text: str) -> bool:
        return text in self._log.read_text()

    def pids(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def _ended(self) -> str:
        return self._log.read_text() if self.process.poll() is not None else ""


class Client(threading.Thread):
    """Asks without a pause until told to stop; keeps its connection unless the answer says otherwise."""

    def __init__(self, port: int, stop: threading.Event, *, keeps: bool) -> None:
        super().__init__()
        self._port = port
        self._stop_asked = stop
        self._keeps = keeps
        self.answers = 0
        self.failures: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop_asked.is_set():
            try:
                connection.request("GET", "/rtbs.json")
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            self.answers += answer.status == http.HTTPStatus.UNAUTHORIZED
            if answer.will_close or not self._keeps:
                connection.close()
        connection.close()


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RINGPOST_")}


@pytest.fixture
def served(fresh_database: str, fresh_redis: str, tmp_path: Path) -> Iterator[Served]:
    environment = {
        "RINGPOST_POSTGRES_DSN": fresh_database,
        "RINGPOST_REDIS_URL": fresh_redis,
        "RINGPOST_PEPPER": "p" * 32,
    }
    served = Served(environment, tmp_path / "log")
    yield served
    served.process.terminate()
    assert served.process.wait(timeout=30) == 0


def test_a_rolling_restart_under_load_fails_no_request(served: Served) -> None:
    served.wait_for("rtb is ready")
    before = served.pids()
    stop = threading.Event()
    clients = [Client(served.port, stop, keeps=number % 2 == 0) for number in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        served.process.send_signal(signal.SIGHUP)
        served.wait_for(f"{_WORKERS} of {_WORKERS} workers are new")
    finally:
        stop.set()
        for client in clients:
            client.join(timeout=15)
    assert [failure for client in clients for failure in client.failures] == []
    assert all(client.answers > 0 for client in clients)
    assert len(served.pids()) == _WORKERS
    assert served.pids().isdisjoint(before)


def test_a_killed_worker_fails_at_most_what_it_had_in_work(served: Served) -> None:
    served.wait_for("rtb is ready")
    stop = threading.Event()
    clients = [Client(served.port, stop, keeps=False) for _number in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        os.kill(min(served.pids()), signal.SIGKILL)
        served.wait_for("ended with signal 9; starting it again")
        wait_until(lambda: len(served.pids()) == _WORKERS, within_s=10, what="both workers run")
        wait_until(lambda: ops_status(served.ops_port, "/readyz") == 200, within_s=10, what="it is ready")
    finally:
        stop.set()
        for client in clients:
            client.join(timeout=15)
    assert sum(len(client.failures) for client in clients) <= _CLIENTS
