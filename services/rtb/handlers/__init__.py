"""The rtb service's endpoints beside the ping's: gather, decide, apply, answer.

Owns the order of the beats. Must never parse a request or spell a key.
"""

from services.rtb.handlers.confirming import Act, Confirming
from services.rtb.rules.nouns import Confirm
from services.rtb.wire import read_confirm, read_show
from shared.domain.http import HttpAnswer, HttpRequest
from shared.metrics import PINGS
from shared.pinging.rules.nouns import Refused
from shared.pinging.wire import AnswerForm, write_outcome, write_refusal


class Handlers:
    """One method per endpoint."""

    def __init__(self, confirming: Confirming, *, form: AnswerForm) -> None:
        self._confirming = confirming
        self._form = form

    async def confirm(self, request: HttpRequest) -> HttpAnswer:
        """The publisher sends the caller: is the place still there?"""
        answer = await self._answer(request, read_confirm(request), act=self._confirming.confirm)
        PINGS.add(answer.outcome, answer.reason)
        return answer

    async def show(self, request: HttpRequest) -> HttpAnswer:
        """A reservation, for its own key."""
        return await self._answer(request, read_show(request), act=self._confirming.show)

    async def _answer(self, request: HttpRequest, asked: Confirm | Refused, *, act: Act) -> HttpAnswer:
        if isinstance(asked, Refused):
            return write_refusal(asked, request.request_id)
        key_id, outcome = await act(asked, request.client)
        if isinstance(outcome, Refused):
            return write_refusal(outcome, request.request_id, xml=asked.xml, key_id=key_id)
        return write_outcome(outcome, self._form, xml=asked.xml, key_id=key_id)
