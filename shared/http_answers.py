"""How an answer becomes bytes: one head rendered once, one write.

Owns heads and the Date header. Must never be given what a client sent, but a request id
that has been checked.
"""

import re
from email.utils import formatdate
from http import HTTPStatus

from shared.domain.http import HttpAnswer

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTHS = tuple(str(length).encode() for length in range(4096))
_MOST_HEADS = 512
_NO_BODY = frozenset({204, 304})
HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")

KEEP = 0  # HTTP/1.1: the connection stays
CLOSE = 1
KEEP_10 = 2  # HTTP/1.0, where staying must be said
_CONNECTION = {KEEP: "", CLOSE: "Connection: close\r\n", KEEP_10: "Connection: keep-alive\r\n"}


class AnswerWriter:
    """Renders answers; heads are kept until the second, and with it the Date, changes."""

    def __init__(self, *, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self._extra = extra
        self._heads: dict[tuple[int, str, tuple[tuple[str, str], ...], int], bytes] = {}
        self._date = ""

    def tick(self, now_s: float) -> None:
        """A new second: heads carry the new Date."""
        self._date = formatdate(now_s, usegmt=True)
        self._heads.clear()

    def render(self, answer: HttpAnswer, request_id: str, *, connection: int, head_only: bool) -> bytes:
        """Head and body in one piece.

        Errors: ValueError when a header of the answer holds control characters.
        Cost: a dict lookup and a join; a head is written once a second.
        """
        key = (answer.status, answer.content_type, answer.headers, connection)
        head = self._heads.get(key)
        if head is None:
            head = self._head(answer, connection)
            if len(self._heads) < _MOST_HEADS:
                self._heads[key] = head
        body = answer.body
        if answer.status in _NO_BODY:
            return b"".join((head, request_id.encode(), b"\r\n\r\n"))
        size = len(body)
        length = _LENGTHS[size] if size < 4096 else str(size).encode()
        end = (b"\r\n\r\n",) if head_only else (b"\r\n\r\n", body)
        return b"".join((head, request_id.encode(), b"\r\nContent-Length: ", length, *end))

    def _head(self, answer: HttpAnswer, connection: int) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}"]
        if answer.status not in _NO_BODY:
            lines.append(f"Content-Type: {answer.content_type}")
        lines += [f"{name}: {value}" for name, value in (*answer.headers, *self._extra)]
        for line in lines:
            if _CONTROL.search(line):
                raise ValueError("control character in a header")
        lines.append(f"Date: {self._date}")
        return ("\r\n".join(lines) + f"\r\n{_CONNECTION[connection]}X-Request-Id: ").encode()
