"""The rtb service with buyers that must be asked, over stores of its own.

Owns the process, the accounts, and how they are pinged. Must never behave as a buyer: tests/support/receiver.py does.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from shared.stores import redis_keys
from tests.services.rtb.bench import send
from tests.services.rtb.cases import Answer, Sent
from tests.support.account_store import PEPPER, opened
from tests.support.engines import Engine
from tests.support.processes import ServiceProcess, running_service
from tests.support.receiver import Behaviour, answer

CALLER = "+12125551212"
_numbers = count(520)


class Pinged(Struct, frozen=True, kw_only=True):
    """What a ping was answered."""

    status: int
    said: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def winner(self) -> str:
        """The dba of whoever was reserved, else the status and the reason."""
        return str(
            self.said.get("retreaver_target_dba") or f"{self.said['status']} {self.said.get('reason')}"
        )


class Stage:
    """One service, and companies on it."""

    def __init__(self, dsn: str, redis: Engine, *, service: ServiceProcess) -> None:
        self.dsn = dsn
        self.redis = redis
        self.service = service

    async def company(
        self, *buyers: dict[str, Any], campaign: dict[str, Any] | None = None, **key: Any
    ) -> str:
        """A company whose one campaign routes to these buyers; the token of its key."""
        number = next(_numbers)
        token = f"asking{number:04d}-a-key"
        account = {
            "company": {"name": token},
            "publishers": [{"afid": "pub_a"}],
            "buyers": [_buyer(number, place, buyer) for place, buyer in enumerate(buyers)],
            "campaigns": [
                {
                    "cid": "auto",
                    "routing": {"mode": "bid", "buyers": [{"tid": buyer["tid"]} for buyer in buyers]},
                    "numbers": [{"number": f"+1844{number}0100", "rtb_pool": True}],
                    "default_payout": "5.00",
                    **(campaign or {}),
                }
            ],
            "postback_keys": [
                {
                    "name": "k",
                    "kind": "rtb",
                    "on": {"campaign": "auto"},
                    "publisher": "pub_a",
                    "token": token,
                    "return_dba": True,
                    "timeout": 5,
                    **key,
                }
            ],
        }
        async with opened(self.dsn, self.redis.url) as store:
            applied = await store.apply(account)
            await store.warm()
            await store.sync(applied.company_id)
        return token

    async def ping(self, token: str, caller: str = CALLER, **query: str) -> Pinged:
        """One ping, in a thread of its own."""
        target = "/rtbs.json?" + urlencode({"key": token, "caller_number": caller, **query})
        sent = Sent(method="GET", target=target, headers={}, body=b"")
        came: Answer = await asyncio.to_thread(send, self.service, sent)
        return Pinged(status=came.status, said=json.loads(came.body), headers=came.headers)

    async def events(self) -> list[dict[str, str]]:
        """What is in the streams of all shards."""
        async with opened(self.dsn, self.redis.url) as store:
            found = []
            for shard in range(64):
                for _, flat in await store.redis.command(shard, "XRANGE", redis_keys.events(shard), "-", "+"):
                    texts = [part.decode() for part in flat]
                    found.append(dict(zip(texts[::2], texts[1::2], strict=True)))
            return found


def _buyer(number: int, place: int, told: dict[str, Any]) -> dict[str, Any]:
    return {"dba": told["tid"], "number": f"+1800{number}01{place:02d}", **told}


def bids(tid: str, url: str, **more: Any) -> dict[str, Any]:
    """A buyer that is asked there for `price`."""
    bid = {"url": url, "output_map": {"bid": "price"}, **more.pop("bid", {})}
    return {"tid": tid, "bid": bid, **more}


def fixed(tid: str, revenue: str, **more: Any) -> dict[str, Any]:
    """A buyer with a static bid."""
    return {"tid": tid, "bid": {"revenue": revenue}, **more}


def price(amount: object, **more: Any) -> Behaviour:
    """A bid."""
    return answer(body=json.dumps({"price": amount, **more}).encode())


@contextmanager
def running_stage(dsn: str, redis: Engine) -> Iterator[Stage]:
    """The service, allowed to ask buyers on loopback."""
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis.url,
        "RINGPOST_PEPPER": PEPPER,
        "RINGPOST_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.1/32",
    }
    with running_service("rtb", environment) as service:
        yield Stage(dsn, redis, service=service)
