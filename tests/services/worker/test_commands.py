"""explain, tail and rebuild-hot, over real stores."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ringpost.cli import COMMANDS, cli
from shared.clock import Clock
from shared.domain.pings import PingEvent
from shared.errors import OperatorError
from shared.stores import redis_keys
from shared.stores.drain import Drain
from shared.stores.events import Streams
from shared.stores.postgres import Postgres
from shared.stores.rebuild import Rebuild
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.engines import Engine, run_apart
from tests.support.streams import Fields, append, confirmation, event, no_target, reserved, warm

PATIENT = Limits(deadline_ms=5_000, silence_ms=10_000, waiting=4_096)
SHARD = 5
NAMED = """
WITH one AS (INSERT INTO companies (name, shard) VALUES ('Acme', 5) RETURNING id),
     two AS (INSERT INTO publishers (company_id, afid) SELECT id, 'pub-1' FROM one RETURNING id, company_id),
     three AS (INSERT INTO campaigns (company_id, cid) SELECT company_id, 'home' FROM two RETURNING id),
     four AS (INSERT INTO buyers (company_id, tid, number) SELECT id, 'roofers', '+1' FROM one RETURNING id),
     five AS (
        INSERT INTO postback_keys (company_id, kind, level, entity_id, name, token_hmac)
        SELECT id, 'rtb', 'company', id, 'ping key', 'x' FROM one RETURNING id)
SELECT one.id AS company_id, two.id AS publisher_id, three.id AS campaign_id, four.id AS buyer_id, five.id AS key_id
FROM one, two, three, four, five
"""


@pytest.fixture
def environment(fresh_database: str, fresh_redis: str, tmp_path: Any) -> Mapping[str, str]:
    return {
        "RINGPOST_POSTGRES_DSN": fresh_database,
        "RINGPOST_REDIS_URL": fresh_redis,
        "RINGPOST_HOME": str(tmp_path),
    }


def _run(environment: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=dict(environment))


class Stores:
    """What a test writes before a command reads it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.ids: dict[str, int] = {}

    def prepare(self, *entries: Fields, drained: bool = False) -> None:
        run_apart(self._prepare(entries, drained=drained))

    async def _prepare(self, entries: tuple[Fields, ...], *, drained: bool) -> None:
        postgres = await Postgres.open(self._environment["RINGPOST_POSTGRES_DSN"], deadline_s=15)
        redis = await Redis.open(self._environment["RINGPOST_REDIS_URL"], limits=PATIENT)
        if not self.ids:
            row = await postgres.fetchrow(NAMED)
            assert row is not None
            self.ids = dict(row)
        await warm(redis, SHARD)
        await append(redis, SHARD, entries, at_ms=Clock().now_ms())
        if drained:
            await Drain(postgres, Streams(redis)).drain_all([SHARD], 100)
        await redis.close()
        await postgres.close()

    def ping(self, **changes: Any) -> PingEvent:
        if not self.ids:
            self.prepare()
        ids = {name: self.ids[name] for name in ("company_id", "key_id", "publisher_id", "campaign_id")}
        return event(Clock().now_ms(), SHARD, **{**ids, **changes})


@pytest.fixture
def stores(environment: Mapping[str, str]) -> Stores:
    return Stores(environment)


