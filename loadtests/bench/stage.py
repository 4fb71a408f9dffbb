"""The stage of a benchmark: throw-away stores and the load on one core, the measured server alone on the other.

Owns what is started for a run, and ends it. Must never touch a cluster that somebody uses.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import redis
from msgspec import Struct

from loadtests.bench.cpu import pin
from tests.support.engines import fresh_database_of, make_template, running_postgres, running_redis
from tests.support.processes import ServiceProcess, running_service

SERVER_CORE, LOAD_CORE = 0, 1
BODY_BYTES = 186  # of a reserved answer
ACCOUNT = Path(__file__).with_name("account.yaml")
DSN, REDIS_URL = "RINGPOST_POSTGRES_DSN", "RINGPOST_REDIS_URL"
SECRETS = {"RINGPOST_PEPPER": "bench-" + "p" * 26, "RINGPOST_KEY_ENCRYPTION_KEY": "0" * 64}
FILL_CAPS = """
INSERT INTO cap_fills (company_id, subject, hour_at, hour_n, day_at, day_n, month_at, month_n, hard_n, live_n)
SELECT company_id, 'b' || id, 9999999999, 1, 9999999999, 1, 9999999999, 1, 1, 1 FROM buyers WHERE tid LIKE 'full%'
"""


class Stage(Struct, frozen=True, kw_only=True):
    """What is up. tokens: by the key's name; hot: the heads and fills that the rebuild wrote."""

    rtb: ServiceProcess
    hello_port: int
    hello_pid: int
    redis: "redis.Redis"
    tokens: Mapping[str, str]
    hot: Mapping[Any, Mapping[Any, Any]]

    def forget_pings(self) -> None:
        """Only what the rebuild wrote stays: no reservation, hold or event of an earlier stretch."""
        with self.redis.pipeline(transaction=True) as commands:
            commands.flushall()
            for name, fields in self.hot.items():
                commands.hset(name, mapping=dict(fields))
            commands.execute()


@contextmanager
def set_up() -> Iterator[Stage]:
    """Stores, the account, a hello-world and one rtb worker, each on its core."""
    move_to_load_core()
    with ExitStack() as stack:
        environment = start_stores(stack)
        tokens = apply_account(environment, ACCOUNT)
        asyncio.run(fill_caps(environment[DSN]))
        ringpost(environment, "rebuild-hot")
        public = {name: value for name, value in environment.items() if "ENCRYPTION" not in name}
        rtb = stack.enter_context(running_service("rtb", public))
        hello_port, hello = stack.enter_context(_hello())
        for pid in (rtb.pid, hello.pid):
            pin(pid, SERVER_CORE)
        client = redis.Redis.from_url(environment[REDIS_URL])
        client.config_set("auto-aof-rewrite-percentage", 0)  # a rewrite forks, on the core of the load
        stack.callback(client.close)
        yield Stage(
            rtb=rtb,
            hello_port=hello_port,
            hello_pid=hello.pid,
            redis=client,
            tokens=tokens,
            hot={name: client.hgetall(name) for name in client.scan_iter("*:[hf]*")},
        )


def start_stores(stack: ExitStack, *, durable: bool = False) -> dict[str, str]:
    """Empty stores until the stack is closed; the environment in which services and commands find them."""
    postgres = stack.enter_context(running_postgres(durable=durable))
    make_template(postgres.url)
    dsn = stack.enter_context(fresh_database_of(postgres.url))
    return {DSN: dsn, REDIS_URL: stack.enter_context(running_redis()).url, **SECRETS}


def move_to_load_core() -> None:
    """All that is started from here on stands on the load's core, and keeps the memory that it frees: a steady state."""
    os.sched_setaffinity(0, {LOAD_CORE})
    os.environ["MALLOC_TRIM_THRESHOLD_"] = str(1 << 34)


def apply_account(environment: Mapping[str, str], file: Path) -> dict[str, str]:
    """Load an account; the tokens of its keys, by name."""
    told = json.loads(ringpost(environment, "apply", str(file), "--json"))
    tokens: dict[str, str] = told["created_tokens"]
    return tokens


def ringpost(environment: Mapping[str, str], *arguments: str) -> str:
    """Run an operator command; what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "ringpost", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def fill_caps(dsn: str) -> None:
    """Buyers whose name says so have no place left."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(FILL_CAPS)
    finally:
        await connection.close()


@contextmanager
def _hello() -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "loadtests.bench.hello", str(descriptor), str(BODY_BYTES)]
        process = subprocess.Popen(command, pass_fds=(descriptor,))
        try:
            yield listener.getsockname()[1], process
        finally:
            process.terminate()
            process.wait()
