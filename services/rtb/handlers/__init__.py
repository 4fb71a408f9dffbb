"""The rtb service's endpoints: gather, decide, apply, answer.

Owns the order of the beats. Must never parse a request, judge a candidate or spell a key.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.rtb.handlers.confirming import Confirming
from services.rtb.handlers.pinging import Pinging
from services.rtb.rules.nouns import Confirm, Outcome, Ping, Refused
from services.rtb.wire import AnswerForm, read_confirm, read_ping, read_show, write_outcome, write_refusal
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.reasons import Reason
from shared.errors import Unavailable
from shared.metrics import PINGS

A = TypeVar("A", Ping, Confirm)
Act = Callable[[A, str], Awaitable[tuple[int, Outcome | Refused]]]


class Handlers:
    """One method per endpoint."""

    def __init__(self, pinging: Pinging, confirming: Confirming, *, form: AnswerForm) -> None:
        self._pinging = pinging
        self._confirming = confirming
        self._form = form

    async def ping(self, request: HttpRequest) -> HttpAnswer:
        """Who takes this caller, and for what?"""
        try:
            return _counted(await self._answer(request, read_ping(request), act=self._pinging.evaluate))
        except Unavailable:
            PINGS.add("unavailable", Reason.UNAVAILABLE)
            raise

    async def confirm(self, request: HttpRequest) -> HttpAnswer:
        """The publisher sends the caller: is the place still there?"""
        return _counted(await self._answer(request, read_confirm(request), act=self._confirming.confirm))

    async def show(self, request: HttpRequest) -> HttpAnswer:
        """A reservation, for its own key."""
        return await self._answer(request, read_show(request), act=self._confirming.show)

    async def _answer(self, request: HttpRequest, asked: A | Refused, *, act: Act[A]) -> HttpAnswer:
        if isinstance(asked, Refused):
            return write_refusal(asked, request.request_id)
        key_id, outcome = await act(asked, request.client)
        if isinstance(outcome, Refused):
            return write_refusal(outcome, request.request_id, xml=asked.xml, key_id=key_id)
        return write_outcome(outcome, self._form, ping=asked, key_id=key_id)


def _counted(answer: HttpAnswer) -> HttpAnswer:
    PINGS.add(answer.outcome, answer.reason)
    return answer
