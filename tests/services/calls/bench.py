"""The calls service and an rtb service over stores of their own, the switches of their companies, and what cases read.

Owns the stores' connections, the processes, and the signing of a switch's requests.
"""

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from ringpost.call_view import as_object
from shared.clock import Clock
from shared.domain.account.reading import read_account
from shared.domain.switching.signatures import signed_headers
from shared.domain.tokens import Hidden
from shared.stores import hot_company, hot_sync, redis_keys, stored_tags
from shared.stores.account.applying import Order, apply_account
from shared.stores.call_records import find_record
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.keys import Vault
from shared.stores.postgres import Postgres
from shared.stores.rebuild import Rebuild
from shared.stores.rebuild_writes import SCRIPTS as REBUILD_SCRIPTS
from shared.stores.redis import Redis
from shared.stores.sealing import Sealer
from shared.stores.switches import NewCredential, create_credential
from tests.services.rtb.bench import PEPPER, Loop, send
from tests.services.rtb.cases import Answer, Sent
from tests.support.processes import ServiceProcess, running_service, wait_until

PUBLIC_URL = "https://calls.example.com"
SEALED_WITH = "switch-encryption-key-of-the-tests-0123456789"
_SECRET = Hidden("secret-of-the-switch-0123456789")
_OTHER_SECRET = Hidden("secret-of-another-switch-0123456789")
_OLD_S = 301


class Switch(Struct, frozen=True, kw_only=True):
    """One company's switches: a generic one and a Twilio account; its first partner's key, and a number outside the pool."""

    company_id: int
    shard: int
    credential_id: int
    account_sid: str
    key: str
    number: str


