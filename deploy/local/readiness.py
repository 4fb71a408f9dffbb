"""Hearing from workers that they are ready.

Owns the datagram socket that they tell it on (systemd's notify protocol). Must never believe a process that
nobody waits for.
"""

import asyncio
import re
import socket
import tempfile
from contextlib import closing
from pathlib import Path

_MESSAGE = re.compile(rb"^READY=1$.*^MAINPID=(\d+)$", re.MULTILINE | re.DOTALL)
_LONGEST_MESSAGE = 4096
_ANSWER_WITHIN_S = 2.0


class Readiness:
    """Who has said READY=1."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ringpost-"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._folder / "ready"))
        self._waiting: dict[int, asyncio.Event] = {}

    @property
    def address(self) -> str:
        """What workers find in NOTIFY_SOCKET."""
        return str(self._folder / "ready")

    def open(self) -> None:
        """Listen on the running loop."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        (self._folder / "ready").unlink(missing_ok=True)
        self._folder.rmdir()

    def expect(self, pid: int) -> asyncio.Event:
        """An event that is set when that process says it is ready."""
        return self._waiting.setdefault(pid, asyncio.Event())

    def forget(self, pid: int) -> None:
        """That process has ended."""
        self._waiting.pop(pid, None)

    def _read(self) -> None:
        match = _MESSAGE.search(self._socket.recv(_LONGEST_MESSAGE))
        if match is not None and (event := self._waiting.get(int(match[1]))) is not None:
            event.set()


async def answers_ready(ops: socket.socket) -> bool:
    """Whether whoever answers on that listening socket's port says 200 to /readyz."""
    host, port = ops.getsockname()[:2]
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            with closing(writer):
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
    except (OSError, TimeoutError):
        return False
