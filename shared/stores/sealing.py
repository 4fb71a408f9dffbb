"""Sealed copies of tokens and secrets: unreadable without the key-encryption key.

Owns AES-256-GCM and the form of a sealed text. Must never be used on tokens by a hot service, which is not given that
key; secrets of switches are sealed under one of their own. A sealed text is bound to its row by what it is looked up by, so it
cannot be moved to another.
"""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.domain.tokens import Hidden
from shared.errors import OperatorError

_VERSION = b"\x01"
_ID = 4
_NONCE = 12
_SHORTEST = 32


class Sealer:
    """Seals and opens.

    Shape: keys as set, the first seals, the others only open what was sealed before a change of keys.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = {_key_id(key): AESGCM(_derived(key)) for key in keys}
        self._first = _key_id(keys[0])

    def seal(self, hidden: Hidden, lookup: bytes) -> bytes:
        """A sealed copy. Shape: version, key id, nonce, ciphertext with its tag."""
        head = _VERSION + self._first
        nonce = os.urandom(_NONCE)
        cipher = self._ciphers[self._first]
        return head + nonce + cipher.encrypt(nonce, hidden.reveal().encode(), head + lookup)

    def open(self, sealed: bytes, lookup: bytes) -> Hidden:
        """What was sealed. Errors: OperatorError when it was sealed with another key, or for another row."""
        head, nonce = sealed[: 1 + _ID], sealed[1 + _ID : 1 + _ID + _NONCE]
        cipher = self._ciphers.get(head[1:]) if head[:1] == _VERSION else None
        if cipher is None:
            raise OperatorError("this copy was sealed with another key-encryption key")
        try:
            text = cipher.decrypt(nonce, sealed[1 + _ID + _NONCE :], head + lookup)
        except InvalidTag:
            raise OperatorError("this sealed copy is damaged") from None
        return Hidden(text.decode())


def read_sealer(setting: str, *, name: str = "RINGPOST_KEY_ENCRYPTION_KEY") -> Sealer:
    """The sealer of a setting of that name: one or more keys with commas between.

    Errors: OperatorError when one is too short to be a secret.
    """
    keys = [key.strip() for key in setting.split(",") if key.strip()]
    if not keys or any(len(key) < _SHORTEST for key in keys):
        raise OperatorError(f"{name} has at least {_SHORTEST} characters, drawn at random")
    return Sealer(keys)


def _derived(key: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"ringpost sealed copies").derive(key.encode())


def _key_id(key: str) -> bytes:
    return hashlib.sha256(b"ringpost key id " + key.encode()).digest()[:_ID]
