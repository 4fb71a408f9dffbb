"""Bearer tokens: their form, their checksum, and what may be kept of them.

Owns how a token is made of drawn characters and told from a mistyped one. Must never draw by itself, nor show
one. The checksum stops typos, not attackers.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable
from typing import Literal

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TWO_DIGITS = tuple(one + other for one in DIGITS for other in DIGITS)
_DRAWN = 30
_CHECKED = 6
_SECRET = 24

Draw = Callable[[int], int]
Form = Literal["ours", "imported"]

_ours = re.compile(r"pbk_[a-z]{2,8}_[0-9A-Za-z]{36}").fullmatch
_imported = re.compile(r"[A-Za-z0-9._~-]{16,128}").fullmatch


class Hidden:
    """A token or a secret on its way: neither repr, str nor an encoder shows it; `reveal()` hands it over."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Hidden(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Hidden, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a Hidden text is not pickled")


def compose(letters: str, draw: Draw) -> str:
    """A new token of ours. Shape: draw(n) is any of 0 to n - 1, from a source of secrets."""
    drawn = "".join(DIGITS[draw(62)] for _ in range(_DRAWN))
    text = f"pbk_{letters}_{drawn}"
    return text + _checksum(text)


def make_secret(draw: Draw) -> str:
    """A new secret of a caller-list key: 24 base58 characters."""
    return "".join(BASE58[draw(58)] for _ in range(_SECRET))


def token_form(text: str) -> Form | None:
    """Whose form a token has; None when no key can have it: no store need be asked. Cost: a microsecond."""
    if text.startswith("pbk_"):
        whole = _ours(text) is not None and _checksum(text[:-_CHECKED]) == text[-_CHECKED:]
        return "ours" if whole else None
    return "imported" if _imported(text) else None


def digest(pepper: bytes, token: str) -> bytes:
    """What a token or a secret is looked up by: HMAC-SHA256(pepper, token)."""
    return hmac.digest(pepper, token.encode(), hashlib.sha256)


def _checksum(text: str) -> str:
    rest, low = divmod(zlib.crc32(text.encode()), 3844)
    high, middle = divmod(rest, 3844)
    return _TWO_DIGITS[high] + _TWO_DIGITS[middle] + _TWO_DIGITS[low]