@pytest.mark.parametrize("drained", [True, False])
def test_explain_tells_everything_from_the_log_and_before_it(
    environment: Mapping[str, str], stores: Stores, drained: bool
) -> None:
    ping = stores.ping()
    entries = [
        reserved(ping, expires_ms=ping.now_ms + 15_000),
        confirmation(ping.uuid, ping.now_ms + 10, "b12"),
    ]
    stores.prepare(*entries, drained=drained)
    result = _run(environment, "explain", ping.uuid, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert (told["uuid"], told["status"], told["caller"]) == (ping.uuid, "confirmed", "+1******1212")
    assert (told["company"], told["publisher"], told["campaign"], told["key"]) == (
        "Acme",
        "pub-1",
        "home",
        "ping key",
    )
    assert [(each["buyer"], each["reason"], each["bid"]) for each in told["candidates"]] == [
        ("12", "", "25.00"),
        ("13", "outranked", "9.5"),
        ("14", "buyers_closed", ""),
    ]
    assert ping.caller not in result.output


def test_explain_for_people_names_winner_and_reasons(environment: Mapping[str, str], stores: Stores) -> None:
    ping = stores.ping()
    trace = f"{stores.ids['buyer_id']}/0@25.00\n"
    stores.prepare(reserved(ping, expires_ms=ping.now_ms + 15_000, trace=trace))
    lines = _run(environment, "explain", ping.uuid).output.splitlines()
    assert lines[0] == f"{ping.uuid}  reserved"
    assert ["roofers", "25.00", "won"] in [line.split() for line in lines]
    assert "  caller     +1******1212" in lines


def test_explain_shows_no_number_in_a_tag(environment: Mapping[str, str], stores: Stores) -> None:
    sent = {"alt_phone": "(310) 555-1313", "caller_id": "13105551212", "zip": "90210", "age": "42"}
    ping = stores.ping(tags={**sent, "geo": ("us", "us-ca")})
    stores.prepare(no_target(ping))
    result = _run(environment, "explain", ping.uuid, "--json")
    masked = {"alt_phone": "+1******1313", "caller_id": "+1******1212"}
    assert json.loads(result.output)["tags"] == {**sent, **masked, "geo": ["us", "us-ca"]}


def test_explain_lets_no_tag_command_a_terminal(environment: Mapping[str, str], stores: Stores) -> None:
    ping = stores.ping(tags={"lead": "a\x1b[2Jb\nstatus claimed", "name": "Söhne"})
    stores.prepare(no_target(ping))
    output = _run(environment, "explain", ping.uuid).output
    assert "lead=a\\x1b[2Jb\\nstatus claimed name=Söhne" in output
    assert "\x1b" not in output


def test_explain_says_why_nobody_took_the_caller(environment: Mapping[str, str], stores: Stores) -> None:
    ping = stores.ping()
    stores.prepare(no_target(ping, "cs"))
    result = _run(environment, "explain", ping.uuid, "--json")
    told = json.loads(result.output)
    assert (told["status"], told["reason"]) == ("no-target", "caller_suppressed")


@pytest.mark.parametrize("uuid", ["0199c82c-c000-7005-8000-000000000000", "nonsense"])
def test_explain_of_no_ping_is_refused(environment: Mapping[str, str], stores: Stores, uuid: str) -> None:
    stores.prepare()
    result = _run(environment, "explain", uuid)
    assert isinstance(result.exception, OperatorError)


def test_explain_answers_from_the_log_while_redis_is_away(
    environment: Mapping[str, str], stores: Stores, own_redis: Engine
) -> None:
    ping = stores.ping()
    stores.prepare(no_target(ping), drained=True)
    own_redis.stop()
    away = {**environment, "RINGPOST_REDIS_URL": own_redis.url}
    assert _run(away, "explain", ping.uuid).exit_code == 0


@contextmanager
def _tailing(environment: Mapping[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "ringpost", "tail", "--json", *arguments]
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tail:
        assert tail.stderr is not None
        assert tail.stderr.readline() == "following; Ctrl-C ends it\n"
        try:
            yield tail
        finally:
            tail.send_signal(signal.SIGINT)
            tail.communicate(timeout=10)


def test_tail_shows_each_ping_once_drained_or_not(environment: Mapping[str, str], stores: Stores) -> None:
    stores.prepare(no_target(stores.ping()), drained=True)
    with _tailing(environment) as tail:
        pings = [stores.ping() for _ in range(6)]
        stores.prepare(*(no_target(ping) for ping in pings[:3]), drained=True)
        stores.prepare(*(no_target(ping) for ping in pings[3:]))
        assert tail.stdout is not None
        told = [json.loads(tail.stdout.readline()) for _ in pings]
    assert sorted(each["uuid"] for each in told) == sorted(ping.uuid for ping in pings)
    assert tail.returncode == 0


def test_tail_of_one_key_shows_no_other(environment: Mapping[str, str], stores: Stores) -> None:
    stores.prepare()
    with _tailing(environment, "--key", "ping key") as tail:
        other, own = stores.ping(key_id=999_999), stores.ping()
        stores.prepare(no_target(other), no_target(own))
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["uuid"] == own.uuid


def test_tail_of_an_unknown_key_is_refused(environment: Mapping[str, str]) -> None:
    assert isinstance(_run(environment, "tail", "--key", "nobody").exception, OperatorError)


def test_rebuild_hot_makes_what_was_distrusted_anew(environment: Mapping[str, str], stores: Stores) -> None:
    stores.prepare()
    result = _run(environment, "rebuild-hot", "--shard", str(SHARD), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["shards"] == 1
    assert _run(environment, "rebuild-hot").output.startswith("64 shards rebuilt in ")

    async def look() -> None:
        postgres = await Postgres.open(environment["RINGPOST_POSTGRES_DSN"])
        redis = await Redis.open(environment["RINGPOST_REDIS_URL"])
        rebuild = Rebuild(postgres, redis, clock=Clock())
        assert await rebuild.cold() == []
        await rebuild.chill([SHARD, 11])
        assert await rebuild.cold() == [SHARD, 11]
        version = await redis.command(SHARD, "HGET", redis_keys.head(SHARD), f"v:{stores.ids['company_id']}")
        assert version == b"1"
        await redis.close()
        await postgres.close()

    run_apart(look())


@pytest.mark.parametrize("command", ["explain", "tail", "rebuild-hot"])
def test_each_command_explains_itself(command: str) -> None:
    assert command in COMMANDS
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.output
