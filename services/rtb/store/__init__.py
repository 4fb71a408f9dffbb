"""What a ping changes: reservations, holds and the event, each in one script.

Owns reserve.lua, confirm.lua and read.lua and the reading of their replies. Must never decide who gets a caller.

Failure policy: Redis away, late or cold is Unavailable: a 503, and nothing has been promised.
"""

from msgspec import Struct

from services.rtb.store.replies import ClockOff, Judged, Nobody, Stale, confirmed, judged
from shared.domain.keys import Key, RtbSettings
from shared.domain.lists import bucket_of
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.reservations import Reservation, read_reservation
from shared.domain.routing.evaluation import Candidates, FlatCaps, pack
from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.prelude import CALLERS, FENCE, LISTS, PLACES, hot_script
from shared.stores.redis import Redis

RESERVE = hot_script(__file__, "reserve", FENCE, PLACES, LISTS, CALLERS, "candidates")
CONFIRM = hot_script(__file__, "confirm", FENCE, PLACES, CALLERS)
READ = hot_script(__file__, "read")
SCRIPTS = (RESERVE, CONFIRM, READ)


class Ask(Struct, frozen=True, kw_only=True, gc=False):
    """One ping, evaluated, for the script to judge.

    Shape: caller is E.164 or ""; listed: some list matters; numbers and tags_seen as reserve.lua takes them; event is encoded.
    """

    key: Key
    settings: RtbSettings
    plan: Plan
    publisher_id: int
    caller: str
    uuid: str
    now_ms: int
    version: int
    candidates: Candidates
    lists: str
    listed: bool
    numbers: str
    tags_seen: str
    event: bytes
    verdicts: str = ""


class PingStore:
    """Reservations, in Redis. Units: soft and hard in waiting stream entries."""

    def __init__(self, redis: Redis, *, soft: int, hard: int, has_sip: bool) -> None:
        self._redis = redis
        self._soft = str(soft)
        self._hard = str(hard)
        self._sip_flag = "s" if has_sip else ""

    async def reserve(self, ask: Ask) -> Judged:
        """Judge and reserve. Errors: Unavailable. Cost: one round trip."""
        shard = ask.plan.company.shard
        reply = await self._redis.script(RESERVE, shard, _keys(ask, shard), self._args(ask, shard))
        return judged(reply)

    def _args(self, ask: Ask, shard: int) -> tuple[str | bytes, ...]:
        settings, candidates = ask.settings, ask.candidates
        flags = self._sip_flag + _flags_of(settings)
        if not ask.caller:
            flags += "a"
        if candidates.more:
            flags += "m"
        if ask.verdicts:
            flags += "M"
        if candidates.decided == Reason.PUBLISHER_PAUSED:
            flags += "p"
        return (
            self._redis.run_id_of(shard),
            str(ask.plan.company.id),
            str(ask.version),
            str(ask.now_ms),
            ask.uuid,
            str(ask.key.id),
            str(ask.publisher_id),
            str(ask.plan.campaign_id),
            str(settings.ttl_seconds * 1000),
            flags,
            ask.tags_seen,
            str(settings.rate_limit_per_second or 0),
            _list_field(ask),
            ask.lists,
            ask.numbers,
            candidates.packed,
            ask.event,
            candidates.trace,
            self._soft,
            self._hard,
            ask.verdicts,
            ask.caller,
        )

    async def find(self, uuid: str, shard: int) -> Reservation | None:
        """One reservation; None when it is not there (any more). Errors: Unavailable. Cost: one round trip."""
        keys = (redis_keys.head(shard), redis_keys.reservation(shard, uuid))
        reply = await self._redis.script(READ, shard, keys, (self._redis.run_id_of(shard),))
        if reply[0] == b"cold":
            raise Unavailable("redis")
        return read_reservation(reply[1]) if reply[0] == b"found" else None

    async def confirm(
        self,
        held: Reservation,
        shard: int,
        *,
        version: int,
        now_ms: int,
        caps: FlatCaps | None,
        settings: RtbSettings,
    ) -> Reservation | Nobody | Stale | ClockOff | None:
        """Confirm a reservation; None when it is not the key's.

        Shape: caps as places.lua reads them, None when the winner is gone. Errors: Unavailable. Cost: one round trip.
        """
        keys = (
            redis_keys.head(shard),
            _caller_key(held, shard, test=settings.test),
            redis_keys.reservation(shard, held.uuid),
            redis_keys.fills(shard),
            redis_keys.due(shard),
            redis_keys.events(shard),
        )
        args = (
            self._redis.run_id_of(shard),
            str(held.company_id),
            str(version),
            str(now_ms),
            held.uuid,
            str(held.key_id),
            pack(caps or ()),
            ("t" if settings.test else "") + ("g" if caps is None else ""),
        )
        return confirmed(await self._redis.script(CONFIRM, shard, keys, args))

    async def is_current(self, company_id: int, shard: int, version: int) -> bool:
        """Whether no newer config is known than a version. Errors: Unavailable. Cost: one round trip."""
        epoch, current = await self._redis.command(
            shard, "HMGET", redis_keys.head(shard), "epoch", f"v:{company_id}"
        )
        if epoch is None or epoch.decode() != self._redis.run_id_of(shard):
            raise Unavailable("redis")
        return int(current or 0) <= version


def _keys(ask: Ask, shard: int) -> tuple[str, ...]:
    company = ask.plan.company
    bucket = bucket_of(ask.caller, company.list_buckets)[0] if ask.listed and ask.caller else 0
    if ask.settings.test:
        caller = redis_keys.test_caller(shard, ask.key.id, ask.caller)
    elif not ask.caller:
        caller = redis_keys.leases(shard, ask.plan.campaign_id)
    else:
        caller = redis_keys.caller(shard, company.id, ask.caller)
    return (
        redis_keys.head(shard),
        caller,
        redis_keys.reservation(shard, ask.uuid),
        redis_keys.fills(shard),
        redis_keys.due(shard),
        redis_keys.events(shard),
        redis_keys.bucket(shard, company.id, company.list_buckets, bucket),
        redis_keys.key_state(shard, ask.key.id),
    )


def _list_field(ask: Ask) -> str:
    if not ask.listed or not ask.caller:
        return ""
    return bucket_of(ask.caller, ask.plan.company.list_buckets)[1]


def _caller_key(held: Reservation, shard: int, *, test: bool) -> str:
    if test:
        return redis_keys.test_caller(shard, held.key_id, held.caller)
    if not held.caller:
        return redis_keys.leases(shard, held.campaign_id)
    return redis_keys.caller(shard, held.company_id, held.caller)


def _flags_of(settings: RtbSettings) -> str:
    return (
        ("h" if settings.add_to_caps_on_status_reserved else "")
        + ("c" if settings.ping_shield_scope == "campaign" else "")
        + ("t" if settings.test else "")
        + ("r" if "rate_limit" in settings.shadow else "")
    )