class Bench:
    """Both services, on one Postgres and one Redis."""

    def __init__(
        self, postgres: Postgres, redis: Redis, *, calls: ServiceProcess, rtb: ServiceProcess
    ) -> None:
        self.postgres = postgres
        self.redis = redis
        self.calls = calls
        self.rtb = rtb
        self._sealer = Sealer([SEALED_WITH])
        self._drain = Drain(postgres, Streams(redis))

    async def open_company(self, account: dict[str, Any], command_url: str = "") -> Switch:
        """Store an account and its switches, which take commands at an address or none."""
        company_id = await self.apply(account)
        sid = f"AC{account['company']['name']}"
        twilio = NewCredential(
            company_id=company_id,
            kind="twilio",
            account_id=sid,
            secret=_SECRET,
            command_url=command_url,
        )
        generic = replace(twilio, kind="generic", account_id="desk")
        async with self.postgres.transaction() as connection:
            await create_credential(connection, self._sealer, new=twilio, actor="tests")
            credential_id = await create_credential(connection, self._sealer, new=generic, actor="tests")
            shard = await connection.fetchval(FIND_SHARD, company_id)
        return Switch(
            company_id=company_id,
            shard=shard,
            credential_id=credential_id,
            account_sid=sid,
            key=account["postback_keys"][0]["token"],
            number=account["campaigns"][0]["numbers"][1]["number"],
        )

    async def apply(self, account: dict[str, Any]) -> int:
        """Make the stored account as this one, as `ringpost apply` does; its company's id. Errors: AccountError."""
        read, problems = read_account(account)
        order = Order(account=read, problems=tuple(problems), actor="tests", prune=False)
        applied = await apply_account(self.postgres, Vault(pepper=PEPPER.encode()), order=order)
        await hot_sync.apply(self.postgres, self.redis, company_id=applied.company_id)
        return applied.company_id

    def until_known(self, switch: Switch) -> None:
        """Wait until the calls service takes the switch's requests: it looks for new ones five times a second."""
        wait_until(
            lambda: self.post(switch, "/v1/calls", b"{}").status == 422, within_s=5, what="a known switch"
        )

    def post(self, switch: Switch, path: str, body: bytes, *, signed: str = "rightly") -> Answer:
        """A generic switch's request. Shape: signed rightly, wrongly, long ago, or not."""
        at_s = int(time.time()) - (_OLD_S if signed == "long ago" else 0)
        secret = _OTHER_SECRET if signed == "wrongly" else _SECRET
        headers = signed_headers(body, secret, credential_id=switch.credential_id, at_s=at_s)
        sent = Sent(method="POST", target=path, headers={} if signed == "not" else headers, body=body)
        return send(self.calls, sent)

    def post_twilio(
        self, switch: Switch, target: str, form: Mapping[str, str], *, signed: str = "rightly"
    ) -> Answer:
        """Twilio's request, signed as Twilio documents it: the address, then each name and value, sorted by name."""
        form = {"AccountSid": switch.account_sid, **form}
        text = PUBLIC_URL + target + "".join(name + form[name] for name in sorted(form))
        token = (_OTHER_SECRET if signed == "wrongly" else _SECRET).reveal().encode()
        signature = b64encode(hmac.new(token, text.encode(), hashlib.sha1).digest()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        sent = Sent(method="POST", target=target, headers=headers, body=urlencode(form).encode())
        return send(self.calls, sent)

    def ping(self, query: Mapping[str, str]) -> Answer:
        """A partner's ping."""
        target = f"/rtbs.json?{urlencode(query)}"
        return send(self.rtb, Sent(method="GET", target=target, headers={}, body=b""))

    async def record(self, call_uuid: str) -> dict[str, Any]:
        """A call as operators see it."""
        record = await find_record(self.postgres, call_uuid)
        assert record is not None, call_uuid
        return as_object(record)

    async def fills(self, switch: Switch) -> dict[str, list[int]]:
        """The places that are taken of buyers and groups, by tid or name: of the day, and at this moment."""
        rows = await self.postgres.fetch(SELECT_FILLS, switch.company_id)
        return {row["name"]: [row["day_n"], row["live_n"]] for row in rows}

    async def store_tags(self, switch: Switch, stored: dict[str, Any]) -> None:
        """Store tags for a caller's next call, as data writing does.

        Shape: {"caller": E.164, "publisher": afid or nothing for any, "tags": {name: value}, "reuse": whether they stay}.
        """
        publisher = stored.get("publisher")
        writing = stored_tags.Writing(
            company_id=switch.company_id,
            caller=stored["caller"],
            publisher_id=await self.postgres.fetchval(FIND_PUBLISHER, switch.company_id, publisher) or 0,
            key_id=await self.postgres.fetchval(FIND_KEY, switch.company_id),
            tags=stored["tags"],
            reuse=stored.get("reuse", False),
        )
        await stored_tags.keep(self.postgres, writing)
        await hot_sync.apply(self.postgres, self.redis, company_id=switch.company_id)

    async def age(self, switch: Switch, *, minutes: int) -> None:
        """Let a company's reservations be that much older, and so expired: in the log, and gone from Redis."""
        await self._drain.drain_all([switch.shard], 1_000)
        for row in await self.postgres.fetch(AGE, switch.company_id, minutes):
            await self.redis.command(
                switch.shard, "DEL", redis_keys.reservation(switch.shard, str(row["uuid"]))
            )


FIND_SHARD = "SELECT shard FROM companies WHERE id = $1"
FIND_PUBLISHER = "SELECT id FROM publishers WHERE company_id = $1 AND afid = $2"
FIND_KEY = "SELECT min(id) FROM postback_keys WHERE company_id = $1"
SELECT_FILLS = """
SELECT coalesce(b.tid, g.name) AS name, f.day_n, f.live_n FROM cap_fills f
LEFT JOIN buyers b ON f.subject = 'b' || b.id
LEFT JOIN buyer_groups g ON f.subject = 'g' || g.id
WHERE f.company_id = $1
"""
AGE = """
UPDATE pings SET status = 'expired', created_at = created_at - make_interval(mins => $2),
                 expires_at = expires_at - make_interval(mins => $2)
WHERE company_id = $1 RETURNING uuid
"""


@contextmanager
def running_bench(loop: Loop, dsn: str, redis_url: str) -> Iterator[Bench]:
    """A bench whose Redis is warm."""
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
    }
    of_calls = {
        "RINGPOST_SWITCH_ENCRYPTION_KEY": SEALED_WITH,
        "RINGPOST_PUBLIC_URL": PUBLIC_URL,
        "RINGPOST_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    postgres, redis = loop.run(_open(dsn, redis_url))
    try:
        with (
            running_service("rtb", {**environment, "RINGPOST_SIP_DOMAIN": "sip.example.com"}) as rtb,
            running_service("calls", {**environment, **of_calls}) as calls,
        ):
            yield Bench(postgres, redis, calls=calls, rtb=rtb)
    finally:
        loop.run(redis.close())
        loop.run(postgres.close())


async def _open(dsn: str, redis_url: str) -> tuple[Postgres, Redis]:
    postgres = await Postgres.open(dsn, max_size=2, deadline_s=10)
    redis = await Redis.open(redis_url, scripts=(*REBUILD_SCRIPTS, *hot_company.SCRIPTS, TRIM))
    rebuild = Rebuild(postgres, redis, clock=Clock())
    await rebuild.rebuild(await rebuild.cold())
    return postgres, redis
