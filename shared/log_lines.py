"""Request lines: one per request, too many for structlog.

Owns their one shape, the same names and redaction as every other line. Must never hold a token, a secret or a
full number longer than the call of `write`.
"""

import asyncio
import sys
from datetime import datetime
from typing import BinaryIO

from msgspec import Struct
from msgspec.json import Encoder

_ENCODER = Encoder()
_FLUSH_S = 0.1


class RequestLine(
    Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="event", tag="request"
):
    """What is said of one request. Shape: caller is masked already; route is a template, never a path."""

    time: datetime
    level: str
    service: str
    request_id: str
    route: str
    method: str
    status: int
    duration_ms: float
    trace_id: str = ""
    key_id: int = 0
    outcome: str = ""
    reason: str = ""
    caller: str = ""


class RequestLog:
    """A bounded list of lines, written together each 100 ms; what does not fit is dropped and counted."""

    def __init__(
        self,
        *,
        stream: BinaryIO | None = None,
        as_text: bool = False,
        enabled: bool = True,
        bound: int = 20_000,
    ) -> None:
        self.enabled = enabled
        self._stream = stream or sys.stdout.buffer
        self._as_text = as_text
        self._bound = bound
        self._lines: list[RequestLine] = []
        self._dropped = 0

    def write(self, line: RequestLine) -> None:
        """Keep the line for the next flush. Cost: a list append."""
        if len(self._lines) < self._bound:
            self._lines.append(line)
        else:
            self._dropped += 1

    def take_dropped(self) -> int:
        """How many lines were dropped since the last time."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    async def run(self) -> None:
        """Write what was kept, each 100 ms, in a thread: a log reader that stalls must not stall requests."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            if self._lines:
                await asyncio.to_thread(self._write_out, self._take())

    def close(self) -> None:
        """Write the last lines."""
        if self._lines:
            self._write_out(self._take())

    def _take(self) -> bytes:
        lines, self._lines = self._lines, []
        return b"".join(map(_text, lines)) if self._as_text else _ENCODER.encode_lines(lines)

    def _write_out(self, data: bytes) -> None:
        self._stream.write(data)
        self._stream.flush()


def _text(line: RequestLine) -> bytes:
    said = [line.outcome, line.reason, line.caller, f"key={line.key_id}" if line.key_id else ""]
    head = f"{line.time:%H:%M:%S}.{line.time.microsecond // 1000:03d} {line.service:<8} {line.level:<7} "
    what = f"{line.method} {line.route} {line.status} {line.duration_ms:.1f}ms "
    return (head + what + " ".join(filter(None, said)) + f" id={line.request_id}\n").encode()
