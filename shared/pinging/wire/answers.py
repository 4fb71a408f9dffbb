"""Outcomes of pings, as partners read them.

Owns the answers' field names and their order. Must never show one publisher another's reservation or price.
"""

from decimal import Decimal
from functools import lru_cache

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from shared.domain import money
from shared.domain.http import HttpAnswer
from shared.domain.iso_time import write_ms
from shared.domain.refusals import JSON, XML
from shared.domain.xml_text import write_element
from shared.pinging.rules.nouns import NoTarget, Outcome, Rejected, Reserved
from shared.pinging.wire.refusals import ROOT


class AnswerForm(Struct, frozen=True, kw_only=True):
    """What the answers of one installation have in common. sip_domain: "" when no switch takes SIP calls."""

    sip_domain: str = ""


class _ReservedBody(Struct, frozen=True, kw_only=True, gc=False):
    uuid: str
    status: str
    retreaver_payout: float | None
    retreaver_seconds: int | None
    inbound_number: str | UnsetType
    sip_address: str | UnsetType
    expires_at: str
    retreaver_target_dba: str | UnsetType = UNSET
    retreaver_ping_shield: bool | UnsetType = UNSET


class _NoTargetBody(Struct, frozen=True, kw_only=True):
    uuid: str
    status: str
    reason: str | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode


def write_outcome(
    outcome: Outcome, form: AnswerForm, *, xml: bool, key_id: int = 0, caller: str = ""
) -> HttpAnswer:
    """The answer to a ping, a confirm or a show.

    Shape: an unknown payout or call length is null; a missing number or SIP domain leaves its field out.
    Cost: 2 us.
    Source: rtb.md, answers.
    """
    body = _reserved_body(outcome, form) if isinstance(outcome, Reserved) else _no_target_body(outcome)
    return HttpAnswer(
        status=200,
        body=_encode_xml(body) if xml else _encode(body),
        content_type=XML if xml else JSON,
        outcome="repeat" if isinstance(outcome, Reserved) and outcome.repeat else body.status,
        reason="" if isinstance(outcome, Reserved) else outcome.reason or "",
        key_id=key_id,
        caller=caller,
    )


def _reserved_body(outcome: Reserved, form: AnswerForm) -> _ReservedBody:
    winner = outcome.winner
    return _ReservedBody(
        uuid=outcome.uuid,
        status=outcome.status,
        retreaver_payout=_shown(winner.payout),
        retreaver_seconds=winner.seconds,
        inbound_number=outcome.number or UNSET,
        sip_address=f"{outcome.uuid}@{form.sip_domain}" if form.sip_domain else UNSET,
        expires_at=write_ms(outcome.expires_ms),
        retreaver_target_dba=winner.dba if outcome.return_dba else UNSET,
        retreaver_ping_shield=True if outcome.repeat else UNSET,
    )


def _no_target_body(outcome: NoTarget | Rejected) -> _NoTargetBody:
    return _NoTargetBody(
        uuid=outcome.uuid,
        status="rejected" if isinstance(outcome, Rejected) else "no-target",
        reason=outcome.reason or UNSET,
    )


def _encode_xml(body: _ReservedBody | _NoTargetBody) -> bytes:
    return write_element(ROOT, [(name, value) for name, value in asdict(body).items() if value is not UNSET])


@lru_cache(maxsize=4096)
def _shown(amount: str) -> float | None:
    return money.shown(Decimal(amount)) if amount else None
