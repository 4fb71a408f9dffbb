"""What a ping changes: reservations, holds and the event, in one script.

Owns reserve.lua and the reading of its replies. Must never decide who gets a caller.

Failure policy: Redis away, late or cold is Unavailable: a 503, and nothing has been promised.
"""

from msgspec import Struct

from shared.domain.keys import Key, RtbSettings
from shared.domain.lists import bucket_of
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.routing.evaluation import Candidates
from shared.pinging.store.replies import Judged, judged
from shared.stores import redis_keys
from shared.stores.prelude import CALLERS, FENCE, LISTS, PLACES, hot_script
from shared.stores.redis import Redis

RESERVE = hot_script(__file__, "reserve", FENCE, PLACES, LISTS, CALLERS, "candidates")
NO_BUCKET = (0, "")


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
        bucket, field = NO_BUCKET
        if ask.listed and ask.caller:
            bucket, field = bucket_of(ask.caller, ask.plan.company.list_buckets)
        keys, args = _keys(ask, shard, bucket=bucket), self._args(ask, shard, field=field)
        return judged(await self._redis.script(RESERVE, shard, keys=keys, args=args))

    def _args(self, ask: Ask, shard: int, *, field: str) -> tuple[str | bytes, ...]:
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
            field,
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


def _keys(ask: Ask, shard: int, *, bucket: int) -> tuple[str, ...]:
    company = ask.plan.company
    test_key = ask.key.id if ask.settings.test else 0
    return (
        redis_keys.head(shard),
        redis_keys.holder(
            shard, company.id, test_key_id=test_key, campaign_id=ask.plan.campaign_id, e164=ask.caller
        ),
        redis_keys.reservation(shard, ask.uuid),
        redis_keys.fills(shard),
        redis_keys.due(shard),
        redis_keys.events(shard),
        redis_keys.bucket(shard, company.id, buckets=company.list_buckets, number=bucket),
        redis_keys.key_state(shard, ask.key.id),
    )


def _flags_of(settings: RtbSettings) -> str:
    return (
        ("h" if settings.add_to_caps_on_status_reserved else "")
        + ("c" if settings.ping_shield_scope == "campaign" else "")
        + ("t" if settings.test else "")
        + ("r" if "rate_limit" in settings.shadow else "")
    )
