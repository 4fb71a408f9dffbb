"""One connection: bytes in, requests in their order, bytes out.

Owns aiohttp's C parser, the queue of pipelined requests, bodies and the end of a connection. Must never
decide about a request, and never log or echo a byte of one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Protocol

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.tcp_helpers import tcp_keepalive

from shared.errors import BadRequest
from shared.http_faults import PATH_BYTES, broken_body, cut_body, parser_fault, too_slow
from shared.http_limits import Limits
from shared.unparsable import PARSER_ERRORS

_MOST_QUEUED = 32
_MOST_HEADERS = 100
_FIELD_BYTES = 8190
_READ_BYTES = 65536

Asked = tuple[RawRequestMessage, StreamReader]


class Keeper(Protocol):
    """What a connection needs of its listener."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    tick: int

    def opened(self, connection: "Connection") -> None:
        """A connection begins."""

    def gone(self, connection: "Connection") -> None:
        """A connection has ended."""

    def serve(self, connection: "Connection", asked: Asked) -> Awaitable[bool]:
        """Answer one request; whether the connection may stay."""

    def refuse(self, connection: "Connection", fault: BadRequest) -> None:
        """Answer what could not be read."""


class Connection(BaseProtocol):
    """Serves its requests one after another in one task; a sweep of the listener keeps its deadlines."""

    __slots__ = (
        "_body_since",
        "_fault",
        "_head_since",
        "_idle_since",
        "_keeper",
        "_lingers_since",
        "_payload",
        "_queue",
        "_stalled_since",
        "_task",
        "_waiter",
        "ending",
        "not_ascii",
        "peer",
        "trusted",
    )

    def __init__(self, keeper: Keeper) -> None:
        limits = keeper.limits
        parser = HttpRequestParser(
            self,
            keeper.loop,
            _READ_BYTES,
            max_line_size=limits.query_bytes + PATH_BYTES,
            max_field_size=_FIELD_BYTES,
            max_headers=_MOST_HEADERS,
            payload_exception=broken_body,  # type: ignore[arg-type] # a factory does as well as a class
            auto_decompress=False,
            max_msg_queue_size=_MOST_QUEUED,
        )
        super().__init__(keeper.loop, parser)
        self._keeper = keeper
        self._queue: deque[Asked] = deque()
        self._payload: StreamReader = EMPTY_PAYLOAD  # of the request that was parsed last
        self._fault: BadRequest | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.ending = False
        # Since which tick; 0 is off.
        self._head_since = self._body_since = self._stalled_since = self._lingers_since = 0
        self._idle_since = keeper.tick
        self.peer = ""
        self.trusted = False
        self.not_ascii = False

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: its requests are served from now on."""
        super().connection_made(transport)
        assert self.transport is not None
        tcp_keepalive(self.transport)
        peer = self.transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        self._keeper.opened(self)
        self._task = self._loop.create_task(self._run())

    def data_received(self, data: bytes) -> None:
        """Parse; wake the task when a request's head is complete."""
        if self.ending or self._parser is None:
            return
        if not data.isascii():
            self.not_ascii = True
        in_body = self._payload is not EMPTY_PAYLOAD and not self._payload.is_eof()
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except PARSER_ERRORS as error:
            self.fail(parser_fault(error, self._keeper.limits.query_bytes))
            return
        if messages:
            self._head_since = 0
            self._queue.extend(messages)
            self._payload = messages[-1][1]
            if upgraded:  # nothing here speaks another protocol: answer, then close
                self.ending = True
            self._wake()
            if len(self._queue) >= _MOST_QUEUED and not self._buffer_paused:
                self._pause_reading_for_buffer()
        elif data and not self._head_since and not in_body:
            self._head_since = self._keeper.tick

    def eof_received(self) -> bool:
        """The client sends no more; what it has sent is still answered."""
        self.ending = True
        if not self._payload.is_eof():
            self._payload.set_exception(cut_body())
        idle = self._waiter is not None and not self._queue
        self._wake()
        return not idle

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone: a handler at work finishes, what waits behind it is dropped."""
        super().connection_lost(exc)
        self.ending = True
        self._queue.clear()
        if not self._payload.is_eof():
            self._payload.set_exception(cut_body())
        self._parser = None
        self._wake()
        self._keeper.gone(self)

    def pause_writing(self) -> None:
        """The client does not read: the sweep gives it some time."""
        super().pause_writing()
        self._stalled_since = self._keeper.tick

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._stalled_since = 0

    # what the task does

    async def _run(self) -> None:
        queue, keeper = self._queue, self._keeper
        try:
            while True:
                while not queue:
                    if self._fault is not None:
                        keeper.refuse(self, self._fault)
                        return
                    if self.ending:
                        return
                    await self._next()
                asked = queue.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                if self._buffer_paused and len(queue) <= _MOST_QUEUED // 2:
                    self._refill()
                if not await keeper.serve(self, asked):
                    return
        finally:
            self.hang_up()

    async def _next(self) -> None:
        self._idle_since = self._keeper.tick
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _refill(self) -> None:
        self.data_received(b"")
        if len(self._queue) < _MOST_QUEUED:
            self._resume_reading_for_buffer()

    # what the server uses

    @property
    def keeper(self) -> Keeper:
        """Whose tick and limits count here."""
        return self._keeper

    def expect_body(self) -> None:
        """From now on the body in transit has its deadline."""
        self._body_since = self._keeper.tick

    def end_body(self) -> None:
        """No body is waited for."""
        self._body_since = 0

    def send(self, data: bytes) -> None:
        """Write at once; a client that is gone is no fault."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    async def drained(self) -> None:
        """Wait until a client that reads slowly has taken what was written."""
        if self._paused and self.transport is not None:
            try:
                await self._drain_helper()
            except ConnectionError:
                return

    @property
    def writing_is_stuck(self) -> bool:
        """Whether the client takes nothing at the moment."""
        return self._paused

    # its end

    @property
    def busy(self) -> bool:
        """Whether a request is being served or waits to be."""
        return self._waiter is None or bool(self._queue)

    @property
    def idle_ticks(self) -> int:
        """How long nothing has been asked, nor begun to be asked; 0 when busy."""
        return 0 if self.busy or self._head_since else self._keeper.tick - self._idle_since

    def fail(self, fault: BadRequest) -> None:
        """Nothing more can be read: a body in transit fails, else the fault is answered after the queue."""
        self.ending = True
        self._head_since = 0
        if self._payload.is_eof():
            self._fault = fault
            self._wake()
        else:
            self._payload.set_exception(fault)

    def sweep(self) -> None:
        """Keep the deadlines. Cost: a few comparisons, once per tick."""
        tick, limits = self._keeper.tick, self._keeper.limits
        lingers = self._lingers_since and tick - self._lingers_since > limits.linger_ticks
        stalls = self._stalled_since and tick - self._stalled_since > limits.stall_ticks
        if lingers or stalls:
            self.abort()
        elif self._head_since and tick - self._head_since > limits.header_ticks:
            self.fail(too_slow("the headers"))
        elif self._body_since and tick - self._body_since > limits.body_ticks:
            self._body_since = 0
            self.fail(too_slow("the body"))
        elif self.idle_ticks > limits.idle_ticks:
            self.close()

    def close(self) -> None:
        """End an idle connection, or a busy one after what it has been asked."""
        self.ending = True
        self._wake()

    def hang_up(self) -> None:
        """Close; a client that may still be sending is read for a moment, or it would lose the answer."""
        self.ending = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if (self._fault is None and self._payload.is_eof()) or not transport.can_write_eof():
            transport.close()
            return
        self._lingers_since = self._keeper.tick
        transport.write_eof()
        self._resume_transport_reading()

    def abort(self) -> None:
        """End it now: its deadline is over."""
        if self._task is not None:
            self._task.cancel()
        if self.transport is not None:
            self.transport.abort()
