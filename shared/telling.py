"""Commands to switches: what a live call's switch is told without having asked.

Owns their sending. Must never retry one: a switch that did not hear asks for the next step with its next event.
"""

from contextlib import suppress

from shared.clock import Clock
from shared.domain.calls import Call
from shared.domain.outgoing import Reply
from shared.domain.switching.commands import Command, Recipient, write_commands
from shared.domain.switching.nouns import FallBack, Reject, Step
from shared.errors import Unavailable
from shared.metrics import SWITCH_COMMANDS
from shared.outbound import Outbound
from shared.stores.switches import SwitchDirectory

_WITHIN_S = 5.0


class Telling:
    """Tells switches. Shape: both addresses are without a path; public_url "" = Twilio-style switches cannot be told."""

    def __init__(
        self,
        outbound: Outbound,
        directory: SwitchDirectory,
        *,
        clock: Clock,
        public_url: str,
        twilio_api_url: str,
    ) -> None:
        self._outbound = outbound
        self._directory = directory
        self._clock = clock
        self._public_url = public_url
        self._twilio_api_url = twilio_api_url

    async def tell(self, call: Call, step: Step | Command) -> bool:
        """Send a step as commands; whether the switch has taken every one of them, and there was one."""
        credential = None
        with suppress(Unavailable):
            credential = await self._directory.find(call.provider)
        if credential is None or isinstance(step, FallBack | Reject):
            return False
        recipient = Recipient(
            credential=credential,
            provider_call_id=call.provider_call_id,
            public_url=self._public_url,
            twilio_api_url=self._twilio_api_url,
        )
        taken = []
        for command in write_commands(step, recipient, at_s=self._clock.now_ms() // 1000):
            reply = await self._outbound.send(command, timeout_s=_WITHIN_S)
            taken.append(isinstance(reply, Reply) and reply.is_success)
            SWITCH_COMMANDS.add("taken" if taken[-1] else "failed")
        return bool(taken) and all(taken)
