"""What all pings of a key, by one publisher into one campaign, have in common, as the scripts take it.

Owns the fixed part of the scripts' calls: the first keys, the last arguments (opening.lua). Must never see a ping.
"""

from typing import Self

from msgspec import Struct

from shared.domain.keys import Key, RtbSettings
from shared.domain.plan import Plan
from shared.stores import redis_keys
from shared.stores.redis import Fixed
from shared.stores.scripts import Script

_OTHER_KEYS, _OTHER_ARGS = 3, 13
_SHADOW_FLAGS = {"rate_limit": "r", "claim_rate": "q", "outbound": "o"}


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """Whose pings, into what.

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
    """What terms fix of the scripts' calls.

    Shape: callers, reservations and buckets are what such keys begin with; list_buckets is 0 when no list matters.
    """

    shard: int
    callers: str
    anonymous: str
    reservations: str
    buckets: str
    list_buckets: int
    reserve: Fixed
    admit: Fixed
    settle: Fixed

    @classmethod
    def of(cls, terms: Terms, *, reserve: Fixed, admit: Fixed, settle: Fixed) -> Self:
        """The form of these terms."""
        plan, key, company = terms.plan, terms.key, terms.plan.company
        shard = company.shard
        callers = redis_keys.caller(shard, company.id, e164="")
        anonymous = redis_keys.leases(shard, plan.campaign_id)
        if terms.settings.test:
            callers = anonymous = redis_keys.test_caller(shard, key.id, e164="")
        return cls(
            shard=shard,
            callers=callers,
            anonymous=anonymous,
            reservations=redis_keys.reservation(shard, ""),
            buckets=redis_keys.all_buckets(shard, company.id, buckets=company.list_buckets),
            list_buckets=company.list_buckets if terms.listed else 0,
            reserve=reserve,
            admit=admit,
            settle=settle,
        )


def fixed_part(terms: Terms, script: Script, *, lengths: tuple[str, str], more_flags: str) -> Fixed:
    """The fixed part of one script's call. Shape: lengths are the stream's soft and hard ones."""
    key, plan, settings = terms.key, terms.plan, terms.settings
    shard = plan.company.shard
    keys = (
        redis_keys.head(shard),
        redis_keys.fills(shard),
        redis_keys.due(shard),
        redis_keys.events(shard),
        redis_keys.key_state(shard, key.id),
        redis_keys.finishes(shard, key.id),
        redis_keys.grants(shard, key.id),
    )
    ids = (plan.company.id, terms.version, key.id, terms.publisher_id, plan.campaign_id)
    args = (
        *map(str, ids),
        str(settings.ttl_seconds * 1000),
        more_flags + _flags_of(settings),
        str(settings.rate_limit_per_second or 0),
        terms.lists,
        *lengths,
        _number(settings.claim_percent_threshold),
        str(settings.claim_percent_minimum),
        _number(settings.ping_shield_outbound_count_limit),
        _number(settings.ping_shield_outbound_ms_limit),
    )
    return Fixed(script, keys=keys, more_keys=_OTHER_KEYS, more_args=_OTHER_ARGS, args=args)


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.15g}"


def _flags_of(settings: RtbSettings) -> str:
    return (
        ("h" if settings.add_to_caps_on_status_reserved else "")
        + ("c" if settings.ping_shield_scope == "campaign" else "")
        + ("t" if settings.test else "")
        + "".join(flag for name, flag in _SHADOW_FLAGS.items() if name in settings.shadow)
    )
