"""How a change of a call is written: all of it in one statement, or nothing.

Owns every UPDATE of calls and what hangs on a call: legs, tags, conversions, ledger, the outbox rows and the idempotent answers
of its change. Must never be judged here: a change names the revision that it was judged at, and applies to no other.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from shared.domain.call_books import CallChange
from shared.domain.webhooks import Firing
from shared.stores.call_rows import as_json, leg_json, mutable
from shared.stores.moments import moment


class Runs(Protocol):
    """A pool, each statement its own transaction, or a connection inside one."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """The first row's first column."""


class PostbackRow(Struct, frozen=True, kw_only=True):
    """One inbound postback for the log. Shape: answer is SUCCESS or the reason; caller is E.164 or ""."""

    id: str
    received_ms: int
    key_id: int
    kind: str
    caller: str = ""
    answer: str
    detail: Mapping[str, str] = {}


class Answered(Struct, frozen=True, kw_only=True):
    """The answer that a request's Idempotency-Key stands for."""

    value: str
    fingerprint: bytes
    status: int
    answer: str


SAVE_CHANGE = """
WITH changed AS (
    UPDATE calls SET
        status = $4, outcome = $5, publisher_id = $6, buyer_id = $7, group_id = $8, bid_revenue = $9, rescued = $10,
        duplicate = $11, forwarded_at = $12, answered_at = $13, ended_at = $14, closed_at = $15, hung_up_by = $16,
        total_duration_s = $17, told_connected_s = $18, connected_duration_s = $19, dialed_s = $20, recording_url = $21,
        payable = $22, receivable = $23, revenue = $24, payout = $25, posted_value = $26, posted_at = $27, revision = $28,
        ledger_entries = $29, fired = $30::text::jsonb, flow = $31::text::jsonb,
        rev = rev + 1, updated_at = now(), last_event_at = now()
    WHERE started_at = $1 AND uuid = $2 AND rev = $3
    RETURNING company_id, started_at, uuid, caller
), leg AS (
    INSERT INTO legs (company_id, call_started_at, call_uuid, uuid, position, buyer_id, group_id, number, timeout_seconds,
        send_digits, bid, status, place, subjects, hour_at, day_at, month_at, group_hour_at, group_day_at, group_month_at,
        dialled_at, answered_at, ended_at, failure, connected_s, released_at)
    SELECT c.company_id, c.started_at, c.uuid, l.*, CASE WHEN l.place <> 'taken' THEN now() END
    FROM changed c, jsonb_to_recordset($32::text::jsonb) AS l (uuid uuid, position integer, buyer_id bigint, group_id bigint,
        number text, timeout_seconds integer, send_digits text, bid numeric, status text, place text, subjects text,
        hour_at bigint, day_at bigint, month_at bigint, group_hour_at bigint, group_day_at bigint, group_month_at bigint,
        dialled_at timestamptz, answered_at timestamptz, ended_at timestamptz, failure text, connected_s integer)
    ON CONFLICT (company_id, call_started_at, call_uuid, uuid) DO UPDATE SET
        status = excluded.status, place = excluded.place, answered_at = excluded.answered_at, ended_at = excluded.ended_at,
        failure = excluded.failure, connected_s = excluded.connected_s,
        released_at = coalesce(legs.released_at, excluded.released_at)
), tag AS (
    INSERT INTO call_tags (company_id, call_started_at, call_uuid, name, value, key_id)
    SELECT c.company_id, c.started_at, c.uuid, t.key, t.value, $38 FROM changed c, jsonb_each_text($33::text::jsonb) AS t
    ON CONFLICT (company_id, call_started_at, call_uuid, name) DO UPDATE SET
        value = excluded.value, key_id = excluded.key_id, written_at = now()
), conversion AS (
    INSERT INTO conversions (company_id, call_started_at, call_uuid, key_id, revision, side, criteria_id, value, posted_value,
        revenue, payout)
    SELECT c.company_id, c.started_at, c.uuid, $38, v.*
    FROM changed c, jsonb_to_recordset($34::text::jsonb) AS v (revision integer, side text, criteria_id bigint, value numeric,
        posted_value numeric, revenue numeric, payout numeric)
    ON CONFLICT (company_id, call_started_at, call_uuid, revision, side) DO UPDATE SET
        criteria_id = excluded.criteria_id, revenue = excluded.revenue, payout = excluded.payout
), booked AS (
    INSERT INTO ledger (company_id, call_started_at, call_uuid, key_id, entry, revenue_change, payout_change, cause)
    SELECT c.company_id, c.started_at, c.uuid, $38, b.*
    FROM changed c, jsonb_to_recordset($35::text::jsonb) AS b (entry integer, revenue_change numeric, payout_change numeric,
        cause text)
), fired AS (
    INSERT INTO outbox (company_id, call_uuid, caller, id, event_id, webhook_id, trigger, fire_order, host, payload,
        leased_until, next_at)
    SELECT c.company_id, c.uuid, c.caller, f.id, f.event_id, f.webhook_id, f.trigger, f.fire_order, f.host, f.payload,
           now() + make_interval(secs => f.leased_s::double precision),
           now() + CASE WHEN f.fire_order > min(f.fire_order) OVER (PARTITION BY f.event_id) THEN interval '1 hour'
                        ELSE interval '0' END -- the attempt before wakes it (outbox.note); an hour is for when that is lost
    FROM changed c, jsonb_to_recordset($36::text::jsonb) AS f (id uuid, event_id uuid, webhook_id bigint, trigger text,
        fire_order integer, host text, payload jsonb, dedupe_seconds integer, leased_s numeric)
    WHERE f.dedupe_seconds = 0 OR NOT EXISTS (
        SELECT FROM outbox o WHERE o.webhook_id = f.webhook_id AND o.caller = c.caller
            AND o.created_at > now() - make_interval(secs => f.dedupe_seconds))
), logged AS (
    INSERT INTO postback_log (company_id, call_uuid, id, received_at, key_id, kind, caller, answer, detail)
    SELECT c.company_id, c.uuid, p.* FROM changed c, jsonb_to_recordset($37::text::jsonb) AS p (id uuid,
        received_at timestamptz, key_id bigint, kind text, caller text, answer text, detail jsonb)
), answered AS (
    INSERT INTO idempotency_keys (key_id, value, fingerprint, status, answer)
    SELECT $38, a.value, decode(a.fingerprint, 'hex'), a.status, a.answer
    FROM changed c, jsonb_to_recordset($39::text::jsonb) AS a (value text, fingerprint text, status integer, answer text)
)
SELECT count(*) FROM changed
"""


