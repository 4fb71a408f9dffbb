"""Webhooks: which of them an event of a call fires, what is kept until they are delivered, and when it is tried again.

Owns the nouns and the schedule. Must never hold a call's key: it is derived when a request is written
(shared/domain/webhook_message.py), so that nothing that is stored lets anybody write.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.tags import Rule, Tags, passes


class Webhook(Struct, frozen=True, kw_only=True):
    """A request that an event of a call causes, as a campaign's plan holds it.

    Shape: url, headers and body with tokens. Units: dedupe_seconds between two for the same caller, 0 = no limit.
    """

    id: int
    name: str
    trigger: str
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: str = ""
    rules: tuple[Rule, ...] = ()
    fire_order: int = 1
    dedupe_seconds: int = 0


class Facts(Struct, frozen=True, kw_only=True):
    """What a webhook may tell of a call, as of its event.

    Shape: key_seed is the uuid that the call's key is derived from; caller is E.164 or ""; publisher_id and campaign_id are
    the customer-set ones, "" = none.
    """

    call_uuid: str
    key_seed: str
    caller: str = ""
    called_number: str = ""
    publisher_id: str = ""
    campaign_id: str = ""
    duration_s: int = 0
    revenue: Decimal = Decimal(0)
    payout: Decimal = Decimal(0)
    tags: Mapping[str, str] = {}


class Payload(Struct, frozen=True, kw_only=True):
    """A webhook's template beside the facts that fill it. Units: at_ms unix milliseconds, when the event was."""

    trigger: str
    at_ms: int
    url: str
    method: str
    headers: Mapping[str, str]
    body: str
    facts: Facts


class Firing(Struct, frozen=True, kw_only=True):
    """One request that is owed.

    Shape: id is its webhook-id, the same at each attempt; of the firings of one event_id the first attempts are made in
    fire_order; host is the receiver's `host[:port]`; payload is a Payload as JSON.
    """

    id: str
    event_id: str
    webhook_id: int
    name: str
    trigger: str
    fire_order: int
    host: str
    caller: str
    dedupe_seconds: int
    payload: bytes


_encode = msgspec.json.Encoder().encode
read_payload = msgspec.json.Decoder(Payload).decode
_authority = re.compile(r"https?://([^/?#]*)", re.IGNORECASE).match


def firings_of(
    webhooks: Iterable[Webhook],
    trigger: str,
    *,
    facts: Facts,
    tags: Tags,
    event_id: str,
    ids: Callable[[], str],
) -> tuple[Firing, ...]:
    """What an event fires, in fire_order: the webhooks of its trigger whose rules the call's tags pass.

    Shape: ids makes a new uuid of version 7, of the event's moment, each time.
    """
    fired = [each for each in webhooks if each.trigger == trigger and passes(each.rules, tags)]
    fired.sort(key=lambda each: (each.fire_order, each.id))
    return tuple(_firing(each, facts, event_id=event_id, firing_id=ids()) for each in fired)


def _firing(webhook: Webhook, facts: Facts, *, event_id: str, firing_id: str) -> Firing:
    payload = Payload(
        trigger=webhook.trigger,
        at_ms=uuid7.ms_of(firing_id),
        url=webhook.url,
        method=webhook.method,
        headers=webhook.headers,
        body=webhook.body,
        facts=facts,
    )
    return Firing(
        id=firing_id,
        event_id=event_id,
        webhook_id=webhook.id,
        name=webhook.name,
        trigger=webhook.trigger,
        fire_order=webhook.fire_order,
        host=receiver_of(webhook.url),
        caller=facts.caller,
        dedupe_seconds=webhook.dedupe_seconds,
        payload=_encode(payload),
    )


def receiver_of(url: str) -> str:
    """Who is held responsible for being slow: `host[:port]` in lower-case, without credentials; "" when there is none."""
    found = _authority(url)
    return found[1].rpartition("@")[2].lower() if found else ""


_PAUSES_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
MOST_ATTEMPTS = len(_PAUSES_S) + 1
_JITTER = 0.1


def pause_after(attempts: int, draw: float) -> float | None:
    """How long to wait after so many failed attempts; None = no more, the delivery is dead.

    Units: seconds, up to a tenth more or less by the draw from [0, 1), so that a receiver that is back is not met by all
    at once. Source: data.md, webhooks.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return _PAUSES_S[max(attempts, 1) - 1] * (1 - _JITTER + 2 * _JITTER * draw)
