"""A ping of the log as a row of its table, and back.

Owns the columns and their conversion. Must never run a statement: shared/stores/pings.py does.
"""

from decimal import Decimal
from typing import Any

import msgspec
from asyncpg import Record

from shared.domain.ping_log import PingRow, Replay
from shared.domain.pings import TraceRow
from shared.stores.moments import moment, moment_or_none, unix_ms

_encode = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(dict[str, str | tuple[str, ...]]).decode
_decode_trace = msgspec.json.Decoder(tuple[TraceRow, ...]).decode
_decode_replay = msgspec.json.Decoder(Replay).decode

COLUMNS = (
    *(
        "company_id",
        "created_at",
        "uuid",
        "key_id",
        "caller",
        "publisher_id",
        "campaign_id",
        "buyer_id",
        "group_id",
    ),
    *("number", "revenue", "payout", "seconds", "status", "reason", "duplicate_original_uuid", "test"),
    *(
        "caller_state",
        "caller_city",
        "caller_zip",
        "caller_country",
        "expires_at",
        "ended_at",
        "time_to_resolve_s",
    ),
    *("holds", "tags", "trace", "replay"),
)
COLUMN_LIST = ", ".join(COLUMNS)
SELECTED = """company_id, created_at, uuid::text AS uuid, call_uuid::text AS call_uuid, key_id, caller, publisher_id,
       campaign_id, number, status, reason, duplicate_original_uuid::text AS original, test, expires_at, confirmed_at,
       claimed_at, ended_at, holds, tags::text AS tags, trace::text AS trace, replay::text AS replay"""


def to_record(row: PingRow) -> tuple[Any, ...]:
    """The values of COLUMNS. Errors: ValueErrors and OverflowError when one fits no column."""
    winner, tags = row.replay.winner, row.tags
    return (
        row.company_id,
        moment(row.created_ms),
        row.uuid,
        row.key_id,
        row.caller or None,
        row.publisher_id or None,
        row.campaign_id,
        winner.buyer_id if winner else None,
        (winner.group_id or None) if winner else None,
        row.number or None,
        Decimal(winner.revenue) if winner and winner.revenue else None,
        Decimal(winner.payout) if winner and winner.payout else None,
        winner.seconds if winner else None,
        row.status,
        row.reason or None,
        row.original_uuid or None,
        row.test,
        _text(tags.get("caller_state")),
        _text(tags.get("caller_city")),
        _text(tags.get("caller_zip")),
        _text(tags.get("caller_country")),
        moment_or_none(row.expires_ms),
        moment_or_none(row.ended_ms),
        Decimal(max(0, row.ended_ms - row.created_ms)) / 1000 if row.ended_ms else None,
        row.holds,
        _encode(tags).decode(),
        None if row.trace is None else _encode(row.trace).decode(),
        _encode(row.replay).decode(),
    )


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value if isinstance(value, str) else None


def from_record(row: Record) -> PingRow:
    """A row of SELECTED."""
    return PingRow(
        uuid=row["uuid"],
        company_id=row["company_id"],
        created_ms=unix_ms(row["created_at"]),
        key_id=row["key_id"],
        caller=row["caller"] or "",
        publisher_id=row["publisher_id"] or 0,
        campaign_id=row["campaign_id"],
        number=row["number"] or "",
        status=row["status"],
        reason=row["reason"] or "",
        original_uuid=row["original"] or "",
        test=row["test"],
        expires_ms=unix_ms(row["expires_at"]),
        ended_ms=unix_ms(row["ended_at"]),
        holds=row["holds"],
        tags=_decode_tags(row["tags"]),
        trace=None if row["trace"] is None else _decode_trace(row["trace"]),
        replay=_decode_replay(row["replay"]),
        confirmed_ms=unix_ms(row["confirmed_at"]),
        claimed_ms=unix_ms(row["claimed_at"]),
        call_uuid=row["call_uuid"] or "",
    )
