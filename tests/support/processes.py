"""A service as its own process, on free ports, for tests over HTTP.

Owns what it starts and ends nothing else.
"""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.ports import free_port
from deploy.local.tied import tied_to_parent

_READY_WITHIN_S = 20
_STOP_WITHIN_S = 15
_LEAK = re.compile(rb"pbk_[a-z]+_[0-9A-Za-z]{36}|\+1\d{10}")
_pause = threading.Event()  # never set: waiting on it is how a poll gives way


class ServiceProcess:
    """`python -m services.<name>`. Ports stay the same when it is started again."""

    def __init__(self, name: str, environment: Mapping[str, str], *, log: Path) -> None:
        self.name = name
        self.port, self.ops_port = _two_ports()
        self.log = log
        self._environment = {**_ours(), "RINGPOST_LISTEN_HOST": "127.0.0.1", **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its public port answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ops_url(self) -> str:
        """Where its ops port answers."""
        return f"http://127.0.0.1:{self.ops_port}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait for /readyz."""
        self.spawn()
        self.until_ready()

    def until_ready(self) -> None:
        """Wait for /readyz; fails at once when it ends instead."""
        wait_until(self.is_ready, within_s=_READY_WITHIN_S, what=f"{self.name} is ready", unless=self.ended)

    def spawn(self) -> None:
        """Start it without waiting."""
        with _listening(self.port) as public, _listening(self.ops_port) as ops, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", f"services.{self.name}"),
                    *("--fd", str(public), "--ops-fd", str(ops)),
                ],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(public, ops),
                start_new_session=True,
                preexec_fn=tied_to_parent(signal.SIGKILL),  # noqa: PLW1509 - one ctypes call, no locks
            )

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return ops_status(self.ops_port, "/readyz") == http.HTTPStatus.OK

    def ended(self) -> str:
        """What it said last when it has ended by itself, else empty."""
        if self._process is None or self._process.poll() is None:
            return ""
        return f"exit {self._process.returncode}: {self.log.read_text(errors='replace')[-2000:]}"

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self._process.wait()
        assert_nothing_leaked(self.log)
        return code


def worker_settings(dsn: str, redis_url: str, **more: str) -> dict[str, str]:
    """What a worker is given."""
    return {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": "pepper-of-the-tests",
        **more,
    }


def assert_nothing_leaked(log: Path) -> None:
    """No service of any test may write a token or a full number into its log."""
    found = _LEAK.search(log.read_bytes())
    assert found is None, f"{log.name} holds {found[0][:8]!r}... at byte {found.start()}"


@contextmanager
def running_service(name: str, environment: Mapping[str, str]) -> Iterator[ServiceProcess]:
    """A service that is ready; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="ringpost-test-") as folder:
        service = ServiceProcess(name, environment, log=Path(folder) / "log")
        try:
            service.start()
            yield service
        finally:
            service.stop()


def ops_status(port: int, path: str) -> int:
    """The status of one GET on a local port; 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def wait_until(
    condition: Callable[[], object], *, within_s: float, what: str, unless: Callable[[], str] = str
) -> None:
    """Poll until the condition holds; fail when it takes too long, or at once when `unless` tells why."""
    deadline = time.monotonic() + within_s
    while not condition():
        reason = unless()
        assert not reason, f"never: {what}: {reason}"
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        _pause.wait(0.01)


def _ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RINGPOST_")}


def _two_ports() -> tuple[int, int]:
    first = free_port()
    return first, free_port(first + 1)


@contextmanager
def _listening(port: int) -> Iterator[int]:
    """The descriptor of a listening socket, which only the child keeps."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
        yield listener.fileno()
