"""Whose key is this, and is what we know of it current?

Owns the way from a token to a key that may do a kind of thing, and the version read that stands before a refusal decided
from memory. Must never look at what a request wants to do with its key.

Failure policy: what is not in memory is waited for shortly (Postgres.patience), then Unavailable: the load goes on, and the
next request finds it.
"""

from typing import Generic, TypeVar

from msgspec import Struct

from shared.clock import Clock
from shared.domain.keys import Key, Kind, authorize
from shared.domain.reasons import Reason
from shared.stores.clock_sampler import ClockSampler
from shared.stores.config_cache import ConfigCache
from shared.stores.fence import ClockOff, Stale
from shared.stores.key_lookup import KeyLookup
from shared.stores.versions import Versions

T = TypeVar("T")


class Denied(Struct, frozen=True, kw_only=True):
    """The key may not. Shape: key_id is 0 when there is no such key."""

    reason: Reason
    key_id: int = 0


class Again(Struct, frozen=True):
    """What was known was not current, or has just come into memory: look again."""


AGAIN = Again()


class Keyring(Generic[T]):
    """Keys of one kind of request. Errors: Unavailable when a key or the config version cannot be read."""

    def __init__(
        self,
        keys: KeyLookup[T],
        config: ConfigCache[T],
        *,
        versions: Versions,
        clock: Clock,
        sampler: ClockSampler,
    ) -> None:
        self.config = config
        self._keys = keys
        self._versions = versions
        self._clock = clock
        self._sampler = sampler

    async def close(self) -> None:
        """End loads that are under way."""
        await self._keys.close()
        await self.config.close()

    def known(self, token: str) -> Key | None:
        """A key that is in memory, whatever it may do."""
        return self._keys.known(token)

    def usable(self, token: str, kind: Kind) -> Key | None:
        """A key that is in memory and may do this kind of thing; None says nothing: ask key()."""
        key = self._keys.known(token)
        return key if key is not None and authorize(key, kind) is None else None

    async def find(self, token: str, client: str) -> Again | Denied:
        """Bring a key into memory. Cost: at most one query."""
        if await self._keys.find(token, client) is not None:
            return AGAIN
        flooding = self._keys.flood.is_on(client, self._clock.now_ms())
        return Denied(reason=Reason.TOO_MANY_UNKNOWN_KEYS if flooding else Reason.KEY_UNKNOWN)

    async def key(self, token: str, kind: Kind, *, client: str) -> Key | Denied | Again:
        """A key that may do this kind of thing. Cost: nothing when hot; a version read before a refusal."""
        key = self._keys.known(token)
        if key is None:
            return await self.find(token, client)
        reason = authorize(key, kind)
        if reason is None:
            return key
        current = await self.is_current(key, self.config.version(key.company_id))
        return Denied(reason=reason, key_id=key.id) if current else AGAIN

    async def is_current(self, key: Key, version: int) -> bool:
        """Whether a refusal decided at a config version may be sent; what has changed is forgotten when not.

        Cost: one round trip.
        """
        if await self._versions.current(key.company_id, shard=key.shard) <= version:
            return True
        await self.config.refresh(key.company_id)
        return False

    async def catch_up(self, key: Key, outdated: Stale | ClockOff) -> Again:
        """Bring up to date what a script found out of date."""
        if isinstance(outdated, Stale):
            await self.config.refresh(key.company_id)
        else:
            await self._sampler.resync()
        return AGAIN
