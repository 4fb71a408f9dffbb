"""The key of one call: it writes tags on that call alone, until shortly after its end.

Owns how the key follows from the pepper and a uuid, so that it is stored nowhere and can be told again. Must never show one.
"""

import hashlib
import hmac

from shared.domain.tokens import compose, digest, token_form

GOOD_AFTER_END_MS = 30 * 60_000
_LETTERS = "call"
_PREFIX = f"pbk_{_LETTERS}_"


def call_key(pepper: bytes, seed: str) -> str:
    """The key of a call.

    Shape: seed is the uuid of the reservation that the call claimed, as buyers may be told the key before the call comes;
    else the call's own.
    Source: keys.md, per-call key.
    """
    mac = hmac.digest(pepper, f"call key of {seed}".encode(), hashlib.sha256)
    left = int.from_bytes(mac, "big")

    def draw(n: int) -> int:
        nonlocal left
        left, digit = divmod(left, n)
        return digit

    return compose(_LETTERS, draw)


def is_call_key(token: str) -> bool:
    """Whether a token has the form of a call's key; whether it is one, only its call can say."""
    return token.startswith(_PREFIX) and token_form(token) == "ours"


class CallKeys:
    """The keys of all calls under one pepper."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def key_of(self, seed: str) -> str:
        """A call's key."""
        return call_key(self._pepper, seed)

    def hmac_of(self, seed: str) -> bytes:
        """What a call is looked up by when only its key is known."""
        return digest(self._pepper, self.key_of(seed))
