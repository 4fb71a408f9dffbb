"""Homes of local clusters, and what `ringpost` does in them as its users run it.

Owns the processes of `ringpost` that it starts; a cluster ends what it has started itself.
"""

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from deploy.local.catalogue import SERVICES
from deploy.local.demo_receiver import PORT
from deploy.local.ports import is_free
from tests.support.processes import wait_until

_PROGRAM = "from ringpost.cli import main; main()"
READY = "all services are ready"


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

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command to its end."""
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def up(self) -> AbstractContextManager["Run"]:
        """`ringpost up`, stopped at the end."""
        return self.running("up", "--port-offset", str(self.offset))

    @contextmanager
    def running(self, *arguments: str) -> Iterator["Run"]:
        """A command that goes on until it is stopped."""
        log = self._folder / f"{arguments[0]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *arguments],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Run(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=30)


class Run:
    """One run of a command, and what it printed."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def printed(self) -> str:
        """All it said so far."""
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it has said so; fails at once when it ends first."""
        wait_until(lambda: text in self.printed(), within_s=60, what=text, unless=self._ended)

    def family(self) -> list[psutil.Process]:
        """Every process that it has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def pasted(self) -> list[str]:
        """The lines that are meant for a shell."""
        return [
            line
            for line in self.printed().splitlines()
            if re.match(r"curl |[A-Z]+=\$\(|.*ringpost explain ", line)
        ]

    def _ended(self) -> str:
        return self.printed() if self.process.poll() is not None else ""


def _free_offset() -> int:
    ports = [port for service in SERVICES.values() for port in (service.port, service.ops_port) if port]
    ports.append(PORT)
    offsets = iter(lambda: random.randrange(11_000, 22_000), 0)
    return next(offset for offset in offsets if all(is_free(port + offset) for port in ports))
