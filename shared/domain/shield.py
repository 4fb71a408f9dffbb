"""The claim-rate shield: which callers of a key that claims too little are kept away.

Owns the draw. Must never know how a key's reservations have ended: admit.lua and reserve.lua do.
Source: rtb.md, ping shield.
"""

from hashlib import blake2b

_HOUR_MS = 3_600_000
_WHOLE = 1 << 32


def is_drawn(key_id: int, caller: str, *, now_ms: int, percent: float) -> bool:
    """Whether a new caller is among the blocked. The same draw for the whole hour, so that to ping again does not help.

    Shape: caller is E.164, or for an anonymous one what tells its ping from others.
    """
    drawn = blake2b(f"{key_id}:{caller}:{now_ms // _HOUR_MS}".encode(), digest_size=4).digest()
    return int.from_bytes(drawn, "big") * 100 < percent * _WHOLE
