"""The ping log in Postgres.

Owns every statement on the table pings. A status only moves forward: reserved, confirmed, then expired or claimed, and a
claim is final. Must never read a stream: shared/stores/drain.py brings the rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from asyncpg import Record
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.ping_log import PingRow, Replay
from shared.domain.pings import Confirmation, TraceRow
from shared.stores.postgres import Connection, Postgres

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
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
_LIST = ", ".join(COLUMNS)
CREATE_DRAINED = "CREATE TEMP TABLE IF NOT EXISTS drained_pings (LIKE pings) ON COMMIT DELETE ROWS"
# A row that is there already was drained before, unless its caller's claim came first: that one lacks everything else.
INSERT_DRAINED = f"""
INSERT INTO pings ({_LIST}) SELECT {_LIST} FROM drained_pings
ON CONFLICT (created_at, uuid) DO UPDATE SET
    caller = excluded.caller, publisher_id = excluded.publisher_id, buyer_id = excluded.buyer_id,
    group_id = excluded.group_id, number = excluded.number, revenue = excluded.revenue, payout = excluded.payout,
    seconds = excluded.seconds, reason = excluded.reason, test = excluded.test,
    caller_state = excluded.caller_state, caller_city = excluded.caller_city, caller_zip = excluded.caller_zip,
    caller_country = excluded.caller_country, expires_at = excluded.expires_at, holds = excluded.holds,
    tags = excluded.tags, trace = excluded.trace, replay = excluded.replay
WHERE pings.replay = '{{}}'
"""  # noqa: S608 - the column names above
EMPTY_DRAINED = "DELETE FROM drained_pings"


async def save_drained(connection: Connection, rows: Sequence[PingRow]) -> None:
    """Store rows that may be stored already, each once.

    Shape: no uuid twice among rows; their days' partitions exist.
    Errors: asyncpg's DataError and ValueErrors when a value fits no column. Cost: one COPY, one INSERT.
    """
    await connection.execute(CREATE_DRAINED)
    await connection.execute(EMPTY_DRAINED)  # of an earlier part of the same transaction
    await connection.copy_records_to_table(
        "drained_pings", records=[_record(row) for row in rows], columns=COLUMNS
    )
    await connection.execute(INSERT_DRAINED)


def _record(row: PingRow) -> tuple[Any, ...]:
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
        moment(row.expires_ms) if row.expires_ms else None,
        moment(row.ended_ms) if row.ended_ms else None,
        Decimal(max(0, row.ended_ms - row.created_ms)) / 1000 if row.ended_ms else None,
        row.holds,
        _encode(tags).decode(),
        None if row.trace is None else _encode(row.trace).decode(),
        _encode(row.replay).decode(),
    )


CONFIRM = """
UPDATE pings SET
    status = CASE WHEN status = 'reserved' THEN 'confirmed' ELSE status END,
    confirmed_at = coalesce(confirmed_at, confirmed.at),
    holds = confirmed.holds
FROM unnest($1::timestamptz[], $2::uuid[], $3::timestamptz[], $4::text[]) AS confirmed (created_at, uuid, at, holds)
WHERE pings.created_at = confirmed.created_at AND pings.uuid = confirmed.uuid
  AND pings.created_at BETWEEN $5 AND $6
