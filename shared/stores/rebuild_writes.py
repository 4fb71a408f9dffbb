"""The writing of one cold shard.

Owns the four scripts of a rebuild. Each carries the token that the first one left in the head, so what arrives late, of
a rebuild that was given up, does nothing. Must never write to a shard that serves.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from shared.domain.ping_log import PingRow
from shared.domain.reservations import Reservation, write_reservation
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.hot_company import parts, some_at_once
from shared.stores.rebuild_truth import LEASE_AFTER_MS, Truth
from shared.stores.redis import Redis
from shared.stores.scripts import load_script
from shared.stores.stored_tags import CallerTags

BEGIN = load_script(__file__, "rebuild_begin")
WRITE = load_script(__file__, "rebuild_write")
RESERVATION = load_script(__file__, "rebuild_reservation")
FINISH = load_script(__file__, "rebuild_finish")
SCRIPTS = (BEGIN, WRITE, RESERVATION, FINISH)

_LINGER_MS = 60_000  # a reservation stays readable so long after it ran out
_FIELDS = 250


class ShardWriter:
    """One attempt at one shard. Errors: Unavailable, also when the server was replaced or another took over."""

    def __init__(self, redis: Redis, shard: int, *, run_id: str, token: str) -> None:
        self._redis = redis
        self._shard = shard
        self._run_id = run_id
        self._token = token
        self._head = redis_keys.head(shard)
        self._fills = redis_keys.fills(shard)
        self._due = redis_keys.due(shard)

    async def begin(self) -> bool:
        """Clear what may be stale; False when the shard is warm already."""
        keys = (self._head, self._fills, self._due)
        reply = await self._redis.script(BEGIN, self._shard, keys=keys, args=(self._run_id, self._token))
        return reply[0] == b"ok" or _insist(reply[0] == b"warm")

    async def write(self, truth: Truth, now_ms: int) -> None:
        """Everything but the caller lists."""
        await self.write_hash(
            self._head, {f"v:{company}": version for company, version in truth.versions.items()}
        )
        await self.write_hash(self._fills, truth.mirror)
        await some_at_once(self._stored_tags(stored, now_ms) for stored in truth.stored_tags)
        await some_at_once(self._reservation(ping, now_ms) for ping in truth.live)
        callers = self._by_caller(truth.live)
        await some_at_once(self._caller(key, pings, now_ms=now_ms) for key, pings in callers.items())
        await some_at_once(self._lease(ping, now_ms) for ping in truth.leases)

    async def write_hash(self, key: str, fields: Mapping[str, str | int], *, ttl_ms: int = 0) -> None:
        """Fields of one hash of the shard. Units: ttl_ms, how long it must live at least; 0 = for good."""
        for some in parts(fields.items(), _FIELDS):
            flat = [part for pair in some for part in pair]
            keys = (self._head, key)
            await self._applied(
                self._redis.script(WRITE, self._shard, keys=keys, args=(self._token, ttl_ms, *flat))
            )

    async def finish(self) -> None:
        """The shard serves from here on."""
        args = (self._run_id, self._token)
        await self._applied(self._redis.script(FINISH, self._shard, keys=(self._head,), args=args))

    async def _stored_tags(self, stored: CallerTags, now_ms: int) -> None:
        key = redis_keys.caller(self._shard, stored.company_id, e164=stored.caller)
        field = {f"t{stored.publisher_id}": stored.hot.text}
        await self.write_hash(key, field, ttl_ms=stored.hot.until_ms - now_ms)

    async def _reservation(self, ping: PingRow, now_ms: int) -> None:
        keys = (self._head, redis_keys.reservation(self._shard, ping.uuid), self._fills, self._due)
        ttl_ms = ping.expires_ms - now_ms + _LINGER_MS
        args = (self._token, _text(ping), ttl_ms, ping.expires_ms, ping.uuid, ping.holds)
        await self._applied(self._redis.script(RESERVATION, self._shard, keys=keys, args=args))

    async def _caller(self, key: str, pings: Sequence[PingRow], *, now_ms: int) -> None:
        await self.write_hash(
            key, _caller_fields(pings), ttl_ms=max(ping.expires_ms for ping in pings) - now_ms
        )

    def _by_caller(self, live: Sequence[PingRow]) -> dict[str, list[PingRow]]:
        """Live reservations by the caller's key, each caller's in the order in which they were made."""
        found: dict[str, list[PingRow]] = {}
        for ping in sorted(live, key=lambda ping: (ping.created_ms, ping.uuid)):
            if ping.caller and ping.test:
                key = redis_keys.test_caller(self._shard, ping.key_id, e164=ping.caller)
                found.setdefault(key, []).append(ping)
            elif ping.caller:
                key = redis_keys.caller(self._shard, ping.company_id, e164=ping.caller)
                found.setdefault(key, []).append(ping)
        return found

    async def _lease(self, ping: PingRow, now_ms: int) -> None:
        until_ms = ping.expires_ms + LEASE_AFTER_MS
        key = redis_keys.leases(self._shard, ping.campaign_id)
        await self.write_hash(
            key, {f"n{ping.number}": f"{ping.uuid}|{until_ms}|{ping.key_id}"}, ttl_ms=until_ms - now_ms
        )

    async def _applied(self, reply: Awaitable[Any]) -> None:
        _insist((await reply)[0] == b"ok")


def _text(ping: PingRow) -> str:
    assert ping.replay.winner is not None, "a reservation has a winner"
    reservation = Reservation(
        status=ping.status,
        expires_ms=ping.expires_ms,
        company_id=ping.company_id,
        key_id=ping.key_id,
        publisher_id=ping.publisher_id,
        campaign_id=ping.campaign_id,
        number=ping.number,
        subjects=ping.holds,
        caller=ping.caller,
        uuid=ping.uuid,
        winner=ping.replay.winner,
    )
    return write_reservation(reservation).decode()


def _caller_fields(pings: Sequence[PingRow]) -> dict[str, str]:
    """One caller's hash, as callers.lua's `remember` would have left it after these reservations in turn."""
    fields: dict[str, str] = {}
    newest: dict[int, PingRow] = {}
    shields: dict[int, PingRow] = {}
    for ping in pings:
        key, campaign = f"k{ping.key_id}", f"m{ping.campaign_id}"
        before = newest.get(ping.key_id)
        moved = f"m{before.campaign_id}" if before else campaign
        if moved != campaign and fields.get(moved) == str(ping.key_id):
            fields[moved] = fields[key]
        newest[ping.key_id] = ping
        fields[key] = _text(ping)
        if ping.expires_ms >= shields.setdefault(ping.campaign_id, ping).expires_ms:
            shields[ping.campaign_id] = ping
            fields[campaign] = str(ping.key_id)
        if ping.number:
            fields[f"n{ping.number}"] = f"{ping.uuid}|{ping.expires_ms}"
    return fields


def _insist(applied: bool) -> bool:
    """Errors: Unavailable when the shard slipped away; else False, which `begin` answers for a warm one."""
    if not applied:
        raise Unavailable("redis")
    return False
