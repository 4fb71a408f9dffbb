"""From a bearer token to its key, in memory when hot.

Owns the look-up by HMAC, the short memory of unknown tokens, and the brake on floods of them. Must never see a token's
plain text in Postgres, keep one beyond the bounded memory, or lock a valid key because of its sender's address.
"""

import asyncio
import hashlib
import hmac
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from shared.clock import Clock
from shared.domain.keys import Key, read_key, token_form
from shared.errors import Overloaded, Unavailable
from shared.stores.config_cache import Bounded, ConfigCache, SingleFlight
from shared.stores.postgres import Postgres

T = TypeVar("T")

_UNKNOWN_FOR_MS = 1_000
_UNKNOWN_KEPT = 10_000
_FLOOD_WINDOW_MS = 10_000
_FLOOD_AFTER = 100
_ADDRESSES_KEPT = 10_000
_RELOADS = 3


class Flood:
    """Unknown tokens that reached a store, by client address (/32, or /64 of IPv6), in windows of 10 s."""

    def __init__(self) -> None:
        self._counts: Bounded[str, tuple[int, int]] = Bounded(_ADDRESSES_KEPT)

    def note(self, client: str, now_ms: int) -> None:
        """One more unknown token came from there."""
        window = now_ms // _FLOOD_WINDOW_MS
        address = _network(client)
        at, count = self._counts.get(address) or (window, 0)
        self._counts.put(address, (window, count + 1 if at == window else 1))

    def is_on(self, client: str, now_ms: int) -> bool:
        """Whether the address sent more than 100 of them in this window."""
        at, count = self._counts.get(_network(client)) or (0, 0)
        return at == now_ms // _FLOOD_WINDOW_MS and count > _FLOOD_AFTER


class Lane:
    """Look-ups of one kind of sender, so that a flood waits behind itself only.

    Units: at_once run, bound run or wait.
    """

    def __init__(self, postgres: Postgres, *, at_once: int, bound: int) -> None:
        self.gate = asyncio.Semaphore(at_once)
        self.flights: SingleFlight[str, Key | None] = SingleFlight(postgres.patience)
        self._bound = bound

    @property
    def full(self) -> bool:
        """Whether no more may wait."""
        return len(self.flights) >= self._bound


class KeyLookup(Generic[T]):
    """Finds keys.

    Errors: Unavailable('postgres') when a token that is not in memory cannot be looked up; Overloaded when too many wait.
    """

    def __init__(self, postgres: Postgres, config: ConfigCache[T], *, pepper: bytes, clock: Clock) -> None:
        self._postgres = postgres
        self._config = config
        self._pepper = pepper
        self._clock = clock
        self._unknown: Bounded[str, int] = Bounded(_UNKNOWN_KEPT)
        self._wide = Lane(postgres, at_once=32, bound=256)
        self._narrow = Lane(postgres, at_once=2, bound=64)
        self.flood = Flood()

    def known(self, token: str) -> Key | None:
        """The key when it is in memory."""
        return self._config.keys.get(token)

    async def find(self, token: str, client: str) -> Key | None:
        """The key, deleted ones too; None when there is none such. Cost: at most one query, none when hot."""
        found = self._config.keys.get(token)
        if found is not None:
            return found
        if token_form(token) is None:
            return None
        now_ms = self._clock.now_ms()
        until = self._unknown.get(token)
        if until is not None and until > now_ms:
            return None
        lane = self._narrow if self.flood.is_on(client, now_ms) else self._wide
        if lane.full:
            raise Overloaded("key look-up")
        return await lane.flights.run(token, lambda: self._load(token, client, gate=lane.gate))

    async def close(self) -> None:
        """End look-ups that are under way."""
        await self._wide.flights.close()
        await self._narrow.flights.close()

    async def _load(self, token: str, client: str, *, gate: asyncio.Semaphore) -> Key | None:
        for _ in range(_RELOADS):
            async with gate:
                key = await find_key(self._postgres, self._pepper, token=token)
            if key is None:
                now_ms = self._clock.now_ms()
                self._unknown.put(token, now_ms + _UNKNOWN_FOR_MS)
                self.flood.note(client, now_ms)
                return None
            if await self._config.adopt_key(key, token):
                return key
        raise Unavailable("postgres")


SELECT_KEY = """
SELECT k.id, k.company_id, c.shard, k.kind, k.level, k.entity_id, k.name, k.paused, k.deleted_at IS NOT NULL AS deleted,
       k.settings::text AS settings, c.features::text AS features, c.config_version AS version
FROM postback_keys k JOIN companies c ON c.id = k.company_id
WHERE k.token_hmac = $1
"""


async def find_key(postgres: Postgres, pepper: bytes, *, token: str) -> Key | None:
    """The key of a token, with the config version it is true for; None when there is none. Cost: one query."""
    digest = hmac.new(pepper, token.encode(), hashlib.sha256).digest()
    row = await postgres.fetchrow(SELECT_KEY, digest)
    return None if row is None else read_key(dict(row))


def _network(client: str) -> str:
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), 64), strict=False))
