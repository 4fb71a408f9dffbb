"""One account on real stores, and the services that serve it as real processes, for drills.

Owns the processes that it starts, and ends nothing else.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from secrets import randbelow
from typing import Any, Self
from urllib.parse import urlencode

import asyncpg
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from shared.domain.keys import Kind, make_token
from shared.stores import redis_keys
from tests.support.processes import ServiceProcess
from tests.support.waiting import eventually

PEPPER = "pepper-of-the-tests"
_COMMAND = (sys.executable, "-c", "from ringpost.cli import main; main()")
_COMMAND_WITHIN_S = 30
_companies = count(1)


class Stage:
    """Stores, an account in them, services, and the operator's commands.

    Shape: tokens by the names of keys; services by name, the first of each that was started last.
    """

    def __init__(self, dsn: str, redis_url: str, folder: Path) -> None:
        self.dsn = dsn
        self.redis_url = redis_url
        self.company = ""
        self.tokens: dict[str, str] = {}
        self.services: dict[str, ServiceProcess] = {}
        self._folder = folder
        self._started: list[ServiceProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ServiceProcess.stop, self._started))

    @property
    def environment(self) -> dict[str, str]:
        """What services and the operator's commands are given."""
        return {
            "RINGPOST_POSTGRES_DSN": self.dsn,
            "RINGPOST_REDIS_URL": self.redis_url,
            "RINGPOST_PEPPER": PEPPER,
        }

    def apply(self, account: dict[str, Any]) -> None:
        """Make the stored account what it says. The worker must be there: it makes Redis ready for it."""
        self.company = account["company"]["name"]
        self.tokens = {key["name"]: key["token"] for key in account["postback_keys"]}
        file = self._folder / "account.json"
        file.write_text(json.dumps(account))
        self.ringpost("apply", str(file))

    def worker(self, **settings: str) -> ServiceProcess:
        """A worker that has made Redis ready to serve."""
        return self._start("worker", 1, settings)[0]

    def rtb(self, workers: int = 1, **settings: str) -> list[ServiceProcess]:
        """Processes of the rtb service, each on ports of its own."""
        return self._start("rtb", workers, {"RINGPOST_SIP_DOMAIN": "sip.example.com", **settings})

    def control(self) -> ServiceProcess:
        """A process of the control service."""
        return self._start("control", 1, {"RINGPOST_SWITCH_ENCRYPTION_KEY": "s" * 32})[0]

    def ringpost(self, *arguments: str, ends: int = 0) -> str:
        """What an operator's command printed. Fails when it did not end with that exit code."""
        done = subprocess.run(
            [*_COMMAND, *arguments],
            env={**_not_ours(), **self.environment, **_SEALING, "RINGPOST_HOME": str(self._folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_WITHIN_S,
        )
        assert done.returncode == ends, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def keys(self, verb: str, name: str, *, ends: int = 0) -> None:
        """`ringpost keys VERB NAME`: pause, resume or delete a key of the account."""
        yes = ("--yes",) if verb == "delete" else ()
        self.ringpost("keys", verb, name, "--company", self.company, *yes, ends=ends)

    def ping(self, caller: str | int, key: str = "Pings", **tags: str) -> str:
        """The target of a ping."""
        return f"/rtbs.json?{urlencode({'key': self.tokens[key], 'caller_number': caller, **tags})}"

    async def waiting_events(self) -> int:
        """How many events no drain has stored yet."""
        async with AsyncRedis.from_url(self.redis_url) as redis:
            return sum([await redis.xlen(redis_keys.events(shard)) for shard in range(redis_keys.SHARDS)])

    async def until_logged(self) -> None:
        """Wait until the drain has stored all events."""

        async def is_empty() -> bool:
            return await self.waiting_events() == 0

        await eventually(is_empty, what="the streams are drained")

    async def logged(self) -> list[asyncpg.Record]:
        """The ping log. Shape: uuid, status and original, the uuid of the ping that it repeats."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(SELECT_PINGS)
        finally:
            await connection.close()

    def let_holds_run_out(self) -> None:
        """As if the ttl of every hold had passed: its time is moved into the past."""
        with Redis.from_url(self.redis_url) as redis:
            for shard in range(redis_keys.SHARDS):
                for member in redis.zrange(redis_keys.due(shard), 0, -1):
                    redis.zadd(redis_keys.due(shard), {member: 1}, xx=True)

    def _start(self, name: str, number: int, settings: Mapping[str, str | None]) -> list[ServiceProcess]:
        changed = {**self.environment, **settings}
        environment = {setting: value for setting, value in changed.items() if value is not None}
        services = []
        for _ in range(number):
            log = self._folder / f"{name}.{len(self._started)}.log"
            services.append(ServiceProcess(name, environment, log=log))
            self._started.append(services[-1])
            services[-1].spawn()  # in this thread: a child ends with the thread that made it
        for service in services:
            service.until_ready()
        self.services[name] = services[0]
        return services


_SEALING = {"RINGPOST_KEY_ENCRYPTION_KEY": "k" * 32}
SELECT_PINGS = """
SELECT uuid::text AS uuid, status, caller, duplicate_original_uuid::text AS original FROM pings ORDER BY
created_at, uuid
"""


def _not_ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RINGPOST_")}


def callers(start: int = 0) -> "count[int]":
    """Callers without end, each a new one. Shape: 10 digits."""
    return count(2125550000 + start)


def a_drill_account(
    *, caps: Mapping[str, int] | None = None, ttl_seconds: int = 60, keys: Sequence[str] = ("Pings",)
) -> dict[str, Any]:
    """A company with one buyer, two campaigns that route to it, and keys that hold places.

    Shape: the keys named ping into campaign auto; a key `Elsewhere` into campaign home.
    """
    return {
        "company": {"name": f"Drill {next(_companies)}", "time_zone": "America/New_York"},
        "publishers": [{"afid": "pub_a"}],
        "buyers": [
            {"tid": "alpha", "number": "+18005550111", "bid": {"revenue": "25.00"}, "caps": dict(caps or {})}
        ],
        "campaigns": [_campaign("auto", "+18445550100"), _campaign("home", "+18445550101")],
        "postback_keys": [
            *(_key(name, "auto", ttl_seconds=ttl_seconds) for name in keys),
            _key("Elsewhere", "home", ttl_seconds=ttl_seconds),
        ],
    }


def _campaign(cid: str, number: str) -> dict[str, Any]:
    return {
        "cid": cid,
        "name": cid.title(),
        "routing": {"mode": "priority_weight", "buyers": [{"tid": "alpha"}]},
        "default_payout": "12.50",
        "seconds": 90,
        "numbers": [{"number": number, "rtb_pool": True}],
    }


def _key(name: str, cid: str, *, ttl_seconds: int) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "rtb",
        "on": {"campaign": cid},
        "publisher": "pub_a",
        "ttl_seconds": ttl_seconds,
        "add_to_caps_on_status_reserved": True,
        "token": make_token(Kind.RTB, randbelow),
    }
