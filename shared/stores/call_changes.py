"""How a change of a call is written: all of it in one statement, or nothing.

Owns every UPDATE of calls and what hangs on a call: legs, tags, conversions, ledger, the outbox rows and the idempotent answers
of its change. Must never be judged here: a change names the revision that it was judged at, and applies to no other.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import count
from re import sub
from typing import Any, Protocol

import msgspec
from asyncpg import UniqueViolationError
from msgspec import Struct
from msgspec.structs import astuple

from shared.domain.call_books import CallChange, ConversionRow
from shared.domain.webhooks import Firing
from shared.stores.call_rows import as_json, leg_json, mutable, worth
from shared.stores.calls import Fetches
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


# What a switch tells changes any of these columns, and is a sign of life.
CHANGE_CALL = """
UPDATE calls SET
    status = $5, outcome = $6, publisher_id = $7, buyer_id = $8, group_id = $9, bid_revenue = $10, rescued = $11,
    duplicate = $12, forwarded_at = $13, answered_at = $14, ended_at = $15, closed_at = $16, hung_up_by = $17,
    total_duration_s = $18, told_connected_s = $19, connected_duration_s = $20, dialed_s = $21, recording_url = $22,
    payable = $23, receivable = $24, revenue = $25, payout = $26, posted_value = $27, posted_at = $28, revision = $29,
    ledger_entries = $30, fired = $31::text::jsonb, flow = $32::text::jsonb, rev = rev + 1, updated_at = now(),
    last_event_at = now()
WHERE started_at = $1 AND uuid = $2 AND rev = $3
RETURNING company_id, started_at, uuid, caller, $4::bigint AS key_id
"""
# What a partner tells changes no column that an index knows: where its page has room, no index is written.
CHANGE_WORTH = """
UPDATE calls SET
    publisher_id = $5, duplicate = $6, payable = $7, receivable = $8, revenue = $9, payout = $10, posted_value = $11,
    posted_at = $12, revision = $13, ledger_entries = $14, fired = $15::text::jsonb, rev = rev + 1, updated_at = now()
