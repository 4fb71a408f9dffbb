"""rtb and worker together: what rtb's scripts append is what the log says, and a lost Redis comes back with it."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from shared.domain.ping_log import PingRow
from shared.stores import redis_keys
from shared.stores.pings import find_ping
from tests.services.rtb.bench import Bench, Loop, running_bench, send
from tests.services.rtb.cases import Sent, read_account
from tests.support.engines import Engine, empty_redis
from tests.support.processes import ServiceProcess, ops_status, running_service, wait_until, worker_settings

CALLER = "2125551212"
HOLDING = {"postback_keys.0.add_to_caps_on_status_reserved": True, "buyers.0.caps": {"concurrency": 3}}


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def bench(loop: Loop, fresh_database: str, own_redis: Engine) -> Iterator[Bench]:
    with running_bench(loop, fresh_database, own_redis.url) as bench:
        yield bench


@pytest.fixture
def worker(bench: Bench) -> Iterator[ServiceProcess]:
    environment = worker_settings(bench.dsn, bench.redis_url)
    with running_service("worker", environment) as worker:
        yield worker


class Story:
    """One account, its publisher, and what the log says."""

    def __init__(self, bench: Bench, loop: Loop) -> None:
        self._bench = bench
        self._loop = loop
        self.account = read_account("one_buyer", 399, HOLDING)
        loop.run(bench.apply(self.account))

    def ask(self, method: str, path: str, **query: str) -> dict[str, Any]:
        """One request with the publisher's key."""
        token = self.account["postback_keys"][0]["token"]
        target = f"{path}?{urlencode({'key': token, **query})}"
        answer = send(self._bench.service(), Sent(method=method, target=target, headers={}, body=b""))
        assert answer.status == 200, answer.body
        said: dict[str, Any] = json.loads(answer.body)
        return said

    def ping(self) -> dict[str, Any]:
        return self.ask("GET", "/rtbs.json", caller_number=CALLER)

    def logged(self, uuid: str) -> PingRow | None:
        return self._loop.run(find_ping(self._bench.postgres, uuid))

    def reservation(self, uuid: str) -> bytes:
        shard = int(uuid[15:18], 16)
        text: bytes = self._loop.run(
            self._bench.redis.command(shard, "GET", redis_keys.reservation(shard, uuid))
        )
        return text

    def hot(self, uuid: str) -> dict[str, Any]:
        """Everything hot of that ping's company, times to live apart."""
        shard, row = int(uuid[15:18], 16), self.logged(uuid)
        assert row is not None
        caller = redis_keys.caller(shard, row.company_id, e164=row.caller)
        keys = (redis_keys.head(shard), redis_keys.fills(shard), caller)
        command = self._bench.redis.command
        hashes = [self._loop.run(command(shard, "HGETALL", key)) for key in keys]
        found = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in hashes]
        for turn in [name for name in found[0] if name.startswith(b"s:")]:
            del found[0][turn]
        due = self._loop.run(command(shard, "ZRANGE", redis_keys.due(shard), 0, -1, "WITHSCORES"))
        return {
            "head": found[0],
            "fills": found[1],
            "caller": found[2],
            "due": due,
            "text": self.reservation(uuid),
        }


@pytest.fixture
def story(bench: Bench, loop: Loop) -> Story:
    return Story(bench, loop)


def test_the_log_says_what_was_answered(story: Story, worker: ServiceProcess) -> None:
    first, again = story.ping(), story.ping()
    assert (first["status"], again["retreaver_ping_shield"]) == ("reserved", True)
    wait_until(lambda: story.logged(first["uuid"]), within_s=2.0, what="the ping is in the log")
    story.ask("PUT", f"/rtbs/{first['uuid']}.json", status="confirmed")

    def confirmed() -> bool:
        row = story.logged(first["uuid"])
        return row is not None and row.status == "confirmed"

    wait_until(confirmed, within_s=2.0, what="the confirmation is in the log")
    row = story.logged(first["uuid"])
    assert row is not None
    assert (row.caller, row.number, row.replay.verdicts) == ("+12125551212", first["inbound_number"], "k")
    assert row.replay.winner is not None
    assert Decimal(row.replay.winner.payout) == Decimal(str(first["retreaver_payout"]))
    assert [each.reason for each in row.trace or ()] == [""]
    assert row.holds == f"b{row.replay.winner.buyer_id}"


def test_a_lost_redis_comes_back_as_it_was(story: Story, worker: ServiceProcess, own_redis: Engine) -> None:
    first = story.ping()
    wait_until(lambda: story.logged(first["uuid"]), within_s=2.0, what="the ping is in the log")
    before = story.hot(first["uuid"])
    empty_redis(own_redis.url)
    wait_until(
        lambda: story.reservation(first["uuid"]) and ops_status(worker.ops_port, "/readyz") == 200,
        within_s=5.0,
        what="the shards are rebuilt",
    )
    assert story.hot(first["uuid"]) == before
    again = story.ping()
    assert (again["uuid"], again.get("retreaver_ping_shield")) == (first["uuid"], True)
    assert story.ask("PUT", f"/rtbs/{first['uuid']}.json", status="confirmed")["status"] == "confirmed"
