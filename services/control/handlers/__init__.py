"""The control service's endpoints: read, act, answer.

Owns the order of the beats. Must never parse a request, judge a call or spell a query.
"""

from services.control.handlers.rejecting import Rejecting
from services.control.rules.nouns import Refused
from services.control.wire.rejecting import read_reject, write_not_rejected, write_rejected
from shared.domain.http import HttpAnswer, HttpRequest
from shared.metrics import CALLS_REJECTED


class Handlers:
    """One method per endpoint."""

    def __init__(self, rejecting: Rejecting) -> None:
        self._rejecting = rejecting

    async def reject(self, request: HttpRequest) -> HttpAnswer:
        """A buyer hands its caller back."""
        asked = read_reject(request)
        outcome = asked if isinstance(asked, Refused) else await self._rejecting.reject(asked, request.client)
        answer = write_not_rejected(outcome) if isinstance(outcome, Refused) else write_rejected(outcome)
        CALLS_REJECTED.add(answer.outcome, answer.reason)
        return answer