WHERE started_at = $1 AND uuid = $2 AND rev = $3
RETURNING company_id, started_at, uuid, caller, $4::bigint AS key_id
"""
_INSERT_SIDES = """
        INSERT INTO conversions (company_id, call_started_at, call_uuid, key_id, revision, side, criteria_id, value,
            posted_value, revenue, payout)
        SELECT c.company_id, c.started_at, c.uuid, c.key_id, v.* FROM changed c,"""
_INSERT_FIRINGS = """
        INSERT INTO outbox (company_id, call_uuid, caller, id, event_id, webhook_id, trigger, fire_order, host, payload,
            leased_until, next_at)
        SELECT c.company_id, c.uuid, c.caller, f.id, f.event_id, f.webhook_id, f.trigger, f.fire_order, f.host, f.payload,
               now() + make_interval(secs => f.leased_s::double precision),"""
_FIRING = """id uuid, event_id uuid, webhook_id bigint, trigger text, fire_order integer, follows boolean, host text,
            payload jsonb, dedupe_seconds integer, leased_s numeric"""
# The attempt before wakes it (outbox.note); an hour is for when that is lost.
_WOKEN_BY_THEN, _AT_ONCE = "interval '1 hour'", "interval '0'"
_SIDE = "(?::integer, ?::text, ?::bigint, ?::numeric, ?::numeric, ?::numeric, ?::numeric)"
# What hangs on the call (`changed c`), by the name of its part; a ? is the next parameter.
PARTS: Mapping[str, str] = {
    "legs": """
        INSERT INTO legs (company_id, call_started_at, call_uuid, uuid, position, buyer_id, group_id, number, timeout_seconds,
            send_digits, bid, status, place, subjects, hour_at, day_at, month_at, group_hour_at, group_day_at, group_month_at,
            dialled_at, answered_at, ended_at, failure, connected_s, released_at)
        SELECT c.company_id, c.started_at, c.uuid, l.*, CASE WHEN l.place <> 'taken' THEN now() END
        FROM changed c, jsonb_to_recordset(?::text::jsonb) AS l (uuid uuid, position integer, buyer_id bigint, group_id bigint,
            number text, timeout_seconds integer, send_digits text, bid numeric, status text, place text, subjects text,
            hour_at bigint, day_at bigint, month_at bigint, group_hour_at bigint, group_day_at bigint, group_month_at bigint,
            dialled_at timestamptz, answered_at timestamptz, ended_at timestamptz, failure text, connected_s integer)
        ON CONFLICT (company_id, call_started_at, call_uuid, uuid) DO UPDATE SET
            status = excluded.status, place = excluded.place, answered_at = excluded.answered_at, ended_at = excluded.ended_at,
            failure = excluded.failure, connected_s = excluded.connected_s,
            released_at = coalesce(legs.released_at, excluded.released_at)""",
    "tags": """
        INSERT INTO call_tags (company_id, call_started_at, call_uuid, name, value, key_id)
        SELECT c.company_id, c.started_at, c.uuid, t.key, t.value, c.key_id FROM changed c, jsonb_each_text(?::text::jsonb) AS t
        ON CONFLICT (company_id, call_started_at, call_uuid, name) DO UPDATE SET
            value = excluded.value, key_id = excluded.key_id, written_at = now()""",
    "judged": f"""{_INSERT_SIDES} jsonb_to_recordset(?::text::jsonb) AS v (revision integer, side text, criteria_id bigint,
            value numeric, posted_value numeric, revenue numeric, payout numeric)
        ON CONFLICT (company_id, call_started_at, call_uuid, revision, side) DO UPDATE SET
            criteria_id = excluded.criteria_id, revenue = excluded.revenue, payout = excluded.payout""",
    "one_side": f"{_INSERT_SIDES} (VALUES {_SIDE}) AS v",
    "both_sides": f"{_INSERT_SIDES} (VALUES {_SIDE}, {_SIDE}) AS v",
    "booked": """
        INSERT INTO ledger (company_id, call_started_at, call_uuid, key_id, entry, revenue_change, payout_change, cause)
        SELECT c.company_id, c.started_at, c.uuid, c.key_id, ?::integer, ?::numeric, ?::numeric, ?::text FROM changed c""",
    "deduped": f"""{_INSERT_FIRINGS}
               now() + CASE WHEN f.fire_order > min(f.fire_order) OVER (PARTITION BY f.event_id)
                            THEN {_WOKEN_BY_THEN} ELSE {_AT_ONCE} END
        FROM changed c, jsonb_to_recordset(?::text::jsonb) AS f ({_FIRING})
        WHERE f.dedupe_seconds = 0 OR NOT EXISTS (
            SELECT FROM outbox o WHERE o.webhook_id = f.webhook_id AND o.caller = c.caller
                AND o.created_at > now() - make_interval(secs => f.dedupe_seconds))""",
    "one_firing": f"""{_INSERT_FIRINGS} now()
        FROM changed c, (VALUES (?::uuid, ?::uuid, ?::bigint, ?::text, ?::integer, ?::text, ?::text::jsonb, ?::numeric))
            AS f (id, event_id, webhook_id, trigger, fire_order, host, payload, leased_s)""",
    "firings": f"""{_INSERT_FIRINGS} now() + CASE WHEN f.follows THEN {_WOKEN_BY_THEN} ELSE {_AT_ONCE} END
        FROM changed c, jsonb_to_recordset(?::text::jsonb) AS f ({_FIRING})""",
    "logged": """
        INSERT INTO postback_log (company_id, call_uuid, id, received_at, key_id, kind, caller, answer, detail)
        SELECT c.company_id, c.uuid, ?::uuid, ?::timestamptz, ?::bigint, ?::text, ?::text, ?::text, ?::text::jsonb
        FROM changed c""",
    "answered": """
        INSERT INTO idempotency_keys (key_id, value, fingerprint, status, answer)
        SELECT c.key_id, ?::text, ?::bytea, ?::integer, ?::text FROM changed c""",
}


async def save_change(
    runs: Runs,
    change: CallChange,
    *,
    logged: PostbackRow | None = None,
    answered: Answered | None = None,
    leased_s: float | None = None,
    by_partner: bool = False,
) -> bool:
    """Write a change; False when the call, or what its Idempotency-Key stands for, has changed meanwhile: nothing is written.

    Shape: all legs of the state are written, and the tags of the change. leased_s: who writes the change delivers its webhooks,
    and has so long for it. by_partner: of the call only its publisher, its money and what fired may differ.
    Errors: Unavailable.
    Cost: one round trip.
    """
    call = change.state.call
    parts = {
        "legs": _as_rows([leg_json(leg) for leg in change.state.legs]),
        "tags": _as_rows(change.tags),
        **_sides(change.conversions),
        "booked": astuple(change.ledger) if change.ledger else (),
        **_owed(change.firings, leased_s),
        "logged": _log_values(logged) if logged else (),
        "answered": astuple(answered) if answered else (),
    }
    written = {name: values for name, values in parts.items() if values}
    first = (*(moment(call.started_ms), call.uuid, call.rev), change.key_id or None)
    values = (*first, *(worth(call) if by_partner else mutable(call)))
    statement = _statement(CHANGE_WORTH if by_partner else CHANGE_CALL, tuple(written), known=len(values))
    values = (*values, *(value for each in written.values() for value in each))
    try:
        return bool(await runs.fetchval(statement, *values))
    except UniqueViolationError:
        if answered is None:
            raise
        return False


@cache
def _statement(change: str, parts: tuple[str, ...], *, known: int) -> str:
    """A change and what hangs on it: a part without a row costs nothing. Shape: known parameters stand in the change."""
    numbers = count(known + 1)
    numbered = (sub(r"[?]", lambda _: f"${next(numbers)}", PARTS[part]) for part in parts)
    tables = (f", {part} AS ({text}\n)" for part, text in zip(parts, numbered, strict=True))
    return f"WITH changed AS ({change}){''.join(tables)} SELECT true FROM changed"  # noqa: S608 - the texts above


FIND_ANSWERED = "SELECT fingerprint, status, answer FROM idempotency_keys WHERE key_id = $1 AND value = $2"


async def find_answered(fetches: Fetches, key_id: int, *, value: str) -> Answered | None:
    """What an Idempotency-Key stands for; None when it is new."""
    row = await fetches.fetchrow(FIND_ANSWERED, key_id, value)
    if row is None:
        return None
    return Answered(value=value, fingerprint=row["fingerprint"], status=row["status"], answer=row["answer"])


def stands_for(value: str, fingerprint: bytes, *, answer: str) -> Answered | None:
    """What a request's Idempotency-Key stands for from now on; None without such a key."""
    return Answered(value=value, fingerprint=fingerprint, status=200, answer=answer) if value else None


