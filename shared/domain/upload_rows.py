"""The rows of an uploaded caller list: cut into chunks of whole rows, and read as numbers.

Owns what a row may be. Must never hold more of an upload than a chunk.
"""

from collections.abc import Iterator

from msgspec import Struct

from shared.domain.phone import read_e164
from shared.domain.reasons import Reason

_CHUNK = 65_536  # characters


class Chunk(Struct, frozen=True, kw_only=True):
    """Some whole rows. Shape: first_row is the first one's number in the upload, from 1."""

    position: int
    first_row: int
    text: str


class RejectedRow(Struct, frozen=True, kw_only=True):
    """A row that is no number; what stood in it is not kept."""

    row: int
    reason: Reason


class Rows(Struct, frozen=True, kw_only=True):
    """What a chunk says. Shape: numbers are E.164, each once; read counts rows that are not blank."""

    read: int
    numbers: tuple[str, ...]
    rejected: tuple[RejectedRow, ...]


class Cutter:
    """Cuts a text that comes in pieces. Shape: a row that is longer than a chunk is cut too: it is no number anyway."""

    def __init__(self) -> None:
        self._rest = ""
        self._position = 0
        self._row = 1

    def feed(self, text: str) -> Iterator[Chunk]:
        """The chunks that are full with this piece."""
        self._rest += text
        while len(self._rest) >= _CHUNK:
            yield self._taken(self._rest.rfind("\n", 0, _CHUNK) + 1 or _CHUNK)

    def end(self) -> Iterator[Chunk]:
        """What is left."""
        if self._rest:
            yield self._taken(len(self._rest))

    def _taken(self, size: int) -> Chunk:
        text, self._rest = self._rest[:size], self._rest[size:]
        chunk = Chunk(position=self._position, first_row=self._row, text=text)
        self._position += 1
        self._row += text.count("\n")
        return chunk


def read_rows(text: str, *, first_row: int) -> Rows:
    """The numbers in a chunk. Shape: a row's first column counts; blank rows are passed over, but numbered."""
    read, numbers, rejected = 0, dict[str, None](), []
    for row, line in enumerate(text.split("\n"), first_row):
        written = line.partition(",")[0].strip('"\ufeff\r\t ')
        if not written:
            continue
        read += 1
        number = read_e164(written)
        if number is None:
            rejected.append(RejectedRow(row=row, reason=Reason.CALLER_NUMBER_INVALID))
        else:
            numbers[number] = None
    return Rows(read=read, numbers=tuple(numbers), rejected=tuple(rejected))
