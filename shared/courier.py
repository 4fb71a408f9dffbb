"""One attempt to deliver a webhook.

Owns what counts as delivered, how long a receiver may take, and what is to be noted of an attempt. Must never note it: whoever
delivers does, the worker or (start webhooks) the calls service.
"""

from msgspec import Struct

from shared.clock import Clock
from shared.domain.outgoing import Failed
from shared.domain.request_text import Unsendable
from shared.domain.webhook_message import Envelope, write_message
from shared.domain.webhooks import pause_after
from shared.logs import get_logger
from shared.metrics import WEBHOOK_DELIVERIES, WEBHOOKS_DEAD
from shared.outbound import Outbound
from shared.stores.outbox import Delivery, Noted

_LOG = get_logger()
ANSWER_WITHIN_S = 15.0


class Attempt(Struct, frozen=True, kw_only=True):
    """What came of it.

    Shape: outcome as the label of ringpost_webhook_deliveries; answered is the reply's status, None = there was none, and
    error says why; is_hopeless = no further attempt could end otherwise; body is a receiver's answer to a delivery.
    """

    outcome: str
    answered: int | None = None
    error: str | None = None
    is_hopeless: bool = False
    body: bytes = b""


class Courier:
    """Writes, signs and sends."""

    def __init__(self, outbound: Outbound, clock: Clock, *, pepper: bytes) -> None:
        self._outbound = outbound
        self._clock = clock
        self._pepper = pepper

    async def attempt(self, delivery: Delivery) -> Attempt:
        """Deliver once. Errors: msgspec's, when the payload is none."""
        envelope = Envelope(
            id=delivery.id, company_id=delivery.company_id, sent_s=self._clock.now_ms() // 1000
        )
        message = write_message(delivery.payload, envelope, pepper=self._pepper)
        if isinstance(message, Unsendable):
            return Attempt(outcome="unsendable", error=message.why, is_hopeless=True)
        reply = await self._outbound.send(message, timeout_s=ANSWER_WITHIN_S)
        if isinstance(reply, Failed):
            return Attempt(outcome=reply.kind, error=reply.kind)
        if not reply.is_success:
            return Attempt(outcome="status", answered=reply.status)
        return Attempt(outcome="delivered", answered=reply.status, body=reply.body)


def noted_of(delivery: Delivery, attempt: Attempt, *, draw: float) -> Noted:
    """What is noted of an attempt, counted and logged."""
    attempts = delivery.attempts + 1
    WEBHOOK_DELIVERIES.add(attempt.outcome)
    if attempt.outcome == "delivered":
        return Noted(id=delivery.id, attempts=attempts, status="delivered", answered=attempt.answered)
    pause_s = None if attempt.is_hopeless else pause_after(attempts, draw)
    _LOG.warning(
        "webhook_attempt_failed",
        delivery_id=delivery.id,
        webhook_id=delivery.webhook_id,
        attempt=attempts,
        outcome=attempt.outcome,
        status=attempt.answered,
        dead=pause_s is None,
    )
    WEBHOOKS_DEAD.add(n=pause_s is None)
    return Noted(
        id=delivery.id,
        attempts=attempts,
        status="dead" if pause_s is None else "waiting",
        pause_s=pause_s or 0.0,
        answered=attempt.answered,
        error=attempt.error,
    )
