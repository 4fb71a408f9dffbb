"""One connection to one Redis server: the batcher.

Owns the order of replies, the bound on what waits, and the two deadlines. Must never send a command twice,
never wait for a lock or a buffer, and never know what a command means.

All commands of one tick of the event loop, or 32, leave in one write. Replies are matched by order alone,
so a slot stays in the line until its reply came, whether or not somebody still waits for it.
"""

import asyncio
from collections import deque
from itertools import islice
from typing import Any

import hiredis
from msgspec import Struct

from shared.errors import Overloaded, Unavailable
from shared.stores.redis_faults import GONE, LATE, ReplyError

BATCH = 32
_TICK_S = 0.005
_STANDSTILL_S = 0.02


class Limits(Struct, frozen=True, kw_only=True):
    """How long a reply is waited for, and how many may be outstanding on one link.

    A call older than deadline_ms fails alone; a link on which calls wait and nothing at all came for
    silence_ms is closed. Jobs that move much data at once may wait longer than a ping does.
    """

    deadline_ms: int = 80
    silence_ms: int = 250
    waiting: int = 512


class Counts:
    """What one node's links did since the process started."""

    __slots__ = ("calls", "late", "overloaded", "reconnects", "writes")

    def __init__(self) -> None:
        self.calls = 0
        self.writes = 0
        self.late = 0
        self.overloaded = 0
        self.reconnects = 0


class Link(asyncio.Protocol):
    """A connection's one life: from the handshake's end until it is lost.

    Errors: `send` raises Unavailable when the link is lost, Overloaded when it is full; nothing was sent.
    """

    def __init__(self, limits: Limits, counts: Counts) -> None:
        self.lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._counts = counts
        self._room = 0
        self._slots: deque[asyncio.Future[Any]] = deque()
        self._queue: list[bytes] = []
        self._reader = hiredis.Reader(replyError=ReplyError)
        self._transport: asyncio.WriteTransport | None = None
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._marks: deque[tuple[float, int]] = deque()
        self._ticked = self._heard_at = 0.0
        self._stood_s = 0.0
        self._heard = False

    @property
    def live(self) -> bool:
        """Whether calls are taken now."""
        return self._room > 0

    def take(self, transport: asyncio.WriteTransport) -> None:
        """Takes over a transport on which the handshake is done."""
        self._transport = transport
        self._room = self._limits.waiting
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=0)  # uvloop would keep writes back until the tick's end

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """Queues one packed command.

        Shape: the future's value is the reply or a ReplyError; it never raises, so nobody need look at it.
        """
        slots = self._slots
        if len(slots) >= self._room:
            self._refuse()
        future = self._loop.create_future()
        slots.append(future)
        queue = self._queue
        queue.append(packed)
        if len(queue) == 1:
            self._loop.call_soon(self._flush)
        elif len(queue) == BATCH:
            self._flush()
        return future

    def send_all(self, packed: list[bytes]) -> list[asyncio.Future[Any]]:
        """Queues several commands in order: all of them or none."""
        if len(self._slots) + len(packed) > self._room:
            self._refuse()
        return [self.send(command) for command in packed]

    def drop(self) -> None:
        """Gives the connection up: everything that waits fails now."""
        self._fail_all()
        if self._transport:
            self._transport.abort()
        else:
            self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Hands replies to their slots, in order."""
        slots = self._slots
        self._heard = True
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                future = slots.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.HiredisError, IndexError):  # no RESP, or a reply that nobody asked for
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails everything that waits and tells the node."""
        self._fail_all()
        self.lost.set()

    def _refuse(self) -> None:
        if not self._room:
            raise Unavailable("redis")
        self._counts.overloaded += 1
        raise Overloaded("redis")

    def _flush(self) -> None:
        queue = self._queue
        if not queue or self._transport is None:
            return
        self._transport.write(b"".join(queue))
        self._sent += len(queue)
        self._counts.calls += len(queue)
        self._counts.writes += 1
        queue.clear()
        if self._timer is None:
            self._ticked = self._loop.time()
            self._heard_at = self._ticked - self._stood_s
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _fail_all(self) -> None:
        self._room = 0
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        while self._slots:
            future = self._slots.popleft()
            if not future.done():
                future.set_result(GONE)

    def _tick(self) -> None:
        """The one watchdog. Marks say how much had been sent when, so no call needs a timer or a stamp."""
        self._timer = None
        if not self._slots:
            self._marks.clear()
            return
        now = self._link_time()
        if self._heard:
            self._heard, self._heard_at = False, now
        self._fail_late(now - self._limits.deadline_ms / 1000)
        if now - self._heard_at >= self._limits.silence_ms / 1000:
            self.drop()
            return
        self._marks.append((now, self._sent))
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _link_time(self) -> float:
        """Time without our own standstills: while the loop stood still, replies lay unread."""
        now = self._loop.time()
        held_up_s = now - self._ticked - _TICK_S
        if held_up_s > _STANDSTILL_S:
            self._stood_s += held_up_s
        self._ticked = now
        return now - self._stood_s

    def _fail_late(self, since: float) -> None:
        marks = self._marks
        sent = 0
        while marks and marks[0][0] <= since:
            sent = marks.popleft()[1]
        answered = self._sent + len(self._queue) - len(self._slots)
        for future in islice(self._slots, max(0, sent - answered)):
            if not future.done():
                self._counts.late += 1
                future.set_result(LATE)
