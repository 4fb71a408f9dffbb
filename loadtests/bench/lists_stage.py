"""The stage of the caller lists: two accounts alike, but that one of them has a list which is long.

Owns what is started for them, and ends it: first control and worker, which fill the list, then the rtb service alone on the
server's core. Must never let a worker run beside the pings.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import asyncpg
import redis
from msgspec import Struct

from loadtests.bench.cpu import pin
from loadtests.bench.list_upload import Target
from loadtests.bench.stage import (
    ACCOUNT,
    DSN,
    REDIS_URL,
    SERVER_CORE,
    apply_account,
    fill_caps,
    move_to_load_core,
    ringpost,
    start_stores,
)
from tests.support.engines import throw_away_folder
from tests.support.processes import ServiceProcess, running_service

_LIST = "suppressed_long"
_KEY = "{name: lists, kind: caller_list_management, on: {campaign: bench}, permissions: [caller_list_upload__create]}"
_SWITCHES = {"RINGPOST_SWITCH_ENCRYPTION_KEY": "0" * 64}
_BUCKET = b"l"
_SCANNED = 5_000


class ListsStage(Struct, frozen=True, kw_only=True):
    """What is up. tokens and long_tokens: of the two accounts, by the key's name."""

    environment: Mapping[str, str]
    redis: "redis.Redis"
    tokens: Mapping[str, str]
    long_tokens: Mapping[str, str]

    def used_bytes(self) -> int:
        """What Redis holds, by its own account."""
        return int(self.redis.info("memory")["used_memory"])

    def rebuild(self) -> None:
        """Redis forgets everything, and is written anew."""
        self.redis.flushall()
        ringpost(self.environment, "rebuild-hot")

    @property
    def public(self) -> dict[str, str]:
        """What a service is given that opens no key."""
        return {name: value for name, value in self.environment.items() if "ENCRYPTION" not in name}


class Fillers(Struct, frozen=True, kw_only=True):
    """Who takes an upload, and who applies it."""

    control: ServiceProcess
    worker: ServiceProcess
    target: Target


class PingStage(Struct, frozen=True, kw_only=True):
    """The rtb service. Shape: hot are the heads and fills as they were before the first ping."""

    rtb: ServiceProcess
    redis: "redis.Redis"
    hot: Mapping[Any, Mapping[Any, Any]]

    def forget_pings(self) -> None:
        """Lists, heads and fills stay as they were: no reservation, hold or event of an earlier stretch."""
        gone = [name for name in self.redis.scan_iter(count=_SCANNED) if name.split(b":")[1] != _BUCKET]
        with self.redis.pipeline(transaction=True) as commands:
            for start in range(0, len(gone), _SCANNED):
                commands.unlink(*gone[start : start + _SCANNED])
            for name, fields in self.hot.items():
                commands.hset(name, mapping=dict(fields))
            commands.execute()


@contextmanager
def set_up_lists() -> Iterator[ListsStage]:
    """Stores that keep what they are told, and both accounts."""
    move_to_load_core()
    with ExitStack() as stack:
        environment = start_stores(stack, durable=True)
        long = stack.enter_context(throw_away_folder()) / "account.yaml"
        long.write_text(_with_a_list(ACCOUNT.read_text()))
        tokens, long_tokens = (apply_account(environment, file) for file in (ACCOUNT, long))
        asyncio.run(fill_caps(environment[DSN]))
        ringpost(environment, "rebuild-hot")
        client = redis.Redis.from_url(environment[REDIS_URL])
        client.config_set("auto-aof-rewrite-percentage", 0)  # a rewrite forks, on the core of the load
        stack.callback(client.close)
        yield ListsStage(environment=environment, redis=client, tokens=tokens, long_tokens=long_tokens)


def _with_a_list(account: str) -> str:
    """The same account as another company, with one list more and a key for it."""
    changes = {
        "name: Bench Media": "name: Bench Lists",
        "+184455501": "+184455502",
        "    caller_lists:\n      -": f"    caller_lists:\n      - {{name: {_LIST}}}\n      -",
        "postback_keys:\n": f"postback_keys:\n  - {_KEY}\n",
    }
    for old, new in changes.items():
        assert old in account
        account = account.replace(old, new)
    return account


@contextmanager
def fillers(stage: ListsStage) -> Iterator[Fillers]:
    """Control and worker, on the server's core."""
    with (
        running_service("control", {**stage.public, **_SWITCHES}) as control,
        running_service("worker", stage.public) as worker,
    ):
        for pid in (control.pid, worker.pid):
            pin(pid, SERVER_CORE)
        path = f"/api/v2/campaigns/bench/caller_lists/{_LIST}/caller_list_uploads"
        target = Target(port=control.port, path=path, token=stage.long_tokens["lists"])
        yield Fillers(control=control, worker=worker, target=target)


@contextmanager
def pinged(stage: ListsStage) -> Iterator[PingStage]:
    """The rtb service alone on the server's core."""
    with running_service("rtb", stage.public) as rtb:
        pin(rtb.pid, SERVER_CORE)
        yield PingStage(
            rtb=rtb,
            redis=stage.redis,
            hot={name: stage.redis.hgetall(name) for name in stage.redis.scan_iter("*:[hf]*")},
        )


COUNT_LISTED = """
SELECT (SELECT count(DISTINCT number) FROM caller_list_numbers n WHERE n.company_id = c.id), list_buckets
FROM companies c WHERE name = 'Bench Lists'
"""


async def count_listed(stage: ListsStage) -> tuple[int, int]:
    """How many numbers the account's lists have, and in how many buckets they stand in Redis."""
    connection = await asyncpg.connect(stage.environment[DSN])
    try:
        row = await connection.fetchrow(COUNT_LISTED)
        assert row is not None
        return row[0], row[1]
    finally:
        await connection.close()
