"""A call's record as an operator sees it.

Owns the names and the order of its fields. Must never show a whole phone number to people: only the machine's form has one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain import money
from shared.domain.calls import Leg, LegStatus
from shared.domain.iso_time import write_ms
from shared.stores.call_records import CallRecord

_TALKED = frozenset({LegStatus.ANSWERED, LegStatus.ENDED, LegStatus.TRANSFERRED})


def as_object(record: CallRecord) -> dict[str, Any]:
    """Everything, for machines.

    Shape: call_flow_events by their time; the ledger's amounts are exact, as text.
    Source: calls.md, the call record.
    """
    call = record.call
    return {
        "call_uuid": call.uuid,
        "uuid": call.uuid,
        "status": call.status,
        "outcome": call.outcome,
        "caller": call.caller,
        "dialed_number": call.number,
        "number": next((leg.number for leg in record.legs if leg.status in _TALKED), ""),
        "start_time": _at(call.started_ms),
        "forwarded_time": _at(call.forwarded_ms),
        "answered_time": _at(call.answered_ms),
        "end_time": _at(call.ended_ms),
        "dialed_call_duration": call.dialed_s,
        "connected_duration": call.connected_s,
        "total_duration": call.total_s,
        "ivr_duration": 0,
        "hold_duration": 0,
        "hung_up_by": call.hung_up_by,
        "recording_url": call.recording_url,
        "publisher": record.publisher,
        "campaign": record.campaign,
        "buyer": record.buyer,
        "group": record.group,
        "reservation_uuid": call.reservation_uuid,
        "via": call.via,
        "rescued": call.rescued,
        "repeat": call.repeat,
        "duplicate": call.duplicate,
        "converted": call.payable or call.receivable,
        "payable": call.payable,
        "receivable": call.receivable,
        "revenue": money.shown(call.revenue),
        "payout": money.shown(call.payout),
        "ledger": [
            {"revenue": str(row.revenue_change), "payout": str(row.payout_change), "cause": row.cause}
            for row in record.ledger
        ],
        "tags": dict(sorted(record.state.tags.items())),
        "fired_pixels": list(call.fired),
        "call_flow_events": _flow(record),
    }


def as_text(record: CallRecord) -> Iterator[str]:
    """What came of it, for people, line by line."""
    shown = as_object(record)
    yield f"{shown['call_uuid']}  {' '.join(filter(None, (shown['status'], shown['outcome'])))}"
    for name in ("campaign", "publisher", "buyer", "group", "reservation_uuid"):
        if shown[name]:
            yield f"  {name.removesuffix('_uuid'):<12} {shown[name]}"
    seconds = f"connected {shown['connected_duration'] or 0} s of {shown['total_duration'] or 0} s"
    yield f"  {'duration':<12} {seconds}"
    sides = [name for name in ("payable", "receivable", "duplicate", "repeat", "rescued") if shown[name]]
    yield f"  {'money':<12} revenue {shown['revenue']:.2f}, payout {shown['payout']:.2f}  {' '.join(sides)}".rstrip()
    for name, value in shown["tags"].items():
        yield f"  {'tag':<12} {name}={value if value.isprintable() else repr(value)[1:-1]}"
    if shown["fired_pixels"]:
        yield f"  {'webhooks':<12} {', '.join(shown['fired_pixels'])}"


def _flow(record: CallRecord) -> list[dict[str, Any]]:
    legs = [(leg.dialled_ms, _leg(leg, record.tids)) for leg in record.legs]
    decisions = [(_ms_of(each), {**each, "at": _at(_ms_of(each))}) for each in record.call.flow]
    for _, decision in decisions:
        decision.pop("at_ms", None)
    return [event for _, event in sorted((*legs, *decisions), key=lambda timed: timed[0])]


def _leg(leg: Leg, tids: Mapping[int, str]) -> dict[str, Any]:
    return {
        "leg": leg.uuid,
        "buyer": tids.get(leg.buyer_id, ""),
        "number": leg.number,
        "status": leg.status,
        "reason": leg.failure,
        "at": _at(leg.dialled_ms),
        "answered_at": _at(leg.answered_ms),
        "ended_at": _at(leg.ended_ms),
        "connected_duration": leg.connected_s,
    }


def _ms_of(decision: Mapping[str, object]) -> int:
    at_ms = decision.get("at_ms")
    return at_ms if isinstance(at_ms, int) else 0


def _at(unix_ms: int) -> str | None:
    return write_ms(unix_ms) if unix_ms else None