"""


async def save_confirmations(connection: Connection, confirmations: Sequence[Confirmation]) -> None:
    """Move rows on to confirmed; those that have ended only learn when they were. Repeats cost nothing."""
    created = [moment(uuid7.ms_of(confirmation.uuid)) for confirmation in confirmations]
    await connection.execute(
        CONFIRM,
        created,
        [confirmation.uuid for confirmation in confirmations],
        [moment(confirmation.at_ms) for confirmation in confirmations],
        [confirmation.subjects for confirmation in confirmations],
        min(created),
        max(created),
    )


# A repeat ends as the reservation it repeats did.
EXPIRE = """
WITH due AS (
    SELECT created_at, uuid, duplicate_original_uuid AS original FROM pings
    WHERE status IN ('reserved', 'confirmed') AND expires_at < $1
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE pings SET
    status = CASE WHEN first.status = 'claimed' THEN 'claimed' ELSE 'expired' END,
    call_uuid = first.call_uuid,
    claimed_at = first.claimed_at,
    ended_at = coalesce(first.claimed_at, pings.expires_at),
    time_to_resolve_s = greatest(0, extract(epoch FROM coalesce(first.claimed_at, pings.expires_at) - pings.created_at))
FROM due LEFT JOIN LATERAL (
    SELECT status, call_uuid, claimed_at FROM pings original
    WHERE original.uuid = due.original AND original.created_at
        = to_timestamp(('x' || left(replace(due.original::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
    LIMIT 1
) first ON true
WHERE pings.created_at = due.created_at AND pings.uuid = due.uuid
"""


async def expire(postgres: Postgres, before_ms: int, limit: int) -> int:
    """End reservations that ran out before that moment; how many. Cost: one statement."""
    return int((await postgres.execute(EXPIRE, moment(before_ms), limit)).split()[1])


class Claim(Struct, frozen=True, kw_only=True):
    """A reservation that became a call. Units: at_ms unix milliseconds."""

    uuid: str
    company_id: int
    key_id: int
    publisher_id: int
    campaign_id: int
    call_uuid: str
    at_ms: int


# Before the drain: a row with nothing but the claim, which the drain then completes.
SAVE_CLAIM = """
INSERT INTO pings (company_id, created_at, uuid, key_id, publisher_id, campaign_id,
                   status, call_uuid, claimed_at, ended_at, time_to_resolve_s)
VALUES ($1, $2, $3, $4, $5, $6, 'claimed', $7, $8, $8, greatest(0, extract(epoch FROM $8::timestamptz - $2::timestamptz)))
ON CONFLICT (created_at, uuid) DO UPDATE SET
    status = 'claimed', call_uuid = excluded.call_uuid, claimed_at = excluded.claimed_at,
    ended_at = excluded.ended_at, time_to_resolve_s = excluded.time_to_resolve_s
WHERE pings.status IN ('reserved', 'confirmed', 'expired')
"""


async def save_claim(connection: Connection, claim: Claim) -> bool:
    """Move a ping on to claimed, in the transaction of its call; False when a call has claimed it already."""
    tag = await connection.execute(
        SAVE_CLAIM,
        claim.company_id,
        moment(uuid7.ms_of(claim.uuid)),
        claim.uuid,
        claim.key_id,
        claim.publisher_id or None,
        claim.campaign_id,
        claim.call_uuid,
        moment(claim.at_ms),
    )
    return tag == "INSERT 0 1"


_SELECTED = """company_id, created_at, uuid::text AS uuid, call_uuid::text AS call_uuid, key_id, caller, publisher_id,
       campaign_id, number, status, reason, duplicate_original_uuid::text AS original, test, expires_at, confirmed_at,
       claimed_at, ended_at, holds, tags::text AS tags, trace::text AS trace, replay::text AS replay"""
FIND = f"SELECT {_SELECTED} FROM pings WHERE created_at = $1 AND uuid = $2"  # noqa: S608 - the columns above


async def find_ping(postgres: Postgres, uuid: str) -> PingRow | None:
    """One ping of the log; None when it is not there (yet). Cost: one index look-up."""
    if not uuid7.is_uuid7(uuid):
        return None
    row = await postgres.fetchrow(FIND, moment(uuid7.ms_of(uuid)), uuid)
    return None if row is None else _row(row)


LOAD_SINCE = f"""
SELECT {_SELECTED} FROM pings
WHERE created_at >= $1 AND ($2::bigint IS NULL OR key_id = $2) ORDER BY created_at, uuid LIMIT $3
"""  # noqa: S608 - the columns above


async def load_since(postgres: Postgres, since_ms: int, key_id: int | None, limit: int) -> list[PingRow]:
    """Pings that came since a moment, oldest first, of one key or of all."""
    return [_row(row) for row in await postgres.fetch(LOAD_SINCE, moment(since_ms), key_id, limit)]


LOAD_LIVE = f"""
SELECT {_SELECTED} FROM pings
WHERE company_id = ANY($1::bigint[]) AND duplicate_original_uuid IS NULL AND replay ? 'winner'
  AND status IN ('reserved', 'confirmed') AND expires_at > $2
"""  # noqa: S608 - the columns above
LOAD_LEASES = f"""
SELECT {_SELECTED} FROM pings
WHERE company_id = ANY($1::bigint[]) AND caller IS NULL AND number IS NOT NULL AND duplicate_original_uuid IS NULL
  AND expires_at > $2 AND created_at > $3
"""  # noqa: S608 - the columns above
_LONGEST_LIFE_MS = 86_400_000


async def load_live(connection: Connection, company_ids: Sequence[int], now_ms: int) -> list[PingRow]:
    """The reservations of these companies that live at that moment."""
    return [_row(row) for row in await connection.fetch(LOAD_LIVE, company_ids, moment(now_ms))]


async def load_leases(connection: Connection, company_ids: Sequence[int], since_ms: int) -> list[PingRow]:
    """The pings without a caller that got a number and ran, or run, out after that moment, whatever became of them."""
    rows = await connection.fetch(
        LOAD_LEASES, company_ids, moment(since_ms), moment(since_ms - _LONGEST_LIFE_MS)
    )
    return [_row(row) for row in rows]


def moment(unix_ms: int) -> datetime:
    """Milliseconds as Postgres takes them, exactly. Errors: OverflowError beyond the year 9999."""
    return _EPOCH + unix_ms * _MS


def _ms(at: datetime | None) -> int:
    return (at - _EPOCH) // _MS if at else 0


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value if isinstance(value, str) else None


def _row(row: Record) -> PingRow:
    return PingRow(
        uuid=row["uuid"],
        company_id=row["company_id"],
        created_ms=_ms(row["created_at"]),
        key_id=row["key_id"],
        caller=row["caller"] or "",
        publisher_id=row["publisher_id"] or 0,
        campaign_id=row["campaign_id"],
        number=row["number"] or "",
        status=row["status"],
        reason=row["reason"] or "",
        original_uuid=row["original"] or "",
        test=row["test"],
        expires_ms=_ms(row["expires_at"]),
        ended_ms=_ms(row["ended_at"]),
        holds=row["holds"],
        tags=_decode_tags(row["tags"]),
        trace=None if row["trace"] is None else _decode_trace(row["trace"]),
        replay=_decode_replay(row["replay"]),
        confirmed_ms=_ms(row["confirmed_at"]),
        claimed_ms=_ms(row["claimed_at"]),
        call_uuid=row["call_uuid"] or "",
    )
