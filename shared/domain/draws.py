"""Dice that can be thrown again: a stream of draws that follows from a uuid.

Owns the stream, which must never change: stored pings are replayed by it. Must never touch the process's own
dice.
"""

from hashlib import sha512
from struct import Struct as Packed

_words = Packed(">16I").unpack


class Draws:
    """The draws of one ping, in the order in which they are asked for.

    Shape: block i is sha512 of `<uuid>:<i>`, read as 16 big-endian words of 32 bits, first word first.
    """

    __slots__ = ("_block", "_left", "_uuid")

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._block = 0
        self._left: tuple[int, ...] = ()

    def below(self, n: int) -> int:
        """A draw from 0 to n - 1. Units: n from 1 to 2**32, each value as likely to one in 2**32 / n."""
        word, *_ = self.words(1)
        return word * n >> 32

    def words(self, n: int) -> tuple[int, ...]:
        """The next n draws as they come: 32 bits each."""
        left = self._left
        while len(left) < n:
            left += _words(sha512(f"{self._uuid}:{self._block}".encode()).digest())
            self._block += 1
        self._left = left[n:]
        return left[:n]
