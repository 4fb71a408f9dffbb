"""Where chance comes from.

Owns the process's source of random bytes: read once in a handler and passed down. Must never be seeded.
"""

import os

_POOL_BYTES = 4_096


class Dice:
    """Random bytes from the operating system, drawn a pool at a time: one system call for 512 ids."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def eight(self) -> bytes:
        """Eight bytes, never handed out before."""
        at = self._at
        if at >= len(self._pool):
            self._pool = os.urandom(_POOL_BYTES)
            at = 0
        self._at = at + 8
        return self._pool[at : at + 8]
