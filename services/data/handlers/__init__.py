"""The data service's endpoints: read, act, answer.

Owns the order of the beats. Must never parse a request, judge a call or spell a query.
"""

from services.data.handlers.posting import Posting
from services.data.handlers.reading import Reading
from services.data.handlers.writing import Writing
from services.data.rules.nouns import Refused
from services.data.wire.answers import (
    write_converted,
    write_failed,
    write_preflight,
    write_read_out,
    write_refusal,
    write_written,
)
from services.data.wire.requests import read_post, read_read, read_write
from shared.domain.http import HttpAnswer, HttpRequest


class Handlers:
    """One method per endpoint."""

    def __init__(self, writing: Writing, reading: Reading, *, posting: Posting) -> None:
        self._writing = writing
        self._reading = reading
        self._posting = posting

    async def write(self, request: HttpRequest) -> HttpAnswer:
        """Tags for a call."""
        asked = read_write(request)
        outcome = asked if isinstance(asked, Refused) else await self._writing.write(asked, request.client)
        if isinstance(outcome, Refused):
            return write_refusal(outcome, request.request_id)
        return write_written(outcome)

    async def read(self, request: HttpRequest) -> HttpAnswer:
        """Tags of a call."""
        asked = read_read(request)
        outcome = asked if isinstance(asked, Refused) else await self._reading.read(asked, request.client)
        if isinstance(outcome, Refused):
            return write_refusal(outcome, request.request_id)
        return write_read_out(outcome)

    async def post(self, request: HttpRequest) -> HttpAnswer:
        """What a call was worth."""
        asked = read_post(request)
        outcome = asked if isinstance(asked, Refused) else await self._posting.post(asked, request.client)
        return write_failed(outcome) if isinstance(outcome, Refused) else write_converted(outcome)

    async def preflight(self, _request: HttpRequest) -> HttpAnswer:
        """A browser asks whether it may."""
        return write_preflight()
