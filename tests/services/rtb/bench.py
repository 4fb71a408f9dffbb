"""The rtb service as a process over stores of its own, and what a case may do to them.

Owns the stores' connections, the processes, and the client that sends exact requests.
"""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeVar

from shared.clock import Clock
from shared.domain.account.reading import read_account
from shared.domain.schedule import windows
from shared.stores import hot_company, hot_sync, redis_keys
from shared.stores.account.applying import Order, apply_account
from shared.stores.keys import Vault
from shared.stores.postgres import Postgres
from shared.stores.rebuild import Rebuild
from shared.stores.rebuild_writes import SCRIPTS as REBUILD_SCRIPTS
from shared.stores.redis import Redis
from tests.services.rtb.cases import Answer, Sent
from tests.support.processes import ServiceProcess, running_service

T = TypeVar("T")
Window = Literal["concurrency", "hard", "hourly", "daily", "monthly"]
SIP_DOMAIN = "sip.example.com"
PEPPER = "pepper-of-the-tests-0123456789abcdef"
_AGO_S = {"hourly": 3600, "daily": 86_400, "monthly": 31 * 86_400}


class Bench:
    """One rtb service for each SIP domain that a case asks for, all on one Postgres and one Redis."""

    def __init__(self, dsn: str, redis_url: str, postgres: Postgres, redis: Redis) -> None:
        self.dsn = dsn
        self.redis_url = redis_url
        self.postgres = postgres
        self.redis = redis
        self._services: dict[str, ServiceProcess] = {}
        self._open = ExitStack()

    def service(self, sip_domain: str = SIP_DOMAIN) -> ServiceProcess:
        """The service, started when it is first asked for."""
        if sip_domain not in self._services:
            environment = {
                "RINGPOST_POSTGRES_DSN": self.dsn,
                "RINGPOST_REDIS_URL": self.redis_url,
                "RINGPOST_PEPPER": PEPPER,
                "RINGPOST_SIP_DOMAIN": sip_domain,
            }
            self._services[sip_domain] = self._open.enter_context(running_service("rtb", environment))
        return self._services[sip_domain]

    def close(self) -> None:
        """Stop what was started."""
        self._open.close()

    async def apply(self, account: dict[str, Any], *, prune: bool = False) -> None:
        """Make the stored account what it says, in Postgres and in Redis."""
        read, problems = read_account(account)
        order = Order(account=read, problems=tuple(problems), actor="tests", prune=prune)
        applied = await apply_account(self.postgres, Vault(pepper=PEPPER.encode()), order=order)
        await hot_sync.apply(self.postgres, self.redis, company_id=applied.company_id)

    async def fill(self, company: str, fills: dict[str, Any]) -> None:
        """Take committed places of a buyer or a group, as calls would have.

        Shape: {"buyer": tid or "group": name, a window: how many, "windows_ago": 0 for the current one}.
        """
        taken = {window: int(fills[window]) for window in _COLUMNS if window in fills}
        ago_s = max(_AGO_S.get(window, 0) for window in taken) * int(fills.get("windows_ago", 0))
        at = windows(Clock().now_ms() - ago_s * 1000, "America/New_York")
        row = await self.postgres.fetchrow(FIND_SUBJECT, company, fills.get("buyer"), fills.get("group"))
        assert row is not None, fills
        async with self.postgres.transaction() as connection:
            counts = [taken.get(window, 0) for window in _COLUMNS]
            await connection.execute(
                SAVE_FILL, row["company_id"], row["subject"], at.hour_at, at.day_at, at.month_at, *counts
            )
            await hot_sync.note(connection, row["company_id"], row["subject"], kind=hot_sync.FILLS)
        await hot_sync.apply(self.postgres, self.redis, company_id=row["company_id"])

    async def finish(self, company: str, finished: dict[str, Any]) -> None:
        """Let reservations of a key have ended in the last minute. Shape: {"key": name, "claimed": n, "expired": n}."""
        row = await self.postgres.fetchrow(FIND_KEY, company, finished["key"])
        assert row is not None, finished
        key_id, shard = row
        minute = Clock().now_ms() // 60_000 - 1
        counts = (f"c{minute}", str(finished["claimed"]), f"x{minute}", str(finished["expired"]))
        await self.redis.command(shard, "HSET", redis_keys.finishes(shard, key_id), *counts)

    async def store_tags(self, company: str, stored: dict[str, Any]) -> None:
        """Store tags for a caller, as data writing would have.

        Shape: {"caller": E.164, "publisher": afid or nothing for any, "tags": {name: value}}.
        """
        async with self.postgres.transaction() as connection:
            company_id = await connection.fetchval(
                SAVE_TAGS, company, stored["caller"], stored.get("publisher"), json.dumps(stored["tags"])
            )
            assert company_id is not None, stored
            await hot_sync.note(connection, company_id, stored["caller"], kind=hot_sync.TAGS)
        await hot_sync.apply(self.postgres, self.redis, company_id=company_id)


_COLUMNS: tuple[Window, ...] = ("hourly", "daily", "monthly", "hard", "concurrency")
FIND_KEY = """
SELECT k.id, c.shard FROM postback_keys k JOIN companies c ON c.id = k.company_id WHERE c.name = $1 AND k.name = $2
"""
FIND_SUBJECT = """
SELECT coalesce('b' || b.id, 'g' || g.id) AS subject, c.id AS company_id
FROM companies c
LEFT JOIN buyers b ON b.company_id = c.id AND b.tid = $2
LEFT JOIN buyer_groups g ON g.company_id = c.id AND g.name = $3
WHERE c.name = $1
"""
SAVE_FILL = """
INSERT INTO cap_fills (company_id, subject, hour_at, day_at, month_at, hour_n, day_n, month_n, hard_n, live_n)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
SAVE_TAGS = """
INSERT INTO stored_tags (company_id, caller, publisher_id, tags, key_id, expires_at)
SELECT c.id, $2, coalesce(p.id, 0), $4::text::jsonb, min(k.id), now() + interval '1 hour'
FROM companies c
JOIN postback_keys k ON k.company_id = c.id
LEFT JOIN publishers p ON p.company_id = c.id AND p.afid = $3
WHERE c.name = $1 GROUP BY c.id, p.id
RETURNING company_id
"""


class Loop:
    """An event loop in a thread, so that tests stay plain functions."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the work's result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


@contextmanager
def running_bench(loop: Loop, dsn: str, redis_url: str) -> Iterator[Bench]:
    """A bench whose Redis is warm."""
    bench = loop.run(_open(dsn, redis_url))
    try:
        yield bench
    finally:
        bench.close()
        loop.run(bench.redis.close())
        loop.run(bench.postgres.close())


async def _open(dsn: str, redis_url: str) -> Bench:
    postgres = await Postgres.open(dsn, max_size=2, deadline_s=10)
    redis = await Redis.open(redis_url, scripts=(*REBUILD_SCRIPTS, *hot_company.SCRIPTS))
    rebuild = Rebuild(postgres, redis, clock=Clock())
    await rebuild.rebuild(await rebuild.cold())
    return Bench(dsn, redis_url, postgres, redis)


def send(service: ServiceProcess, sent: Sent) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        connection.request(sent.method, sent.target, body=sent.body, headers=sent.headers)
        reply = connection.getresponse()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(status=reply.status, headers=headers, body=reply.read())
    finally:
        connection.close()


def send_bytes(service: ServiceProcess, request: bytes) -> Answer:
    """The same for what no client library would send."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as line:
        line.sendall(request)
        reply = http.client.HTTPResponse(line)
        reply.begin()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(status=reply.status, headers=headers, body=reply.read())
