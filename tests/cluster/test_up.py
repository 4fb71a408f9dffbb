"""`ringpost up`: one command from nothing to answering, and back; what it keeps, what it leaves behind."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from deploy.local.catalogue import SERVICES
from deploy.local.cluster_file import read_cluster
from deploy.local.ports import is_free
from tests.support.engines import throw_away_folder
from tests.support.processes import ops_status, wait_until

_PROGRAM = "from ringpost.cli import main; main()"
_READY = "all services are ready"


class Home:
    """A home of its own, and the runs of `ringpost` in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        self.offset = _free_offset()
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RINGPOST_")},
            "RINGPOST_HOME": str(self.path),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def spawn(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, "up", "--port-offset", str(self.offset)],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @contextmanager
    def up(self) -> Iterator["Up"]:
        log = self._folder / "log"
        up = Up(self.spawn(log), log)
        try:
            yield up
        finally:
            if up.process.poll() is None:
                up.process.terminate()
            up.process.wait(timeout=30)


class Up:
    """One run of `ringpost up`, and what it printed."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def printed(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.printed(), within_s=60, what=text, unless=self._ended)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def pasted(self) -> list[str]:
        """The lines that are meant for a shell."""
        return [line for line in self.printed().splitlines() if re.match(r"curl |[A-Z]+=\$\(curl ", line)]

    def _ended(self) -> str:
        return self.printed() if self.process.poll() is not None else ""


def _free_offset() -> int:
    ports = [port for service in SERVICES.values() for port in (service.port, service.ops_port) if port]
    offsets = iter(lambda: random.randrange(11_000, 22_000), 0)
    return next(offset for offset in offsets if all(is_free(port + offset) for port in ports))


@pytest.fixture
def home() -> Iterator[Home]:
    with throw_away_folder() as folder:
        yield Home(folder)


def test_what_is_printed_works_as_printed_and_the_data_is_kept(home: Home) -> None:
    with home.up() as first:
        first.wait_for(_READY)
        lines = first.pasted()
        answers = [json.loads(subprocess.check_output(["sh", "-c", line])) for line in lines]
        ping, again, confirmed = answers[:3]
        assert ping["status"] == "reserved"
        assert again["retreaver_ping_shield"] is True
        assert (again["uuid"], confirmed["status"]) == (ping["uuid"], "confirmed")
        assert first.interrupt() == 0
        assert first.printed().endswith("ringpost: stopped; the data is kept\n")
    cluster = read_cluster(home.path)
    with home.up() as second:
        second.wait_for(_READY)
        assert "migrating" not in second.printed()
        assert "loading the demo account" not in second.printed()
        assert read_cluster(home.path) == cluster
        assert second.pasted() == lines


def test_a_second_one_is_refused_while_the_first_runs(home: Home) -> None:
    with home.up() as up:
        up.wait_for(_READY)
        second = home.run("up")
        assert second.returncode == 1
        assert second.stderr == f"ringpost: Ringpost already runs in {home.path} (process {up.process.pid})\n"
        for service in SERVICES.values():
            assert ops_status(service.ops_port + home.offset, "/readyz") == 200
        assert home.run("migrate").stdout == "the schema is up to date\n"


def test_a_taken_port_is_one_line_and_nothing_is_started(home: Home) -> None:
    port = SERVICES["rtb"].port + home.offset
    with socket.create_server(("127.0.0.1", port)):
        refused = home.run("up", "--port-offset", str(home.offset))
    assert refused.returncode == 1
    assert refused.stderr == f"ringpost: port {port} for rtb is taken by another process\n"
    assert not (home.path / "engines").exists()


def test_nothing_outlives_a_kill(home: Home) -> None:
    with home.up() as up:
        up.wait_for(_READY)
        family = up.family()
        assert len(family) >= 2 + len(SERVICES)
        up.process.kill()
        _gone, alive = psutil.wait_procs(family, timeout=15)
        assert alive == []
    with home.up() as again:
        again.wait_for(_READY)


def test_a_dead_engine_is_started_again(home: Home) -> None:
    with home.up() as up:
        up.wait_for(_READY)
        engine = next(
            process for process in up.family() if "valkey" in process.name() or "redis" in process.name()
        )
        engine.kill()
        up.wait_for("Redis has died; starting it again")
        wait_until(
            lambda: ops_status(SERVICES["rtb"].ops_port + home.offset, "/readyz") == 200,
            within_s=10,
            what="rtb is ready again",
        )
