"""The rtb service's endpoints: gather, decide, apply, answer.

Owns the order of the beats. Must never parse a request, judge a candidate or spell a key.
"""

from services.rtb.handlers.confirming import Confirming
from services.rtb.handlers.pinging import Pinging
from services.rtb.rules.nouns import Refused
from services.rtb.wire import AnswerForm, read_confirm, read_ping, read_show, write_outcome, write_refusal
from shared.domain.http import HttpAnswer, HttpRequest
from shared.metrics import PINGS


class Handlers:
    """One method per endpoint."""

    def __init__(self, pinging: Pinging, confirming: Confirming, form: AnswerForm) -> None:
        self._pinging = pinging
        self._confirming = confirming
        self._form = form

    async def ping(self, request: HttpRequest) -> HttpAnswer:
        """Who takes this caller, and for what?"""
        ping = read_ping(request)
        if isinstance(ping, Refused):
            return _counted(write_refusal(ping, request.request_id))
        key_id, outcome = await self._pinging.evaluate(ping, request.client)
        if isinstance(outcome, Refused):
            return _counted(write_refusal(outcome, request.request_id, xml=ping.xml))
        return _counted(
            write_outcome(outcome, self._form, ping=ping, key_id=key_id, request_id=request.request_id)
        )

    async def confirm(self, request: HttpRequest) -> HttpAnswer:
        """The publisher sends the caller: is the place still there?"""
        asked = read_confirm(request)
        if isinstance(asked, Refused):
            return _counted(write_refusal(asked, request.request_id))
        outcome = await self._confirming.confirm(asked, request.client)
        if isinstance(outcome, Refused):
            return _counted(write_refusal(outcome, request.request_id, xml=asked.xml))
        return _counted(write_outcome(outcome, self._form, ping=asked))

    async def show(self, request: HttpRequest) -> HttpAnswer:
        """A reservation, for its own key."""
        asked = read_show(request)
        if isinstance(asked, Refused):
            return write_refusal(asked, request.request_id)
        outcome = await self._confirming.show(asked, request.client)
        if isinstance(outcome, Refused):
            return write_refusal(outcome, request.request_id, xml=asked.xml)
        return write_outcome(outcome, self._form, ping=asked)


def _counted(answer: HttpAnswer) -> HttpAnswer:
    PINGS.add(answer.outcome, answer.reason)
    return answer
