"""UUIDs of version 7, made from a time, a shard and dice that are handed in.

Owns their layout: 48 bits of unix milliseconds, 12 of the shard, 62 of chance. Must never read a clock or
roll dice.
"""

import re

_canonical = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_CHANCE = (1 << 62) - 1
_VARIANT = 1 << 63
_VERSION = 7 << 76


def make(unix_ms: int, shard: int, *, rand: bytes) -> str:
    """A uuid whose time and shard can be read back. Units: shard 0 to 4095, rand at least 8 bytes."""
    chance = int.from_bytes(rand[:8], "big") & _CHANCE
    text = (unix_ms << 80 | _VERSION | shard << 64 | _VARIANT | chance).to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid7(text: str) -> bool:
    """Whether the text is one in canonical form: lower-case, with hyphens."""
    return _canonical(text) is not None


def shard_of(text: str) -> int:
    """The shard in a uuid that is_uuid7 has accepted."""
    return int(text[15:18], 16)


def ms_of(text: str) -> int:
    """The unix milliseconds in a uuid that is_uuid7 has accepted."""
    return int(text[:8] + text[9:13], 16)
