"""Caller lists: what a list's name makes it do, and where a caller stands in the hot copy.

Owns the naming rule and the bucket arithmetic. Must never hold a list's numbers.
"""

import re
from enum import StrEnum

from msgspec import Struct

from shared.domain.keys import Level

_name = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_FULL = 60  # callers a bucket on average: then hardly one in a million has 100
_LONGEST_MS = 10 * 366 * 24 * 3600 * 1000  # an entry's life: who means more means for ever
_FRESH = 40  # a Redis hash costs as much as ten callers in it


class Effect(StrEnum):
    """What being on a list means for a caller."""

    DENY = "deny"
    ADMIT = "admit"
    NONE = "none"


class CallerList(Struct, frozen=True, kw_only=True):
    """A list as stored. Shape: entity_id is of the level's table; generation_id the live one."""

    id: int
    company_id: int
    level: Level
    entity_id: int
    name: str
    expires_after_seconds: int | None
    generation_id: int


class Place(Struct, frozen=True, kw_only=True):
    """Where lists stand, and which key speaks of them."""

    company_id: int
    shard: int
    level: Level
    entity_id: int
    key_id: int


class Listed(Struct, frozen=True, kw_only=True):
    """A number on a list. Shape: is_new = it has just been put there; expires_ms 0 = it stays."""

    number: str
    created_ms: int
    expires_ms: int = 0
    is_new: bool = False


def effect_of(name: str) -> Effect:
    """What the list does by its name: `suppressed*` denies, `accepted*` admits.

    Shape: in any case, as `Suppressed_dnc` must not let callers in.
    """
    low = name.lower()
    if low.startswith("suppressed"):
        return Effect.DENY
    return Effect.ADMIT if low.startswith("accepted") else Effect.NONE


def is_name(text: str) -> bool:
    """Whether a list may be called so: 1 to 64 letters, digits, `_` or `-`, as it stands in URLs."""
    return _name(text) is not None


def may_expire(at_ms: int, *, now_ms: int) -> bool:
    """Whether an entry may be put on a list until then: in the future, at most ten years away."""
    return now_ms < at_ms <= now_ms + _LONGEST_MS


def bucket_of(e164: str, buckets: int) -> tuple[int, str]:
    """Where a caller stands in the inverted lists: the bucket, and the field in it.

    Shape: bucket = digits modulo buckets, field = digits divided by buckets: both together are the number.
    """
    field, bucket = divmod(int(e164[1:]), buckets)
    return bucket, str(field)


def buckets_for(numbers: int, buckets: int) -> int:
    """How many buckets so many numbers need instead; 0 when they fit. Shape: a prime, as numbers like round steps."""
    if numbers <= buckets * _FULL:
        return 0
    wanted = numbers // _FRESH | 1
    while any(wanted % factor == 0 for factor in range(3, int(wanted**0.5) + 1, 2)):
        wanted += 2
    return wanted
