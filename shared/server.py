"""One port: finds the endpoint, keeps the limits, bounds every error, writes the answer, counts and logs it.

Owns the only `except Exception` of the code base. Must never let an exception's text, a path, a header or a
body into a log line or an answer.
"""

from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from time import perf_counter

from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from msgspec import Struct

from shared.domain.http import Fault, HttpAnswer, HttpRequest
from shared.domain.phone import mask
from shared.domain.reasons import Reason
from shared.domain.refusals import write_error
from shared.domain.trace_context import trace_id_of
from shared.errors import BadRequest, Overloaded, Unavailable
from shared.http_answers import CLOSE, HSTS, KEEP, KEEP_10, AnswerWriter
from shared.http_bodies import insist_on_plain, read_body, read_pieces
from shared.http_connection import Asked, Connection
from shared.http_origin import Proxies, RequestIds, came_by_https
from shared.http_routes import Entry, PathTable, Route
from shared.log_lines import RequestLine, RequestLog
from shared.logs import get_logger
from shared.metrics import REQUESTS_REFUSED_EARLY
from shared.redaction import exception_shape
from shared.settings import Network
from shared.tallies import OTHER

_LOG = get_logger()
_VERSIONS = (HttpVersion11, HttpVersion10)


class Rules(Struct, frozen=True, kw_only=True):
    """What a port insists on. Shape: an in_flight_limit of 0 is none."""

    trusted_proxies: tuple[Network, ...] = ()
    require_https: bool = False
    in_flight_limit: int = 0
    body_limit_bytes: int = 65536
    query_limit_bytes: int = 8192


