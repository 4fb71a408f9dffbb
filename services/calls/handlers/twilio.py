"""The endpoints of Twilio and its look-alikes: verify, read, act, answer.

Owns the order of the beats. Must never act on a request that its account has not signed.
"""

from contextlib import suppress

from services.calls.handlers.arriving import Arriving
from services.calls.handlers.reporting import Reporting
from services.calls.wire.refusals import write_refusal
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.reasons import Reason
from shared.domain.switching.credentials import Credential
from shared.domain.switching.nouns import HangUp, Inbound, Look, Refused, Step
from shared.domain.switching.signatures import is_from_twilio
from shared.domain.switching.twilio import (
    read_account,
    read_dial_action,
    read_status,
    read_voice,
    write_noted,
    write_step,
)
from shared.errors import Unavailable
from shared.stores.switches import SwitchDirectory

_UNSIGNED = Refused(reason=Reason.SIGNATURE)


class TwilioSwitch:
    """One method an endpoint."""

    def __init__(
        self, arriving: Arriving, reporting: Reporting, *, directory: SwitchDirectory, public_url: str
    ) -> None:
        self._arriving = arriving
        self._reporting = reporting
        self._directory = directory
        self._public_url = public_url

    async def voice(self, request: HttpRequest) -> HttpAnswer:
        """A call has come in."""
        credential = await self._signer(request)
        asked = _UNSIGNED if credential is None else read_voice(request, credential)
        if not isinstance(asked, Inbound):
            return write_refusal(asked, request.request_id)
        return write_step(await self._arriving.arrive(asked), self._public_url)

    async def dial_action(self, request: HttpRequest) -> HttpAnswer:
        """The legs of a <Dial> are over, or a redirected call asks what is next."""
        credential = await self._signer(request)
        asked = _UNSIGNED if credential is None else read_dial_action(request, credential)
        if credential is None or isinstance(asked, Refused):
            return write_refusal(asked if isinstance(asked, Refused) else _UNSIGNED, request.request_id)
        step: Step | Refused = HangUp(call_uuid="")
        for event in (asked,) if isinstance(asked, Look) else asked:
            step = await self._reporting.take(
                credential.company_id, event, fallback=self._arriving.fallback("")
            )
        if isinstance(step, Refused):
            return write_refusal(step, request.request_id)
        return write_step(step, self._public_url)

    async def status(self, request: HttpRequest) -> HttpAnswer:
        """A call or a leg has a new status; the answer is never looked at."""
        credential = await self._signer(request)
        event = _UNSIGNED if credential is None else read_status(request, credential)
        if credential is None or isinstance(event, Refused):
            return write_refusal(event if isinstance(event, Refused) else _UNSIGNED, request.request_id)
        if event is not None:
            with suppress(Unavailable):  # it is owed then
                await self._reporting.note(credential.company_id, event)
        return write_noted()

    async def _signer(self, request: HttpRequest) -> Credential | None:
        credential = await self._directory.find_twilio(read_account(request))
        signed = credential and is_from_twilio(request, credential.secret, public_url=self._public_url)
        return credential if signed else None
