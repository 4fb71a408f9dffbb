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
from shared.stores.redis import Fixed, Redis
from shared.stores.redis_faults import ReplyError

RESERVE = hot_script(__file__, "reserve", FENCE, PLACES, LISTS, CALLERS, "candidates")
NO_BUCKET = (0, "")
_OTHER_KEYS, _OTHER_ARGS = 3, 12


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """What all pings of a key, by one publisher into one campaign, have in common.

    Shape: lists are the campaign's and its company's, as seats write them; listed: some list matters.
    """

    key: Key
    settings: RtbSettings
    plan: Plan
    publisher_id: int
    version: int
    lists: str
    listed: bool


class Form(Struct, frozen=True, kw_only=True, gc=False):
    """What terms fix of the script's call.

    Shape: callers, reservations and buckets are what such keys begin with; list_buckets is 0 when no list matters.
    """

    shard: int
    callers: str
    anonymous: str
    reservations: str
    buckets: str
    list_buckets: int
    fixed: Fixed


class Ask(Struct, frozen=True, kw_only=True, gc=False):
    """One ping, evaluated, for the script to judge.

    Shape: caller is E.164 or ""; numbers and tags_seen as reserve.lua takes them; event is encoded.
    """

    form: Form
    caller: str
    uuid: str
    now_ms: int
    candidates: Candidates
    numbers: str
    tags_seen: str
    event: bytes
    verdicts: str = ""


class PingStore:
    """Reservations, in Redis. Units: soft and hard in waiting stream entries."""

    def __init__(self, redis: Redis, *, soft: int, hard: int, has_sip: bool) -> None:
        self._redis = redis
        self._lengths = (str(soft), str(hard))
        self._sip_flag = "s" if has_sip else ""

    def form(self, terms: Terms) -> Form:
        """What can be written down once for all pings of these terms."""
        key, plan, settings = terms.key, terms.plan, terms.settings
        company = plan.company
        shard = company.shard
        keys = (
            redis_keys.head(shard),
            redis_keys.fills(shard),
            redis_keys.due(shard),
            redis_keys.events(shard),
            redis_keys.key_state(shard, key.id),
        )
        ids = (company.id, terms.version, key.id, terms.publisher_id, plan.campaign_id)
        args = (
            *map(str, ids),
            str(settings.ttl_seconds * 1000),
            self._sip_flag + _flags_of(settings),
            str(settings.rate_limit_per_second or 0),
            terms.lists,
            *self._lengths,
        )
        return Form(
            shard=shard,
            callers=redis_keys.test_caller(shard, key.id, e164="")
            if settings.test
            else redis_keys.caller(shard, company.id, e164=""),
            anonymous=redis_keys.test_caller(shard, key.id, e164="")
            if settings.test
            else redis_keys.leases(shard, plan.campaign_id),
            reservations=redis_keys.reservation(shard, ""),
            buckets=redis_keys.all_buckets(shard, company.id, buckets=company.list_buckets),
            list_buckets=company.list_buckets if terms.listed else 0,
            fixed=Fixed(RESERVE, keys=keys, more_keys=_OTHER_KEYS, more_args=_OTHER_ARGS, args=args),
        )

    async def reserve(self, ask: Ask) -> Judged:
        """Judge and reserve. Errors: Unavailable. Cost: one round trip."""
        shard = ask.form.shard
        packed = ask.form.fixed.packed(self._own_part(ask))
        reply = await self._redis.link_for(shard).send(packed)
        if reply.__class__ is ReplyError:
            reply = await self._redis.after_fault(reply, RESERVE, shard=shard, packed=packed)
        return judged(reply)

    def _own_part(self, ask: Ask) -> tuple[str | bytes, ...]:
        """The keys and arguments that differ from ping to ping, in the script's order."""
        form, caller, candidates = ask.form, ask.caller, ask.candidates
        bucket, field = bucket_of(caller, form.list_buckets) if form.list_buckets and caller else NO_BUCKET
        return (
            form.callers + caller if caller else form.anonymous,
            form.reservations + ask.uuid,
            form.buckets + str(bucket),
            self._redis.run_id_of(form.shard),
            str(ask.now_ms),
            ask.uuid,
            _own_flags(ask),
            ask.tags_seen,
            field,
            ask.numbers,
            candidates.packed,
            ask.event,
            candidates.trace,
            ask.verdicts,
            caller,
        )


def _own_flags(ask: Ask) -> str:
    candidates = ask.candidates
    return (
        ("" if ask.caller else "a")
        + ("m" if candidates.more else "")
        + ("M" if ask.verdicts else "")
        + ("p" if candidates.decided == Reason.PUBLISHER_PAUSED else "")
    )


def _flags_of(settings: RtbSettings) -> str:
    return (
        ("h" if settings.add_to_caps_on_status_reserved else "")
        + ("c" if settings.ping_shield_scope == "campaign" else "")
        + ("t" if settings.test else "")
        + ("r" if "rate_limit" in settings.shadow else "")
    )
