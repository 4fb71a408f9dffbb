"""A call and its legs as rows of their tables, and back.

Owns the columns and their conversion. Must never run a statement: shared/stores/calls.py and call_changes.py do.
"""

from typing import Any

import msgspec
from asyncpg import Record

from shared.domain.calls import Call, CallStatus, Leg, LegStatus, Outcome
from shared.stores.moments import moment, moment_or_none, unix_ms

_encode = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode
_flow = msgspec.json.Decoder(tuple[dict[str, object], ...]).decode
_tags = msgspec.json.Decoder(dict[str, str]).decode

CALL_COLUMNS = """c.uuid::text AS uuid, c.company_id, c.started_at, c.rev, c.status, c.outcome, c.provider, c.provider_call_id,
       c.caller, c.dialed_number, c.campaign_id, c.publisher_id, c.buyer_id, c.group_id,
       c.reservation_uuid::text AS reservation_uuid, c.ping_key_id, c.reserved_buyer_id, c.reserved_group_id, c.reserved_bid,
       c.reserved_number, c.only_reserved, c.promised_payout, c.bid_revenue, c.via, c.rescued, c.repeat, c.duplicate,
       c.forwarded_at, c.answered_at, c.ended_at, c.closed_at, c.hung_up_by, c.total_duration_s, c.told_connected_s,
       c.connected_duration_s, c.dialed_s, c.recording_url, c.payable, c.receivable, c.revenue, c.payout, c.posted_value,
       c.posted_at, c.revision, c.ledger_entries, c.fired::text AS fired, c.flow::text AS flow"""
_TAGS_OF_CALL = """(SELECT coalesce(json_object_agg(t.name, t.value)::text, '{}') FROM call_tags t
        WHERE t.company_id = c.company_id AND t.call_started_at = c.started_at AND t.call_uuid = c.uuid AND {}) AS tags"""
LEG_COLUMNS = """uuid::text AS uuid, position, buyer_id, group_id, number, timeout_seconds, send_digits, bid, status, place,
       subjects, hour_at, day_at, month_at, group_hour_at, group_day_at, group_month_at, dialled_at, answered_at, ended_at,
       failure, connected_s, transferred_from::text AS transferred_from, warm"""


_SAME = (
    *(
        "uuid",
        "company_id",
        "rev",
        "provider",
        "provider_call_id",
        "campaign_id",
        "reserved_bid",
        "only_reserved",
    ),
    *(
        "promised_payout",
        "rescued",
        "repeat",
        "duplicate",
        "dialed_s",
        "payable",
        "receivable",
        "revenue",
        "payout",
    ),
    *("revision", "ledger_entries"),
)


def tags_when(when: str) -> str:
    """The tags as one text. when: what a statement says of c.started_at, so that other months' tables are not opened."""
    return _TAGS_OF_CALL.replace("{}) AS", when.replace("c.started_at", "t.call_started_at") + ") AS")


