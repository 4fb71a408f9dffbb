"""One reservation, confirmed by its publisher or shown to it.

Owns the beats of both. Must never show a reservation to another key: for that key it does not exist.
"""

from msgspec.structs import replace

from services.rtb.handlers.desk import ATTEMPTS, Again, Desk
from services.rtb.handlers.pinging import told_again
from services.rtb.rules.nouns import Confirm, NoTarget, Outcome, Refused, Rejected, Reserved
from services.rtb.store import PingStore
from services.rtb.store.replies import Nobody
from shared.clock import Clock
from shared.domain import uuid7
from shared.domain.keys import Key, RtbSettings
from shared.domain.ping_log import PingRow
from shared.domain.pings import Winner
from shared.domain.reasons import Reason
from shared.domain.reservations import Reservation
from shared.domain.routing.evaluation import Evaluation, FlatCaps, caps_of
from shared.errors import Unavailable
from shared.stores.config_cache import ConfigCache
from shared.stores.pings import find_ping
from shared.stores.postgres import Postgres


class Confirming:
    """Confirms and shows reservations. Errors: Unavailable."""

    def __init__(
        self,
        desk: Desk,
        store: PingStore,
        *,
        config: ConfigCache[Evaluation],
        postgres: Postgres,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._store = store
        self._config = config
        self._postgres = postgres
        self._clock = clock

    async def confirm(self, asked: Confirm, client: str) -> Outcome | Refused:
        """Take the place for good, or say that it is gone. Cost: two round trips."""
        for _ in range(ATTEMPTS):
            key = await self._desk.key(asked.token, client)
            if isinstance(key, Refused):
                return key
            if isinstance(key, Again):
                continue
            outcome = await self._attempt(asked, key, self._config.version(key.company_id))
            if not isinstance(outcome, Again):
                return outcome
        raise Unavailable("config")

    async def _attempt(self, asked: Confirm, key: Key, version: int) -> Outcome | Refused | Again:
        settings = key.settings
        assert isinstance(settings, RtbSettings)
        held = await self._held(asked, key)
        if held is None:
            logged = await self._logged(asked, key)
            return NoTarget(uuid=asked.uuid) if logged is not None else _not_found(key)
        campaign = await self._config.plan(key.company_id, held.campaign_id)
        now_ms = self._clock.now_ms()
        caps = None if campaign is None else _caps_of(campaign.compiled, held.winner, now_ms)
        confirmed = await self._store.confirm(
            held, key.shard, version=version, now_ms=now_ms, caps=caps, settings=settings
        )
        if isinstance(confirmed, Reservation):
            return told_again(confirmed, return_dba=settings.return_dba, repeat=False)
        if isinstance(confirmed, Nobody):
            return NoTarget(uuid=asked.uuid)
        if confirmed is None:
            return _not_found(key)
        return await self._desk.catch_up(key, confirmed)

    async def show(self, asked: Confirm, client: str) -> Outcome | Refused:
        """A reservation as it stands, from Redis while it lives there, then from the log."""
        for _ in range(ATTEMPTS):
            key = await self._desk.key(asked.token, client)
            if isinstance(key, Refused):
                return key
            if isinstance(key, Again):
                continue
            version = self._config.version(key.company_id)
            if not await self._store.is_current(key.company_id, key.shard, version):
                await self._desk.refresh(key)
                continue
            return await self._shown(asked, key)
        raise Unavailable("config")

    async def _shown(self, asked: Confirm, key: Key) -> Outcome | Refused:
        settings = key.settings
        assert isinstance(settings, RtbSettings)
        held = await self._held(asked, key)
        if held is None:
            logged = await self._logged(asked, key)
            return _not_found(key) if logged is None else _told_from_log(logged, settings)
        told = told_again(held, return_dba=settings.return_dba, repeat=False)
        is_over = held.status != "claimed" and held.expires_ms <= self._clock.now_ms()
        return replace(told, status="expired") if is_over else told

    async def _held(self, asked: Confirm, key: Key) -> Reservation | None:
        """The key's reservation while Redis has it."""
        if uuid7.shard_of(asked.uuid) != key.shard:
            return None
        held = await self._store.find(asked.uuid, key.shard)
        return held if held is not None and held.key_id == key.id else None

    async def _logged(self, asked: Confirm, key: Key) -> PingRow | None:
        """The key's ping in the log. Cost: one query."""
        logged = await find_ping(self._postgres, asked.uuid)
        return logged if logged is not None and logged.key_id == key.id else None


def _caps_of(evaluation: Evaluation, winner: Winner, now_ms: int) -> FlatCaps | None:
    """Today's caps of a winner; None when it is no candidate of the campaign any more."""
    for seat in evaluation.compiled.seats:
        group_id = seat.group.id if seat.group else 0
        if seat.buyer.id == winner.buyer_id and group_id == winner.group_id:
            return caps_of(evaluation.plan, winner.buyer_id, group_id, now_ms)
    return None


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


def _not_found(key: Key) -> Refused:
    return Refused(reason=Reason.NOT_FOUND, key_id=key.id)
