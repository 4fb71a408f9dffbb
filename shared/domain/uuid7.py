"""UUIDs of version 7, made from a time, a shard and dice that are handed in.

Owns their layout: 48 bits of unix milliseconds, 12 of the shard, 62 of chance. Must never read a clock or
roll dice.
"""

import re
from functools import lru_cache

_canonical = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def make(unix_ms: int, shard: int, *, rand: bytes) -> str:
    """A uuid whose time and shard can be read back. Units: shard 0 to 4095, rand at least 8 bytes."""
    chance = rand[:8].hex()
    return f"{_moment(unix_ms, shard)}{_VARIANTS[chance[0]]}{chance[1:4]}-{chance[4:]}"


@lru_cache(maxsize=64)
def _moment(unix_ms: int, shard: int) -> str:
    """What all uuids of a millisecond and a shard begin with."""
    time = f"{unix_ms:012x}"
    return f"{time[:8]}-{time[8:]}-7{shard:03x}-"


def is_uuid7(text: str) -> bool:
    """Whether the text is one in canonical form: lower-case, with hyphens."""
    return _canonical(text) is not None


def shard_of(text: str) -> int:
    """The shard in a uuid that is_uuid7 has accepted."""
    return int(text[15:18], 16)


def ms_of(text: str) -> int:
    """The unix milliseconds in a uuid that is_uuid7 has accepted."""
    return int(text[:8] + text[9:13], 16)
