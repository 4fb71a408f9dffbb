"""A server that speaks just enough RESP to be dialled, and then misbehaves as a test tells it to.

Owns faults that a real server does not show on demand. What Redis really does is tested on a real one.
"""

import asyncio
from collections.abc import Callable
from typing import Self

import hiredis

Command = list[bytes]
Handler = Callable[[Command], bytes | None]

_INFO = "redis_version:7.2.4\r\nrun_id:{run_id}\r\nrole:{role}\r\nloading:{loading}\r\naof_enabled:1\r\n"


def bulk(text: str | bytes) -> bytes:
    """A bulk string on the wire."""
    data = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%b\r\n" % (len(data), data)


def echo(command: Command) -> bytes | None:
    """Answers with the command's last word."""
    return bulk(command[-1])


class FakeRedis:
    """One fake server.

    Shape: `answer` maps each command after the handshake to raw bytes, or None for silence; `seen` holds
    those commands in order; `info` is what the next INFO says; a deaf server answers no handshake, and one
    with `words` answers each of its commands with them.
    """

    def __init__(self, answer: Handler = echo) -> None:
        self.answer = answer
        self.seen: list[Command] = []
        self.info = {"run_id": "a" * 40, "role": "master", "loading": "0"}
        self.deaf = False
        self.words: bytes | None = None
        self.dialled = 0
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        while self._talks:
            await asyncio.wait(self._talks)
        await self._server.wait_closed()

    def cut(self, last_words: bytes = b"") -> None:
        """Closes every connection, after a last write."""
        for writer in self._writers:
            writer.write(last_words)
            writer.close()

    async def until_seen(self, count: int) -> None:
        """Waits until so many commands came in all."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)

    async def until_dialled(self, count: int) -> None:
        """Waits until so many connections were made in all."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.dialled >= count)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        self._writers.add(writer)
        try:
            await self._note_dial()
            await self._serve(reader, writer)
        finally:
            self._talks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _note_dial(self) -> None:
        async with self._changed:
            self.dialled += 1
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        while True:
            try:
                data = await reader.read(65536)
            except OSError:
                return
            if not data:
                return
            parser.feed(data)
            while (command := parser.gets()) is not False:
                reply = self._handshake(command)
                if reply is None:
                    self.seen.append(command)
                    reply = self.answer(command)
                if reply:
                    writer.write(reply)
            async with self._changed:
                self._changed.notify_all()

    def _handshake(self, command: Command) -> bytes | None:
        if self.deaf or self.words is not None:
            return self.words or b""
        match command[0].upper(), command[1:2]:
            case ((b"CLIENT" | b"SCRIPT" | b"AUTH" | b"SELECT"), _):
                return b"+OK\r\n"
            case b"INFO", _:
                return bulk(_INFO.format(**self.info))
            case b"CONFIG", _:
                return b"*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n"
        return None
