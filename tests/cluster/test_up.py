"""`ringpost up`: one command from nothing to answering, and back; what it keeps, what it leaves behind."""

import json
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from deploy.local.catalogue import SERVICES
from deploy.local.cluster_file import read_cluster
from tests.support.engines import throw_away_folder
from tests.support.homes import READY, Home
from tests.support.processes import ops_status, wait_until


@pytest.fixture
def home() -> Iterator[Home]:
    with throw_away_folder() as folder:
        yield Home(folder)


def test_what_is_printed_works_as_printed_and_the_data_is_kept(home: Home) -> None:
    with home.up() as first:
        first.wait_for(READY)
        lines = first.pasted()
        ping, again, confirmed = (
            json.loads(subprocess.check_output(["sh", "-c", line])) for line in lines[:3]
        )
        assert ping["status"] == "reserved"
        assert again["retreaver_ping_shield"] is True
        assert (again["uuid"], confirmed["status"]) == (ping["uuid"], "confirmed")
        assert first.interrupt() == 0
        assert first.printed().endswith("ringpost: stopped; the data is kept\n")
    cluster = read_cluster(home.path)
    with home.up() as second:
        second.wait_for(READY)
        assert "migrating" not in second.printed()
        assert "loading the demo account" not in second.printed()
        assert read_cluster(home.path) == cluster
        assert second.pasted() == lines


def test_a_second_one_is_refused_while_the_first_runs(home: Home) -> None:
    with home.up() as up:
        up.wait_for(READY)
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
        up.wait_for(READY)
        family = up.family()
        assert len(family) >= 2 + len(SERVICES)
        up.process.kill()
        _gone, alive = psutil.wait_procs(family, timeout=15)
        assert alive == []
    with home.up() as again:
        again.wait_for(READY)


def test_a_dead_engine_is_started_again(home: Home) -> None:
    with home.up() as up:
        up.wait_for(READY)
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