SAVE_ANSWERED = """
INSERT INTO idempotency_keys (key_id, value, fingerprint, status, answer) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""


async def save_answered(runs: "Executes", key_id: int, *, answered: Answered | None) -> None:
    """What an Idempotency-Key stands for whose request changed nothing; the first stays. None: there is no such key."""
    if answered is not None:
        await runs.execute(SAVE_ANSWERED, key_id, *astuple(answered))


LOG_POSTBACK = """
INSERT INTO postback_log (company_id, call_uuid, id, received_at, key_id, kind, caller, answer, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb)
"""


async def log_postback(runs: "Executes", company_id: int, *, row: PostbackRow, call_uuid: str = "") -> None:
    """Keep a postback that changed no call."""
    await runs.execute(LOG_POSTBACK, company_id, call_uuid or None, *_log_values(row))


class Executes(Protocol):
    """A pool, or a connection inside a transaction."""

    async def execute(self, query: str, *args: object) -> str:
        """One command."""


def _firing_values(firing: Firing, leased_s: float | None) -> tuple[object, ...]:
    return (
        *(firing.id, firing.event_id, firing.webhook_id, firing.trigger, firing.fire_order, firing.host),
        *(firing.payload.decode(), leased_s),
    )


def _owed(firings: Sequence[Firing], leased_s: float | None) -> dict[str, tuple[object, ...]]:
    """Which of an event's firings are first is only known in advance when none can fall away."""
    if len(firings) == 1 and not firings[0].dedupe_seconds:
        return {"one_firing": _firing_values(firings[0], leased_s)}
    first: dict[str, int] = {}
    for firing in firings:
        first[firing.event_id] = min(firing.fire_order, first.get(firing.event_id, firing.fire_order))
    rows = [
        {
            "id": firing.id,
            "event_id": firing.event_id,
            "webhook_id": firing.webhook_id,
            "trigger": firing.trigger,
            "fire_order": firing.fire_order,
            "follows": firing.fire_order > first[firing.event_id],
            "host": firing.host,
            "payload": msgspec.Raw(firing.payload),
            "dedupe_seconds": firing.dedupe_seconds,
            "leased_s": leased_s,
        }
        for firing in firings
    ]
    return {"deduped" if any(each.dedupe_seconds for each in firings) else "firings": _as_rows(rows)}


def _sides(rows: Sequence[ConversionRow]) -> dict[str, tuple[object, ...]]:
    """A judgement can come again, and JSON is read slowly: a posted value's rows are new, and at most two."""
    if not rows or not rows[0].revision:
        return {"judged": _as_rows(rows)}
    values = tuple(value for row in rows for value in astuple(row))
    return {"both_sides" if len(rows) > 1 else "one_side": values}


def _as_rows(rows: Collection[object]) -> tuple[str, ...]:
    return (as_json(rows),) if rows else ()


def _log_values(row: PostbackRow) -> tuple[object, ...]:
    return (
        *(row.id, moment(row.received_ms), row.key_id, row.kind),
        *(row.caller or None, row.answer, as_json(row.detail)),
    )
