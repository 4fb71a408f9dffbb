"""One reservation, confirmed by its publisher or shown to it.

Owns the beats of both. Must never show a reservation to another key: for that key it does not exist.
"""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from services.rtb.rules.nouns import Confirm
from services.rtb.store import ConfirmStore, Gone
from shared.domain import uuid7
from shared.domain.keys import Key, RtbSettings
from shared.domain.ping_log import PingRow
from shared.domain.reasons import Reason
from shared.domain.reservations import Reservation
from shared.domain.routing.evaluation import Evaluation
from shared.errors import Unavailable
from shared.pinging.handlers.desk import ATTEMPTS, Desk
from shared.pinging.handlers.outcomes import told_again
from shared.pinging.rules.nouns import NoTarget, Outcome, Refused, Rejected, Reserved
from shared.pools import Pools
from shared.stores.fence import ClockOff, Stale
from shared.stores.keyring import AGAIN, Again, Keyring
from shared.stores.pings import find_ping
from shared.stores.reservations import find_reservation

_NOT_FOUND = Refused(reason=Reason.NOT_FOUND)


class Confirming:
    """Confirms and shows reservations. Errors: Unavailable."""

    def __init__(
        self, desk: Desk, store: ConfirmStore, *, keyring: Keyring[Evaluation], pools: Pools
    ) -> None:
        self._desk = desk
        self._store = store
        self._keyring = keyring
        self._pools = pools

    async def confirm(self, asked: Confirm, client: str) -> tuple[int, Outcome | Refused]:
        """Take the place for good, or say that it is gone. Cost: two round trips."""
        return await self._until_current(asked, client, attempt=self._confirmed)

    async def show(self, asked: Confirm, client: str) -> tuple[int, Outcome | Refused]:
        """A reservation as it stands, from Redis while it lives there, then from the log."""
        return await self._until_current(asked, client, attempt=self._shown)

    async def _until_current(
        self, asked: Confirm, client: str, *, attempt: "Attempt"
    ) -> tuple[int, Outcome | Refused]:
        for _ in range(ATTEMPTS):
            key = await self._desk.key(asked.token, client)
            if isinstance(key, Refused):
                return key.key_id, key
            outcome = key if isinstance(key, Again) else await attempt(asked, key)
            if not isinstance(key, Again) and not isinstance(outcome, Again):
                return key.id, outcome
        raise Unavailable("config")

    async def _confirmed(self, asked: Confirm, key: Key) -> Outcome | Refused | Again:
        settings, version = key.settings, self._keyring.config.version(key.company_id)
        assert isinstance(settings, RtbSettings)
        held = await self._held(asked, key)
        if held is None and not await self._keyring.is_current(key, version):
            return AGAIN
        if held is None:
            return NoTarget(uuid=asked.uuid) if await self._logged(asked, key) else _NOT_FOUND
        campaign = await self._keyring.config.plan(key.company_id, held.campaign_id)
        now_ms = self._pools.clock.now_ms()
        caps = None if campaign is None else campaign.compiled.caps_now(held.winner, now_ms)
        confirmed = await self._store.confirm(
            held, key.shard, version=version, now_ms=now_ms, caps=caps, settings=settings
        )
        if isinstance(confirmed, Reservation):
            return told_again(confirmed, return_dba=settings.return_dba, repeat=False)
        if isinstance(confirmed, Stale | ClockOff):
            return await self._keyring.catch_up(key, confirmed)
        return NoTarget(uuid=asked.uuid) if isinstance(confirmed, Gone) else _NOT_FOUND

    async def _shown(self, asked: Confirm, key: Key) -> Outcome | Refused | Again:
        settings = key.settings
        assert isinstance(settings, RtbSettings)
        if not await self._keyring.is_current(key, self._keyring.config.version(key.company_id)):
            return AGAIN
        held = await self._held(asked, key)
        if held is None:
            logged = await self._logged(asked, key)
            return _told_from_log(logged, settings) if logged else _NOT_FOUND
        told = told_again(held, return_dba=settings.return_dba, repeat=False)
        is_over = held.status != "claimed" and held.expires_ms <= self._pools.clock.now_ms()
        return replace(told, status="expired") if is_over else told

    async def _held(self, asked: Confirm, key: Key) -> Reservation | None:
        """The key's reservation while Redis has it. Cost: one round trip."""
        if uuid7.shard_of(asked.uuid) != key.shard:
            return None
        held = await find_reservation(self._pools.redis, asked.uuid, shard=key.shard)
        return held if held and held.key_id == key.id else None

    async def _logged(self, asked: Confirm, key: Key) -> PingRow | None:
        """The key's ping in the log. Cost: one query."""
        logged = await find_ping(self._pools.postgres, asked.uuid)
        return logged if logged and logged.key_id == key.id else None


Act = Callable[[Confirm, str], Awaitable[tuple[int, Outcome | Refused]]]
Attempt = Callable[[Confirm, Key], Awaitable[Outcome | Refused | Again]]


def _told_from_log(logged: PingRow, settings: RtbSettings) -> Outcome:
    winner = logged.replay.winner
    if winner is None:
        reason = Reason(logged.reason) if logged.reason else Reason.NO_BUYERS
        kind = Rejected if logged.status == "rejected" else NoTarget
        return kind(uuid=logged.uuid, reason=reason)
    return Reserved(
        uuid=logged.uuid,
        winner=winner,
        number=logged.number,
        expires_ms=logged.expires_ms,
        status="claimed" if logged.status == "claimed" else "expired",
        return_dba=settings.return_dba,
    )
