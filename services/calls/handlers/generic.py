"""The endpoints of generic switches: verify, read, act, answer.

Owns the order of the beats. Must never act on a request that its credential has not signed.
"""

from services.calls.handlers.arriving import Arriving
from services.calls.handlers.reporting import Reporting
from services.calls.wire.refusals import write_refusal
from shared.clock import Clock
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.reasons import Reason
from shared.domain.switching.credentials import Credential
from shared.domain.switching.generic import read_event, read_inbound, write_step
from shared.domain.switching.nouns import Inbound, Refused
from shared.domain.switching.signatures import is_signed, read_credential_id
from shared.stores.switches import SwitchDirectory

_UNSIGNED = Refused(reason=Reason.SIGNATURE)


class GenericSwitch:
    """One method an endpoint."""

    def __init__(
        self, arriving: Arriving, reporting: Reporting, *, directory: SwitchDirectory, clock: Clock
    ) -> None:
        self._arriving = arriving
        self._reporting = reporting
        self._directory = directory
        self._clock = clock

    async def inbound(self, request: HttpRequest) -> HttpAnswer:
        """A call has come in."""
        credential = await self._signer(request)
        asked = _UNSIGNED if credential is None else read_inbound(request, credential)
        if not isinstance(asked, Inbound):
            return write_refusal(asked, request.request_id)
        return write_step(await self._arriving.arrive(asked))

    async def event(self, request: HttpRequest) -> HttpAnswer:
        """Something has become of a call."""
        credential = await self._signer(request)
        event = _UNSIGNED if credential is None else read_event(request, credential)
        if credential is None or isinstance(event, Refused):
            return write_refusal(event if isinstance(event, Refused) else _UNSIGNED, request.request_id)
        fallback = self._arriving.fallback("")
        step = await self._reporting.take(credential.company_id, event, fallback=fallback)
        return write_refusal(step, request.request_id) if isinstance(step, Refused) else write_step(step)

    async def _signer(self, request: HttpRequest) -> Credential | None:
        credential = await self._directory.find_generic(read_credential_id(request))
        now_s = self._clock.now_ms() // 1000
        return credential if credential and is_signed(request, credential.secret, now_s=now_s) else None
