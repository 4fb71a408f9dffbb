"""One kept connection to a server of others: a request out, its answer in, then the next.

Owns aiohttp's C parser for answers, and the bounds of what is read. Must never send a request before the last one's answer is
whole, nor be used again when anything about that answer was odd.
"""

import asyncio
from typing import Protocol

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from shared.domain.outgoing import Failed, Failure, Reply
from shared.outbound import REPLY_LIMIT_BYTES
from shared.pinging.buyers.exchange import Exchange
from shared.unparsable import PARSER_ERRORS

_FIELD_BYTES = 8190
_MOST_HEADERS = 100
# A head, a body and its chunks' frames: of more nobody can say what it is.
_MOST_BYTES = 4 * REPLY_LIMIT_BYTES


class Keeper(Protocol):
    """Whom a connection belongs to."""

    def free(self, connection: "Connection") -> None:
        """It may be asked again."""

    def gone(self, connection: "Connection") -> None:
        """It has ended."""

    def again(self, exchange: Exchange) -> None:
        """The exchange met a connection that had gone: nothing of an answer came."""


class Connection(BaseProtocol):
    """Carries one exchange at a time. Units: free_since_s as the keeper sets it."""

    __slots__ = (
        "_exchange",
        "_is_used",
        "_keeper",
        "_payload",
        "_received",
        "_status",
        "_stays",
        "free_since_s",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, keeper: Keeper) -> None:
        parser = HttpResponseParser(
            self,
            loop,
            REPLY_LIMIT_BYTES,
            max_line_size=_FIELD_BYTES,
            max_field_size=_FIELD_BYTES,
            max_headers=_MOST_HEADERS,
            read_until_eof=True,
            auto_decompress=False,
        )
        super().__init__(loop, parser)
        self._keeper = keeper
        self._exchange: Exchange | None = None
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._status = 0  # of the answer that is coming; 0 before its head is there
        self._received = 0
        self._stays = True
        self._is_used = False
        self.free_since_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can still be asked."""
        return self.transport is not None and not self.transport.is_closing()

    def ask(self, exchange: Exchange) -> None:
        """Send a request. Shape: the connection is open and free."""
        assert self.transport is not None
        assert self._exchange is None
        self._exchange = exchange
        exchange.carrier = self
        self._status = self._received = 0
        self.transport.write(exchange.data)

    def drop(self, exchange: Exchange) -> None:
        """An answer that nobody waits for may still come, so the connection ends."""
        assert exchange is self._exchange
        self._exchange = None
        self.abort()

    def abort(self) -> None:
        """End it now."""
        if self.transport is not None:
            self.transport.abort()

    def pause_reading(self) -> None:
        """Never: one who sends more than is read here is left."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing was paused."""

    def data_received(self, data: bytes) -> None:
        """Parse; what nobody asked for ends the connection."""
        if self._exchange is None or self._parser is None:
            self.abort()
            return
        self._received += len(data)
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except PARSER_ERRORS:
            self._end(Failed(kind=Failure.PROTOCOL))
            return
        for message, payload in messages:
            self._begin(message, payload)
        if upgraded:
            self._end(Failed(kind=Failure.PROTOCOL))
        elif self._payload.total_bytes > REPLY_LIMIT_BYTES or self._received > _MOST_BYTES:
            self._end(Failed(kind=Failure.TOO_LARGE if self._status else Failure.PROTOCOL))
        elif self._status and self._payload.is_eof():
            self._finish()

    def _begin(self, message: RawResponseMessage, payload: StreamReader) -> None:
        if message.code < 200:  # says that the answer is still to come
            return
        if self._status:  # a second answer to one request
            self._stays = False
            return
        self._status, self._payload = message.code, payload
        self._stays = not message.should_close and not self._paused

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end of a body without a length, of an answer half sent, or of a connection that was kept for too long."""
        super().connection_lost(exc)
        exchange = self._exchange
        if exchange is not None:
            if self._status and exc is None and self._is_whole():
                self._stays = False
                self._finish()
            elif self._is_used and not self._received and exchange.may_repeat:
                self._exchange = exchange.carrier = None
                self._keeper.again(exchange)
            else:
                self._end(Failed(kind=Failure.BROKEN))
        self._parser = None
        self._keeper.gone(self)

    def _is_whole(self) -> bool:
        assert self._parser is not None
        try:
            self._parser.feed_eof()
        except PARSER_ERRORS:
            return False
        return self._payload.is_eof()

    def _finish(self) -> None:
        self._is_used = True
        reply = Reply(status=self._status, body=self._payload.read_nowait())
        exchange, self._exchange = self._exchange, None
        self._payload = EMPTY_PAYLOAD
        assert exchange is not None
        exchange.end(reply)
        if self._stays:
            self._keeper.free(self)
        else:
            self.abort()

    def _end(self, failed: Failed) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        exchange.end(failed)
        self.abort()
