"""The data service's endpoints: read, act, answer.

Owns the order of the beats, and how often one is tried. Must never parse a request, judge a call or spell a query.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.data.handlers.desk import Overtaken, Try
from services.data.handlers.posting import Posting
from services.data.handlers.reading import Reading
from services.data.handlers.writing import Writing
from services.data.rules.nouns import Converted, Post, Read, ReadOut, Refused, Write, Written
from services.data.wire.answers import (
    write_converted,
    write_failed,
    write_preflight,
    write_read_out,
    write_refusal,
    write_written,
)
from services.data.wire.requests import read_post, read_read, read_write
from shared.domain.calls import Call
from shared.domain.http import HttpAnswer, HttpRequest
from shared.errors import Unavailable
from shared.metrics import CONVERSIONS, DATA_READS, DATA_WRITES
from shared.stores.call_access import Access, OwnAccess
from shared.stores.call_turns import Turns
from shared.stores.keyring import Again

A = TypeVar("A", Write, Read, Post)
B = TypeVar("B", Written, ReadOut, Converted)
Act = Callable[[A, Try], Awaitable[B | Refused | Again]]
_TRIES = 12
_HURRIED = 3  # so many that wait for nobody; then in turn


class Handlers:
    """One method per endpoint."""

    def __init__(
        self, writing: Writing, reading: Reading, *, posting: Posting, turns: Turns, access: Access
    ) -> None:
        self._access = access
        self._turns = turns
        self._writing = writing
        self._reading = reading
        self._posting = posting

    async def write(self, request: HttpRequest) -> HttpAnswer:
        """Tags for a call."""
        outcome = await self._settled(read_write(request), request.client, act=self._writing.write)
        answer = _open(outcome, request, write=write_written)
        DATA_WRITES.add(answer.outcome)
        return answer

    async def read(self, request: HttpRequest) -> HttpAnswer:
        """Tags of a call."""
        outcome = await self._settled(read_read(request), request.client, act=self._reading.read)
        answer = _open(outcome, request, write=write_read_out)
        DATA_READS.add(answer.outcome)
        return answer

    async def post(self, request: HttpRequest) -> HttpAnswer:
        """What a call was worth."""
        outcome = await self._settled(read_post(request), request.client, act=self._posting.post)
        answer = write_failed(outcome) if isinstance(outcome, Refused) else write_converted(outcome)
        CONVERSIONS.add(answer.outcome, answer.reason)
        return answer

    async def preflight(self, _request: HttpRequest) -> HttpAnswer:
        """A browser asks whether it may."""
        return write_preflight()

    async def _settled(self, asked: A | Refused, client: str, *, act: Act[A, B]) -> B | Refused:
        """What an act comes to once nothing came in between. Errors: Unavailable when something always does."""
        if isinstance(asked, Refused):
            return asked
        call: Call | None = None
        for number in range(_TRIES):
            if call is None or number < _HURRIED:
                outcome = await act(asked, Try(client=client, access=self._access))
            else:
                async with self._turns.take(call) as connection:
                    outcome = await act(asked, Try(client=client, access=OwnAccess(connection)))
            if not isinstance(outcome, Again):
                return outcome
            call = outcome.call if isinstance(outcome, Overtaken) else call
        raise Unavailable("call")


def _open(outcome: B | Refused, request: HttpRequest, *, write: Callable[[B], HttpAnswer]) -> HttpAnswer:
    return write_refusal(outcome, request.request_id) if isinstance(outcome, Refused) else write(outcome)