class Server:
    """Serves the requests of all connections of one port."""

    def __init__(self, *, service: str, routes: tuple[Route, ...], rules: Rules, log: RequestLog) -> None:
        self.in_flight = 0
        self.draining = False
        self._service = service
        self._rules = rules
        self._log = log
        self._table = PathTable(routes)
        self._nowhere = Entry(Route(methods=(), template="(none)", endpoint=_nothing), OTHER)
        self._malformed = Entry(Route(methods=(), template="(malformed)", endpoint=_nothing), OTHER)
        self._ids = RequestIds()
        self._proxies = Proxies(rules.trusted_proxies)
        self._writer = AnswerWriter(extra=(HSTS,) if rules.require_https else ())

    # what the listener calls

    def tick(self, now_s: float) -> None:
        """A new second has begun."""
        self._writer.tick(now_s)

    def fold(self) -> None:
        """Hand the counts of all routes on, before the metrics are folded."""
        for entry in (*self._table.entries, self._nowhere, self._malformed):
            entry.meter.fold()

    def greet(self, connection: Connection) -> None:
        """Decide once per connection whether its peer is believed."""
        connection.trusted = self._proxies.trusts(connection.peer)

    def refuse(self, connection: Connection, fault: BadRequest) -> None:
        """Answer what was no HTTP request; nothing of it is looked at."""
        started = perf_counter()
        request_id = self._ids.make()
        answer = self._fault(fault, self._malformed, request_id=request_id)
        connection.send(self._writer.render(answer, request_id, connection=CLOSE, head_only=False))
        self._account(self._malformed, answer, started=started, request_id=request_id, message=None)

    async def serve(self, connection: Connection, asked: Asked) -> bool:
        """One request from its head to its written answer; whether the connection may stay.

        Errors: none but CancelledError; whatever an endpoint raises becomes an answer.
        """
        started = perf_counter()
        message, payload = asked
        given = message.headers.get("X-Request-Id")
        request_id = self._ids.make() if given is None else self._ids.take(given)
        entry = self._nowhere
        try:
            path, _, query = message.path.partition("?")
            if path[:1] != "/":
                path, query = _absolute(message)
            self._insist(connection, message, query=query)
            entry, params = self._find(path, message)
            body = b"" if payload is EMPTY_PAYLOAD else await self._body(connection, asked, entry=entry)
            request = HttpRequest(
                method=message.method,
                path=path,
                query=query,
                headers=message.headers,
                body=body,
                client=self._client(connection, message),
                params=params,
                request_id=request_id,
            )
            self.in_flight += 1
            try:
                if entry.endpoint is not None:
                    answer = await entry.endpoint(request)
                else:
                    answer = await self._stream(entry, request, connection=connection, asked=asked)
            finally:
                self.in_flight -= 1
            data, stays = self._render(answer, request_id, connection=connection, asked=asked)
        except Exception as error:
            answer = self._fault(error, entry, request_id=request_id)
            data, stays = self._render(answer, request_id, connection=connection, asked=asked)
        connection.send(data)
        self._account(entry, answer, started=started, request_id=request_id, message=message)
        if connection.writing_is_stuck:
            await connection.drained()
        return stays

    # gather

    def _insist(self, connection: Connection, message: RawRequestMessage, *, query: str) -> None:
        """What every request must be, whatever it asks for. Errors: BadRequest, Overloaded."""
        rules = self._rules
        if message.version not in _VERSIONS:
            raise BadRequest(400, Reason.BAD_REQUEST, text="HTTP/1.0 and HTTP/1.1 are understood")
        if connection.not_ascii:
            _insist_on_utf8(message)
        if len(query) > rules.query_limit_bytes:
            raise BadRequest(414, Reason.TOO_LARGE, text="the query is too long")
        if rules.require_https and not (connection.trusted and came_by_https(message.headers)):
            raise BadRequest(403, Reason.HTTPS_REQUIRED, text="https is required")
        if 0 < rules.in_flight_limit <= self.in_flight:
            REQUESTS_REFUSED_EARLY.add()
            raise Overloaded("capacity")

    def _find(self, path: str, message: RawRequestMessage) -> tuple[Entry, Mapping[str, str]]:
        found = self._table.find(path)
        if found is None:
            raise BadRequest(404, Reason.NOT_FOUND, text="there is nothing here")
        methods, params = found
        entry = methods.get(message.method)
        if entry is None:
            allowed = ("Allow", ", ".join(sorted(methods)))
            raise BadRequest(
                405, Reason.METHOD_NOT_ALLOWED, text="this method is not allowed", headers=(allowed,)
            )
        return entry, params

    def _client(self, connection: Connection, message: RawRequestMessage) -> str:
        if connection.trusted:
            return self._proxies.client_of(message.headers, connection.peer)
        return connection.peer

    async def _body(self, connection: Connection, asked: Asked, *, entry: Entry) -> bytes:
        """The whole body; nothing yet for an endpoint that takes it in pieces."""
        insist_on_plain(asked[0])
        if entry.endpoint is None:
            return b""
        limit = entry.limit or self._rules.body_limit_bytes
        return await read_body(connection, asked, limit=limit)

    async def _stream(
        self, entry: Entry, request: HttpRequest, *, connection: Connection, asked: Asked
    ) -> HttpAnswer:
        """The answer of an endpoint that takes its body in pieces, whether or not it takes all of them."""
        assert entry.route.stream is not None
        limit = entry.limit or self._rules.body_limit_bytes
        async with aclosing(read_pieces(connection, asked, limit=limit, upload=True)) as pieces:
            return await entry.route.stream(request, pieces)

    # answer

    def _render(
        self, answer: HttpAnswer, request_id: str, *, connection: Connection, asked: Asked
    ) -> tuple[bytes, bool]:
        message, payload = asked
        stays = not (message.should_close or self.draining or connection.ending)
        if payload is not EMPTY_PAYLOAD and not payload.is_eof():
            stays = False  # its rest would be read as the next request
        kind = CLOSE if not stays else KEEP_10 if message.version == HttpVersion10 else KEEP
        head_only = message.method == "HEAD"
        return self._writer.render(answer, request_id, connection=kind, head_only=head_only), stays

    def _fault(self, error: Exception, entry: Entry, *, request_id: str) -> HttpAnswer:
        """The answer to what went wrong; only its kind is told, to the client and to the log alike."""
        if isinstance(error, BadRequest):
            fault = Fault(
                status=error.status,
                reason=error.reason,
                text=error.text,
                request_id=request_id,
                headers=error.headers,
            )
        elif isinstance(error, Unavailable):
            early = isinstance(error, Overloaded)
            fault = Fault(
                status=503,
                reason=Reason.OVERLOADED if early else Reason.UNAVAILABLE,
                text="too many requests at the moment" if early else "not available at the moment",
                request_id=request_id,
                retry_after_s=error.retry_after_s,
            )
        else:
            _LOG.error("fault", route=entry.template, request_id=request_id, **exception_shape(error))
            text = "something went wrong here"
            fault = Fault(status=500, reason=Reason.FAULT, text=text, request_id=request_id)
        return (entry.route.write_fault or write_error)(fault)

    def _account(
        self,
        entry: Entry,
        answer: HttpAnswer,
        *,
        started: float,
        request_id: str,
        message: RawRequestMessage | None,
    ) -> None:
        seconds = perf_counter() - started
        entry.meter.count(answer.status, seconds)
        if self._log.enabled:
            traceparent = message.headers.get("traceparent") if message is not None else None
            self._log.write(
                RequestLine(
                    time=datetime.now(UTC),
                    level="info" if answer.status < 500 else "error",
                    service=self._service,
                    request_id=request_id,
                    route=entry.template,
                    method=message.method if message is not None else "",
                    status=answer.status,
                    duration_ms=round(seconds * 1000, 3),
                    trace_id=trace_id_of(traceparent) if traceparent else "",
                    key_id=answer.key_id,
                    outcome=answer.outcome,
                    reason=answer.reason,
                    caller=mask(answer.caller) if answer.caller else "",
                )
            )


async def _nothing(_request: HttpRequest) -> HttpAnswer:
    raise AssertionError("no path leads here")


def _absolute(message: RawRequestMessage) -> tuple[str, str]:
    """Path and query of the other forms of a target: an absolute URL, or something that names no path."""
    if not message.url.absolute or message.method == "CONNECT":
        raise BadRequest(400, Reason.BAD_REQUEST, text="the request must name a path")
    return message.url.raw_path, message.url.raw_query_string


def _insist_on_utf8(message: RawRequestMessage) -> None:
    """Bytes that are no UTF-8 stand in the parser's texts as surrogates, which no endpoint could encode."""
    try:
        message.path.encode()
        for value in message.headers.values():
            value.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(400, Reason.BAD_REQUEST, text="only UTF-8 is understood") from error
