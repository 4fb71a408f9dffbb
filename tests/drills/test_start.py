"""Drill: a store is away at the start. One clear line, exit code 1, no credentials."""

import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from deploy.local.ports import free_port
from tests.support.account_stage import PEPPER

SECRET = "kept-to-itself"
AWAY = {
    "RINGPOST_POSTGRES_DSN": "postgresql://ringpost:{secret}@127.0.0.1:{port}/ringpost",
    "RINGPOST_REDIS_URL": "redis://:{secret}@127.0.0.1:{port}/0",
}


def start(service: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    own = {"RINGPOST_PEPPER": PEPPER, "RINGPOST_OPS_PORT": "0"}
    return subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env={"PATH": "/bin:/usr/bin", **own, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def assert_one_clear_line(done: subprocess.CompletedProcess[str], service: str, names: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith(f"{service}: ")
    assert names in done.stderr.lower()
    assert done.stderr.count("\n") == 1, done.stderr
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert SECRET not in said
    assert PEPPER not in said


@pytest.mark.parametrize("service", ["rtb", "worker"])
@pytest.mark.parametrize("store", AWAY)
def test_nobody_listens_there(service: str, store: str, fresh_database: str, fresh_redis: str) -> None:
    there = {"RINGPOST_POSTGRES_DSN": fresh_database, "RINGPOST_REDIS_URL": fresh_redis}
    away = {store: AWAY[store].format(secret=SECRET, port=free_port())}
    assert_one_clear_line(start(service, there | away), service, store.split("_")[1].lower())


@pytest.mark.parametrize("store", AWAY)
def test_the_password_is_wrong(store: str, fresh_database: str, fresh_redis: str) -> None:
    there = {"RINGPOST_POSTGRES_DSN": fresh_database, "RINGPOST_REDIS_URL": fresh_redis}
    right = urlsplit(there[store]).password or "none"
    wrong = {store: there[store].replace(right, SECRET)}
    assert_one_clear_line(start("rtb", there | wrong), "rtb", store.split("_")[1].lower())


@pytest.mark.parametrize("store", AWAY)
def test_who_listens_there_says_nothing(store: str, fresh_database: str, fresh_redis: str) -> None:
    there = {"RINGPOST_POSTGRES_DSN": fresh_database, "RINGPOST_REDIS_URL": fresh_redis}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = {store: AWAY[store].format(secret=SECRET, port=silent.getsockname()[1])}
        assert_one_clear_line(start("rtb", there | mute), "rtb", store.split("_")[1].lower())
