"""The request that delivers a webhook: its tokens filled, its body signed.

Owns what each token means, the body of a webhook that has none, and the signature. Must never read a clock: the moment is
handed in.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from shared.domain.call_keys import call_key
from shared.domain.iso_time import write_ms
from shared.domain.money import rounded
from shared.domain.outgoing import Message
from shared.domain.phone import nanp_of
from shared.domain.request_text import JSON, RequestText, Unsendable, Values, content_type_of, fill_request
from shared.domain.webhooks import Facts, Payload, read_payload

_BODILESS = frozenset({"GET", "DELETE"})
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the form of a secret
_encode = msgspec.json.Encoder().encode


class Envelope(Struct, frozen=True, kw_only=True):
    """Whose webhook it is and which. Shape: id is the stable webhook-id. Units: sent_s unix seconds, of this attempt."""

    id: str
    company_id: int
    sent_s: int


def write_message(payload: bytes, envelope: Envelope, *, pepper: bytes) -> Message | Unsendable:
    """The signed request of one attempt.

    Errors: msgspec's ValidationError or DecodeError when it is no payload.
    """
    told = read_payload(payload)
    message = render(told, key=call_key(pepper, told.facts.key_seed))
    if isinstance(message, Unsendable):
        return message
    secret = secret_of(pepper, envelope.company_id)
    signature = sign(secret, message.body, message_id=envelope.id, sent_s=envelope.sent_s)
    return msgspec.structs.replace(message, headers={**message.headers, **signature})


def render(told: Payload, *, key: str) -> Message | Unsendable:
    """The request without its signature. Shape: key is the call's own."""
    text = RequestText(method=told.method, url=told.url, headers=told.headers, body=told.body)
    message = fill_request(text, _values(told.facts, key))
    if isinstance(message, Unsendable) or told.body or told.method in _BODILESS:
        return message
    headers = (
        message.headers if content_type_of(message.headers) else {**message.headers, "Content-Type": JSON}
    )
    return msgspec.structs.replace(message, headers=headers, body=_encode(_standard(told)))


def _values(facts: Facts, key: str) -> Values:
    """Every token by its name; ours win over tags that are called the same."""
    publisher = dict.fromkeys(("publisher_id", "source_id", "affiliate_id"), facts.publisher_id)
    return {
        **facts.tags,
        **publisher,
        "call_uuid": facts.call_uuid,
        "call_key": key,
        "caller_number": facts.caller,
        "nanp_caller_number": nanp_of(facts.caller),
        "campaign_id": facts.campaign_id,
        "called_number": facts.called_number,
        "call_duration": str(facts.duration_s),
        "revenue": f"{rounded(facts.revenue)}",
        "payout": f"{rounded(facts.payout)}",
    }


def _standard(told: Payload) -> Mapping[str, Any]:
    """The body of a webhook that has none. Shape: without the call's key, which only a token asks for."""
    facts = told.facts
    data = {
        "call_uuid": facts.call_uuid,
        "caller_number": facts.caller,
        "called_number": facts.called_number,
        "publisher_id": facts.publisher_id,
        "campaign_id": facts.campaign_id,
        "call_duration": facts.duration_s,
        "revenue": f"{rounded(facts.revenue)}",
        "payout": f"{rounded(facts.payout)}",
        "tags": facts.tags,
    }
    return {"type": f"call.{told.trigger}", "timestamp": write_ms(told.at_ms), "data": data}


def secret_of(pepper: bytes, company_id: int) -> str:
    """What a company's webhooks are signed with: derived, so that it is stored nowhere and can be told again."""
    mac = hmac.digest(pepper, f"webhook:{company_id}".encode(), hashlib.sha256)
    return _SECRET_PREFIX + base64.b64encode(mac).decode()


def sign(secret: str, body: bytes, *, message_id: str, sent_s: int) -> dict[str, str]:
    """The three headers of a Standard Webhooks signature, version 1."""
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    mac = hmac.digest(key, f"{message_id}.{sent_s}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_s),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