async def save_change(
    runs: Runs,
    change: CallChange,
    *,
    logged: PostbackRow | None = None,
    answered: Answered | None = None,
    leased_s: float | None = None,
) -> bool:
    """Write a change; False when the call has changed since it was loaded: nothing is written then.

    Shape: all legs of the state are written, and the tags of the change. leased_s: who writes the change delivers its webhooks,
    and has so long for it.
    Errors: Unavailable; asyncpg.UniqueViolationError when another answer stands for the same Idempotency-Key.
    Cost: one round trip.
    """
    call = change.state.call
    rows = (
        as_json([leg_json(leg) for leg in change.state.legs]),
        as_json(change.tags),
        as_json(change.conversions),
        as_json([change.ledger] if change.ledger else []),
        as_json([_firing(firing, leased_s) for firing in change.firings]),
        as_json([_postback(logged)] if logged else []),
        change.key_id or None,
        as_json([_answered(answered)] if answered else []),
    )
    changed = await runs.fetchval(
        SAVE_CHANGE, moment(call.started_ms), call.uuid, call.rev, *mutable(call), *rows
    )
    return bool(changed)


LOG_POSTBACK = """
INSERT INTO postback_log (company_id, call_uuid, id, received_at, key_id, kind, caller, answer, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb)
"""


async def log_postback(runs: "Executes", company_id: int, *, row: PostbackRow, call_uuid: str = "") -> None:
    """Keep a postback that changed no call."""
    await runs.execute(
        LOG_POSTBACK,
        company_id,
        call_uuid or None,
        row.id,
        moment(row.received_ms),
        row.key_id,
        row.kind,
        row.caller or None,
        row.answer,
        as_json(row.detail),
    )


class Executes(Protocol):
    """A pool, or a connection inside a transaction."""

    async def execute(self, query: str, *args: object) -> str:
        """One command."""


def _firing(firing: Firing, leased_s: float | None) -> dict[str, Any]:
    return {
        "id": firing.id,
        "event_id": firing.event_id,
        "webhook_id": firing.webhook_id,
        "trigger": firing.trigger,
        "fire_order": firing.fire_order,
        "host": firing.host,
        "payload": msgspec.Raw(firing.payload),
        "dedupe_seconds": firing.dedupe_seconds,
        "leased_s": leased_s,
    }


def _postback(row: PostbackRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "received_at": moment(row.received_ms),
        "key_id": row.key_id,
        "kind": row.kind,
        "caller": row.caller or None,
        "answer": row.answer,
        "detail": row.detail,
    }


def _answered(answered: Answered) -> dict[str, Any]:
    return {
        "value": answered.value,
        "fingerprint": answered.fingerprint.hex(),
        "status": answered.status,
        "answer": answered.answer,
    }