def call_of(row: Record) -> Call:
    """A row of CALL_COLUMNS."""
    return Call(
        **{name: row[name] for name in _SAME},
        started_ms=unix_ms(row["started_at"]),
        status=CallStatus(row["status"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        caller=row["caller"] or "",
        number=row["dialed_number"] or "",
        publisher_id=row["publisher_id"] or 0,
        buyer_id=row["buyer_id"] or 0,
        group_id=row["group_id"] or 0,
        reservation_uuid=row["reservation_uuid"] or "",
        ping_key_id=row["ping_key_id"] or 0,
        reserved_buyer_id=row["reserved_buyer_id"] or 0,
        reserved_group_id=row["reserved_group_id"] or 0,
        reserved_number=row["reserved_number"] or "",
        bid=row["bid_revenue"],
        via=row["via"] or "",
        forwarded_ms=unix_ms(row["forwarded_at"]),
        answered_ms=unix_ms(row["answered_at"]),
        ended_ms=unix_ms(row["ended_at"]),
        closed_ms=unix_ms(row["closed_at"]),
        hung_up_by=row["hung_up_by"] or "",
        told_total_s=row["total_duration_s"],
        told_connected_s=row["told_connected_s"],
        connected_s=row["connected_duration_s"],
        recording_url=row["recording_url"] or "",
        posted=row["posted_value"],
        posted_ms=unix_ms(row["posted_at"]),
        fired=_names(row["fired"]),
        flow=_flow(row["flow"]),
    )


def tags_of(text: str) -> dict[str, str]:
    """The tags of tags_when."""
    return _tags(text)


def worth(call: Call) -> dict[str, Any]:
    """What a partner may change of a call, by column."""
    return {
        "publisher_id": call.publisher_id or None,
        "duplicate": call.duplicate,
        "payable": call.payable,
        "receivable": call.receivable,
        "revenue": call.revenue,
        "payout": call.payout,
        "posted_value": call.posted,
        "posted_at": moment_or_none(call.posted_ms),
        "revision": call.revision,
        "ledger_entries": call.ledger_entries,
        "fired": call.fired,
    }


def mutable(call: Call) -> dict[str, Any]:
    """What may change of a call, by column."""
    return {
        **worth(call),
        "status": call.status,
        "outcome": call.outcome,
        "buyer_id": call.buyer_id or None,
        "group_id": call.group_id or None,
        "bid_revenue": call.bid,
        "rescued": call.rescued,
        "forwarded_at": moment_or_none(call.forwarded_ms),
        "answered_at": moment_or_none(call.answered_ms),
        "ended_at": moment_or_none(call.ended_ms),
        "closed_at": moment_or_none(call.closed_ms),
        "hung_up_by": call.hung_up_by or None,
        "total_duration_s": call.told_total_s,
        "told_connected_s": call.told_connected_s,
        "connected_duration_s": call.connected_s,
        "dialed_s": call.dialed_s,
        "recording_url": call.recording_url or None,
        "flow": call.flow,
    }


def leg_of(row: Record) -> Leg:
    """A row of LEG_COLUMNS."""
    windows = ("hour_at", "day_at", "month_at", "group_hour_at", "group_day_at", "group_month_at")
    return Leg(
        uuid=row["uuid"],
        position=row["position"],
        buyer_id=row["buyer_id"],
        group_id=row["group_id"] or 0,
        number=row["number"],
        timeout_seconds=row["timeout_seconds"],
        send_digits=row["send_digits"],
        bid=row["bid"],
        status=LegStatus(row["status"]),
        place=row["place"],
        subjects=row["subjects"],
        windows=tuple(row[name] for name in windows),
        dialled_ms=unix_ms(row["dialled_at"]),
        answered_ms=unix_ms(row["answered_at"]),
        ended_ms=unix_ms(row["ended_at"]),
        failure=row["failure"] or "",
        connected_s=row["connected_s"],
        transferred_from=row["transferred_from"] or "",
        warm=row["warm"],
    )


def leg_json(leg: Leg) -> dict[str, Any]:
    """A leg by its columns."""
    hour, day, month, group_hour, group_day, group_month = leg.windows
    return {
        "uuid": leg.uuid,
        "position": leg.position,
        "buyer_id": leg.buyer_id,
        "group_id": leg.group_id or None,
        "number": leg.number,
        "timeout_seconds": leg.timeout_seconds,
        "send_digits": leg.send_digits,
        "bid": leg.bid,
        "status": leg.status,
        "place": leg.place,
        "subjects": leg.subjects,
        "hour_at": hour,
        "day_at": day,
        "month_at": month,
        "group_hour_at": group_hour,
        "group_day_at": group_day,
        "group_month_at": group_month,
        "dialled_at": moment(leg.dialled_ms),
        "answered_at": moment_or_none(leg.answered_ms),
        "ended_at": moment_or_none(leg.ended_ms),
        "failure": leg.failure or None,
        "connected_s": leg.connected_s,
        "transferred_from": leg.transferred_from or None,
        "warm": leg.warm,
    }


def as_json(value: object) -> str:
    """A value for a json parameter."""
    return _encode(value).decode()
