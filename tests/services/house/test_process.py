"""A service's process: start, ports, signals, several workers and their metrics."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.processes import wait_until

ENVIRONMENT = {
    "RINGPOST_POSTGRES_DSN": "postgresql://u:hidden-password@127.0.0.1/x",
    "RINGPOST_REDIS_URL": "redis://127.0.0.1:1/0",
}


class Worker:
    """A running small service on its two ports."""

    def __init__(self, process: subprocess.Popen[str], public: socket.socket, ops: socket.socket) -> None:
        self.process = process
        self.port: int = public.getsockname()[1]
        self.ops_port: int = ops.getsockname()[1]

    def get(self, path: str, *, port: int | None = None, method: str = "GET") -> tuple[int, bytes]:
        """Status and body; 0 when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        with closing(connection):
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except OSError:
                return 0, b""

    def ops(self, path: str) -> tuple[int, bytes]:
        """The same of the ops port."""
        return self.get(path, port=self.ops_port)

    def stop(self) -> tuple[int, str, str]:
        """SIGTERM: exit code, stdout, stderr."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def _listening() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(64)
    return sock


def _spawn(
    arguments: list[str], environment: dict[str, str], *, fds: tuple[int, ...] = ()
) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RINGPOST_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.services.house.small_service", *arguments],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=fds,
        text=True,
    )


@contextmanager
def working(**settings: str) -> Iterator[Worker]:
    """A worker that is ready, on sockets that the test keeps open as a supervisor does."""
    with _listening() as public, _listening() as ops:
        arguments = ["--fd", str(public.fileno()), "--ops-fd", str(ops.fileno())]
        environment = {
            **ENVIRONMENT,
            **{f"RINGPOST_{name.upper()}": value for name, value in settings.items()},
        }
        process = _spawn(arguments, environment, fds=(public.fileno(), ops.fileno()))
        worker = Worker(process, public, ops)
        try:
            wait_until(lambda: worker.ops("/readyz")[0] == 200, within_s=20, what="the worker is ready")
            yield worker
        finally:
            process.kill()
            process.communicate()


def test_the_ops_port_has_its_four_answers_and_the_public_port_none_of_them() -> None:
    with working() as worker:
        assert worker.ops("/livez") == (200, b'{"status":"ok"}')
        assert worker.ops("/readyz") == (200, b'{"status":"ready"}')
        assert b'"service":"small"' in worker.ops("/buildinfo")[1]
        assert b"ringpost_build_info" in worker.ops("/metrics")[1]
        for path in ("/livez", "/readyz", "/metrics", "/buildinfo"):
            assert worker.get(path)[0] == 404
        assert worker.ops("/pid")[0] == 404
        assert worker.get("/pid") == (200, str(worker.process.pid).encode())


def test_sigterm_first_fails_readyz_and_then_finishes_what_is_in_work() -> None:
    with working(drain_notice_s="1") as worker:
        waiting = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=10)
        waiting.request("GET", "/wait")
        assert worker.get("/pid")[0] == 200
        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: worker.ops("/readyz")[0] == 503, within_s=5, what="/readyz fails first")
        assert worker.ops("/readyz")[1] == b'{"status":"stopping"}'
        assert worker.ops("/livez")[0] == 200
        assert worker.get("/go")[0] == 200, "the balancer has not seen it yet"
        answer = waiting.getresponse()
        assert answer.read() == b"waited"
        waiting.close()
        code, out, err = worker.stop()
    assert (code, err) == (0, "closed\n")
    assert '"event":"stopping"' in out


def test_a_stopped_worker_leaves_its_queue_to_the_next() -> None:
    with _listening() as public, _listening() as ops:
        arguments = ["--fd", str(public.fileno()), "--ops-fd", str(ops.fileno())]
        fds = (public.fileno(), ops.fileno())
        first = Worker(_spawn(arguments, ENVIRONMENT, fds=fds), public, ops)
        wait_until(lambda: first.ops("/readyz")[0] == 200, within_s=20, what="the first is ready")
        assert first.stop()[0] == 0
        queued = http.client.HTTPConnection("127.0.0.1", first.port, timeout=20)
        queued.request("GET", "/pid")
        second = Worker(_spawn(arguments, ENVIRONMENT, fds=fds), public, ops)
        assert queued.getresponse().read() == str(second.process.pid).encode()
        queued.close()
        assert second.stop()[0] == 0


def _counted(text: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_workers_of_one_service_count_together_and_a_dead_one_stays_counted(tmp_path: Path) -> None:
    series = 'ringpost_requests_total{method="GET",route="/pid",status="200"}'
    slow = 'ringpost_request_seconds_count{method="GET",route="/pid"}'
    with working(metrics_dir=str(tmp_path)) as one, working(metrics_dir=str(tmp_path)) as two:
        for worker, times in ((one, 3), (two, 4)):
            for _ in range(times):
                assert worker.get("/pid")[0] == 200

        def seen(name: str) -> float:
            return _counted(two.ops("/metrics")[1].decode(), name)

        wait_until(lambda: seen(series) == 7, within_s=5, what="both workers' counts are there")
        assert _counted(one.ops("/metrics")[1].decode(), slow) == 7
        one.process.kill()
        one.process.wait()
        assert seen(series) == 7
        two.get("/pid")
        wait_until(lambda: seen(series) == 8, within_s=5, what="counting goes on")
        assert seen('ringpost_requests_total{method="other",route="(none)",status="404"}') == 0


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, ["RINGPOST_POSTGRES_DSN is required", "RINGPOST_REDIS_URL is required"]),
        (
            {**ENVIRONMENT, "RINGPOST_REDIS_UL": "x"},
            ["RINGPOST_REDIS_UL is not a setting; did you mean RINGPOST_REDIS_URL?"],
        ),
        (
            {**ENVIRONMENT, "RINGPOST_BODY_LIMIT_BYTES": "many"},
            ["RINGPOST_BODY_LIMIT_BYTES must be a whole number"],
        ),
        ({**ENVIRONMENT, "SMALL_FAILS": "operator"}, ["small: the demo account is missing"]),
        ({**ENVIRONMENT, "SMALL_FAILS": "unavailable"}, ["small: postgres is unavailable"]),
    ],
)
def test_what_an_operator_can_mend_is_told_in_lines(environment: dict[str, str], told: list[str]) -> None:
    process = _spawn([], environment)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "hidden-password" not in err
    for line in told:
        assert line in err


def test_a_fault_at_the_start_is_told_without_its_text() -> None:
    process = _spawn([], {**ENVIRONMENT, "SMALL_FAILS": "fault"})
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert '"event":"ended_by_fault","service":"small"' in out
    assert '"error":"ValueError"' in out
    assert "hidden-password" not in out + err


def test_a_taken_port_is_one_line() -> None:
    with _listening() as taken:
        port = taken.getsockname()[1]
        process = _spawn([], {**ENVIRONMENT, "RINGPOST_OPS_PORT": str(port)})
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, f"small: port {port} is taken\n")


def test_a_descriptor_that_is_no_socket_is_one_line() -> None:
    process = _spawn(["--ops-fd", "0"], ENVIRONMENT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "file descriptor 0 is not" in err
