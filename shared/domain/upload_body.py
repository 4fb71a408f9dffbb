"""The body of an upload, read as it comes: its rows go out at once, its few fields are kept.

Owns the two encodings of an upload: JSON with one long text, multipart with a file. Must never keep more than a piece of the
rows, nor put what was sent into an error.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from shared.domain.multipart import read_boundary, read_part_head
from shared.domain.reasons import Reason

_MOST_BYTES = 65_536  # of what is not rows, and of one row
_LONGEST_FIELD = 1_000
_NUMBERS = re.compile(rb'(?<!\\)"numbers"\s*:\s*(?=")')
_inside = re.compile(rb'(?:[^"\\]+|\\u[0-9a-fA-F]{4}|\\[^u])*').match
_decode_text = msgspec.json.Decoder(str).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_NOUN = "caller_list_upload"
_TRUTH = {"true": True, "1": True, "": False, "false": False, "0": False}


class UploadBody(Protocol):
    """One encoding. Errors: ValueError for what cannot be read."""

    def feed(self, piece: bytes) -> str:
        """The rows that this piece completes."""

    def end(self) -> Mapping[str, str]:
        """The other fields, when the body is over. Shape: `numbers` is among them, empty, when there were rows."""


class JsonUpload:
    """`{"caller_list_upload": {"numbers": "a\\nb", ...}}`, or its fields without the noun."""

    def __init__(self) -> None:
        self._head = b""
        self._rows = b""
        self._tail = b""
        self._part = "head"

    def feed(self, piece: bytes) -> str:
        """The rows that this piece completes. Errors: ValueError."""
        if self._part == "head":
            self._head += piece
            found = _NUMBERS.search(self._head)
            if found is None:
                return self._small()
            self._head, piece = self._head[: found.end()], self._head[found.end() + 1 :]
            self._part = "rows"
        if self._part == "tail":
            self._tail += piece
            return self._small()
        self._rows += piece
        return self._completed()

    def _completed(self) -> str:
        found = _inside(self._rows)
        inner = found[0] if found else b""
        if self._rows[len(inner) : len(inner) + 1] == b'"':
            self._part, self._tail, self._rows = "tail", self._rows[len(inner) + 1 :], b""
        else:
            inner = inner[: inner.rfind(b"\\n") + 2] if b"\\n" in inner else b""
            self._rows = self._rows[len(inner) :]
        self._small()
        return _decode_text(b'"' + inner + b'"')

    def _small(self) -> str:
        if max(len(self._head), len(self._rows) - _MOST_BYTES, len(self._tail)) > _MOST_BYTES:
            raise ValueError("too long")
        return ""

    def end(self) -> Mapping[str, str]:
        """The other fields. Errors: ValueError when the whole is no JSON object."""
        if self._part == "rows":
            raise ValueError("no end")
        told = _decode_object(self._head + b'""' + self._tail if self._part == "tail" else self._head)
        inner = told.get(_NOUN)
        fields = dict(inner) if isinstance(inner, dict) else told
        if self._part == "head":
            fields.pop("numbers", None)  # no text, or there would be rows
        return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class FormUpload:
    """multipart/form-data with a file, or a field `numbers`. Errors: ValueError for a missing boundary."""

    def __init__(self, options: str) -> None:
        self._mark = b"\r\n--" + read_boundary(options)
        self._open = b"\r\n"
        self._name: str | None = ""
        self._ended = False
        self._fields: dict[str, str] = {}
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, piece: bytes) -> str:
        """The rows that this piece completes. Errors: ValueError."""
        self._open += piece
        rows: list[str] = []
        while not self._ended and (self._heads() if self._name is None else self._holds(rows)):
            pass
        if self._ended:
            self._open = b""
        return "".join(rows)

    def _heads(self) -> bool:
        """Whether a part's head was read. Shape: _name None = a mark was the last, "" = what no part is."""
        if self._open.startswith(b"--"):
            self._ended = True
            return False
        head, blank, rest = self._open.partition(b"\r\n\r\n")
        if not blank:
            if len(head) > _LONGEST_FIELD:
                raise ValueError("a head without end")
            return False
        name, is_file = read_part_head(head)
        self._name = "numbers" if is_file else name.removeprefix(_NOUN).strip("[]")
        self._fields.setdefault(self._name, "")
        self._open = rest
        return True

    def _holds(self, rows: list[str]) -> bool:
        """Whether a part's end was read."""
        content, mark, rest = self._open.partition(self._mark)
        if not mark:
            keep = len(self._mark)
            content, rest = self._open[:-keep], self._open[-keep:]
        self._open = rest
        if self._name == "numbers":
            rows.append(self._decoder.decode(content, final=bool(mark)) + ("\n" if mark else ""))
        elif self._name:
            self._fields[self._name] += content.decode()
            if len(self._fields[self._name]) > _LONGEST_FIELD:
                raise ValueError("too long")
        self._name = None if mark else self._name
        return bool(mark)

    def end(self) -> Mapping[str, str]:
        """The other fields. Errors: ValueError when the end is missing."""
        if not self._ended:
            raise ValueError("no end")
        return self._fields


def read_encoding(content_type: str) -> UploadBody | Reason:
    """How a body of that type is to be read."""
    kind, _, options = content_type.partition(";")
    try:
        return FormUpload(options) if kind.strip().lower() == "multipart/form-data" else JsonUpload()
    except ValueError:
        return Reason.BAD_REQUEST


class Wish(Struct, frozen=True, kw_only=True):
    """What shall be done with the rows."""

    action: str
    clear: bool


def read_wish(fields: Mapping[str, str]) -> Wish | Reason:
    """What the fields beside the rows say."""
    action, clear = fields.get("action") or "create", _TRUTH.get(fields.get("clear_before_upload", ""))
    sound = action == "create" or (action == "delete" and not clear)
    if "numbers" not in fields or clear is None or not sound:
        return Reason.VALUE_INVALID
    return Wish(action=action, clear=clear)
