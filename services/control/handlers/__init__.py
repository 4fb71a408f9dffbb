"""The control service's endpoints: read, act, answer.

Owns the order of the beats. Must never parse a request, judge a call or spell a query.
"""

from services.control.handlers.rejecting import Rejecting
from services.control.handlers.transferring import Transferring
from services.control.rules.nouns import Refused
from services.control.wire.rejecting import read_reject, write_not_rejected, write_rejected
from services.control.wire.transferring import (
    read_handing,
    read_on_transfer,
    read_transfer,
    wants_json,
    write_active,
    write_desk,
    write_failed,
    write_handed_on,
    write_no_success,
    write_success,
)
from shared.domain.http import HttpAnswer, HttpRequest
from shared.metrics import CALL_TRANSFERS, CALLS_REJECTED


class Handlers:
    """One method per endpoint."""

    def __init__(self, rejecting: Rejecting, transferring: Transferring) -> None:
        self._rejecting = rejecting
        self._transferring = transferring

    async def reject(self, request: HttpRequest) -> HttpAnswer:
        """A buyer hands its caller back."""
        asked = read_reject(request)
        outcome = asked if isinstance(asked, Refused) else await self._rejecting.reject(asked, request.client)
        answer = write_not_rejected(outcome) if isinstance(outcome, Refused) else write_rejected(outcome)
        CALLS_REJECTED.add(answer.outcome, answer.reason)
        return answer

    async def view(self, request: HttpRequest) -> HttpAnswer:
        """A buyer looks at its caller, and at whom it may hand it on to."""
        asked = read_handing(request)
        seen = asked if isinstance(asked, Refused) else await self._transferring.view(asked, request.client)
        return (
            write_failed(seen) if isinstance(seen, Refused) else write_desk(seen, as_json=wants_json(request))
        )

    async def hand_on(self, request: HttpRequest) -> HttpAnswer:
        """A buyer hands its caller on."""
        asked = read_handing(request)
        done = asked if isinstance(asked, Refused) else await self._transferring.start(asked, request.client)
        return _counted(write_failed(done) if isinstance(done, Refused) else write_handed_on(done))

    async def transfer(self, request: HttpRequest) -> HttpAnswer:
        """The same by Call Control."""
        asked = read_transfer(request)
        done = asked if isinstance(asked, Refused) else await self._transferring.start(asked, request.client)
        return _counted(write_no_success(done) if isinstance(done, Refused) else write_success(done))

    async def confer(self, request: HttpRequest) -> HttpAnswer:
        """A held caller joins."""
        asked = read_on_transfer(request)
        done = asked if isinstance(asked, Refused) else await self._transferring.confer(asked, request.client)
        return write_no_success(done) if isinstance(done, Refused) else write_success(done)

    async def cancel(self, request: HttpRequest) -> HttpAnswer:
        """A transfer is taken back."""
        asked = read_on_transfer(request)
        done = asked if isinstance(asked, Refused) else await self._transferring.cancel(asked, request.client)
        return write_no_success(done) if isinstance(done, Refused) else write_success(done)

    async def active(self, request: HttpRequest) -> HttpAnswer:
        """The group's live calls."""
        asked = read_transfer(request)
        seen = asked if isinstance(asked, Refused) else await self._transferring.active(asked, request.client)
        return write_no_success(seen) if isinstance(seen, Refused) else write_active(seen)


def _counted(answer: HttpAnswer) -> HttpAnswer:
    CALL_TRANSFERS.add(answer.outcome, answer.reason)
    return answer
