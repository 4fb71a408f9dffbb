"""The endpoint of pings: gather, decide, apply, answer.

Owns the order of the beats. Must never parse a request, judge a candidate or spell a key.
"""

from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.reasons import Reason
from shared.errors import Unavailable
from shared.metrics import PINGS
from shared.pinging.handlers.pinging import Pinging
from shared.pinging.rules.nouns import Refused
from shared.pinging.wire import AnswerForm, Headers, read_ping, with_headers, write_outcome, write_refusal


class Pings:
    """Who takes this caller, and for what? headers: what every answer says besides."""

    def __init__(self, pinging: Pinging, *, form: AnswerForm, headers: Headers = ()) -> None:
        self._pinging = pinging
        self._form = form
        self._headers = headers

    async def ping(self, request: HttpRequest) -> HttpAnswer:
        """One ping, answered and counted."""
        ping = read_ping(request)
        if isinstance(ping, Refused):
            return self._counted(write_refusal(ping, request.request_id))
        try:
            key_id, outcome = await self._pinging.evaluate(ping, request.client)
        except Unavailable:
            PINGS.add("unavailable", Reason.UNAVAILABLE)
            raise
        if isinstance(outcome, Refused):
            answer = write_refusal(outcome, request.request_id, xml=ping.xml, key_id=key_id)
        else:
            answer = write_outcome(outcome, self._form, xml=ping.xml, key_id=key_id, caller=ping.caller)
        return self._counted(answer)

    def _counted(self, answer: HttpAnswer) -> HttpAnswer:
        PINGS.add(answer.outcome, answer.reason)
        return with_headers(answer, self._headers) if self._headers else answer
