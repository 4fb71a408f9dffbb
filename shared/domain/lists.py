"""Caller lists: what a list's name makes it do, and where a caller stands in the hot copy.

Owns the naming rule and the bucket arithmetic. Must never hold a list's numbers.
"""

import re
from enum import StrEnum

_name = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class Effect(StrEnum):
    """What being on a list means for a caller."""

    DENY = "deny"
    ADMIT = "admit"
    NONE = "none"


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


def bucket_of(e164: str, buckets: int) -> tuple[int, str]:
    """Where a caller stands in the inverted lists: the bucket, and the field in it.

    Shape: bucket = digits modulo buckets, field = digits divided by buckets: both together are the number.
    """
    field, bucket = divmod(int(e164[1:]), buckets)
    return bucket, str(field)
