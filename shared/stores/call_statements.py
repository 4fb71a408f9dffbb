"""The statement that writes changes of calls: each with all that hangs on it, or not at all.

Owns its text, put together from the parts that have rows. Must never run it.

Every part gets its rows as one JSON text, so that the same statement writes one call's change and those of many: a row names
its call, and is written when that call has changed.
"""

from collections.abc import Iterable, Mapping
from functools import cache

# What a partner tells changes no column that an index knows: where its page has room, no index is written.
WORTH: Mapping[str, str] = {
    "publisher_id": "bigint",
    "duplicate": "boolean",
    "payable": "boolean",
    "receivable": "boolean",
    "revenue": "numeric",
    "payout": "numeric",
    "posted_value": "numeric",
    "posted_at": "timestamptz",
    "revision": "integer",
    "ledger_entries": "integer",
    "fired": "jsonb",
}
# What a switch tells changes any of these, and is a sign of life.
STATE: Mapping[str, str] = {
    **WORTH,
    "status": "text",
    "outcome": "text",
    "buyer_id": "bigint",
    "group_id": "bigint",
    "bid_revenue": "numeric",
    "rescued": "boolean",
    "forwarded_at": "timestamptz",
    "answered_at": "timestamptz",
    "ended_at": "timestamptz",
    "closed_at": "timestamptz",
    "hung_up_by": "text",
    "total_duration_s": "integer",
    "told_connected_s": "integer",
    "connected_duration_s": "integer",
    "dialed_s": "integer",
    "recording_url": "text",
    "flow": "jsonb",
}
LEG: Mapping[str, str] = {
    "uuid": "uuid",
    "position": "integer",
    "buyer_id": "bigint",
    "group_id": "bigint",
    "number": "text",
    "timeout_seconds": "integer",
    "send_digits": "text",
    "bid": "numeric",
    "status": "text",
    "place": "text",
    "subjects": "text",
    "hour_at": "bigint",
    "day_at": "bigint",
    "month_at": "bigint",
    "group_hour_at": "bigint",
    "group_day_at": "bigint",
    "group_month_at": "bigint",
    "dialled_at": "timestamptz",
    "answered_at": "timestamptz",
    "ended_at": "timestamptz",
    "failure": "text",
    "connected_s": "integer",
    "transferred_from": "uuid",
    "warm": "boolean",
}
TAG: Mapping[str, str] = {"name": "text", "value": "text"}
SIDE: Mapping[str, str] = {
    "revision": "integer",
    "side": "text",
    "criteria_id": "bigint",
    "value": "numeric",
    "posted_value": "numeric",
    "revenue": "numeric",
    "payout": "numeric",
}
BOOKING: Mapping[str, str] = {
    "entry": "integer",
    "revenue_change": "numeric",
    "payout_change": "numeric",
    "cause": "text",
}
FIRING: Mapping[str, str] = {
    "id": "uuid",
    "event_id": "uuid",
    "webhook_id": "bigint",
    "trigger": "text",
    "fire_order": "integer",
    "host": "text",
    "payload": "jsonb",
}
LOGGED: Mapping[str, str] = {
    "id": "uuid",
    "received_at": "timestamptz",
    "key_id": "bigint",
    "kind": "text",
    "caller": "text",
    "answer": "text",
    "detail": "jsonb",
}
ANSWERED: Mapping[str, str] = {"value": "text", "fingerprint": "text", "status": "integer", "answer": "text"}
_FIRING_MORE = {**FIRING, "follows": "boolean", "dedupe_seconds": "integer", "leased_s": "numeric"}

_ON_CALL = "company_id, call_started_at, call_uuid"
_THE_CALL = "c.company_id, c.started_at, c.uuid"
# The attempt before wakes it (outbox.note); an hour is for when that is lost.
_WOKEN_BY_THEN, _AT_ONCE = "interval '1 hour'", "interval '0'"
_LEASED_UNTIL = "now() + make_interval(secs => r.leased_s::double precision)"


def _names(columns: Iterable[str], of: str = "") -> str:
    return ", ".join(f"{of}{name}" for name in columns)


def _rows(columns: Mapping[str, str]) -> str:
    """The rows of a part beside the calls that have changed; a ? is the part's parameter."""
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return (
        f"FROM changed c JOIN json_to_recordset(?::text::json) AS r (call uuid, {types}) ON r.call = c.uuid"
    )


def _firings(due: str, when: str = "") -> str:
    return f"""
        INSERT INTO outbox (company_id, call_uuid, caller, {_names(FIRING)}, leased_until, next_at)
        SELECT c.company_id, c.uuid, c.caller, {_names(FIRING, "r.")}, {_LEASED_UNTIL}, now() + CASE WHEN {due}
               THEN {_WOKEN_BY_THEN} ELSE {_AT_ONCE} END
        {_rows(_FIRING_MORE)} {when}"""


# What hangs on a call, by the name of its part.
_PARTS: Mapping[str, str] = {
    "legs": f"""
        INSERT INTO legs ({_ON_CALL}, {_names(LEG)}, released_at)
        SELECT {_THE_CALL}, {_names(LEG, "r.")}, CASE WHEN r.place <> 'taken' THEN now() END {_rows(LEG)}
        ON CONFLICT ({_ON_CALL}, uuid) DO UPDATE SET
            status = excluded.status, place = excluded.place, answered_at = excluded.answered_at, ended_at = excluded.ended_at,
            failure = excluded.failure, connected_s = excluded.connected_s,
            released_at = coalesce(legs.released_at, excluded.released_at)""",
    "tags": f"""
        INSERT INTO call_tags ({_ON_CALL}, key_id, {_names(TAG)})
        SELECT {_THE_CALL}, c.key_id, {_names(TAG, "r.")} {_rows(TAG)}
        ON CONFLICT ({_ON_CALL}, name) DO UPDATE SET value = excluded.value, key_id = excluded.key_id, written_at = now()""",
    "sides": f"""
        INSERT INTO conversions ({_ON_CALL}, key_id, {_names(SIDE)})
        SELECT {_THE_CALL}, c.key_id, {_names(SIDE, "r.")} {_rows(SIDE)}
        ON CONFLICT ({_ON_CALL}, revision, side) DO UPDATE SET
            criteria_id = excluded.criteria_id, revenue = excluded.revenue, payout = excluded.payout""",
    "booked": f"""
        INSERT INTO ledger ({_ON_CALL}, key_id, {_names(BOOKING)})
        SELECT {_THE_CALL}, c.key_id, {_names(BOOKING, "r.")} {_rows(BOOKING)}""",
    "firings": _firings("r.follows"),
    "deduped": _firings(
        "r.fire_order > min(r.fire_order) OVER (PARTITION BY r.event_id)",
        """WHERE r.dedupe_seconds = 0 OR NOT EXISTS (
            SELECT FROM outbox o WHERE o.webhook_id = r.webhook_id AND o.caller = c.caller
                AND o.created_at > now() - make_interval(secs => r.dedupe_seconds))""",
    ),
    "logged": f"""
        INSERT INTO postback_log (company_id, call_uuid, {_names(LOGGED)})
        SELECT c.company_id, c.uuid, {_names(LOGGED, "r.")} {_rows(LOGGED)}""",
    "answered": f"""
        INSERT INTO idempotency_keys (key_id, value, fingerprint, status, answer)
        SELECT c.key_id, r.value, decode(r.fingerprint, 'base64'), r.status, r.answer {_rows(ANSWERED)}""",
}
PART_NAMES = tuple(_PARTS)


@cache
def statement_of(parts: tuple[str, ...], *, by_partner: bool) -> str:
    """What writes changes whose parts are these, in the order of PART_NAMES: a part without a row costs nothing.

    Shape: $1 are the calls, then a parameter a part; the answer is the uuid of each call that has changed.
    """
    columns = WORTH if by_partner else STATE
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    also = "" if by_partner else ", last_event_at = now()"
    tables = (
        f", {part} AS ({_PARTS[part].replace('?', f'${place}', 1)}\n)"
        for place, part in enumerate(parts, start=2)
    )
    return f"""
WITH changed AS (
    UPDATE calls c SET {", ".join(f"{name} = r.{name}" for name in columns)}, rev = c.rev + 1, updated_at = now(){also}
    FROM json_to_recordset($1::text::json) AS r (at timestamptz, call uuid, judged_at_rev bigint, key_id bigint, {types})
    WHERE c.started_at = r.at AND c.uuid = r.call AND c.rev = r.judged_at_rev
    RETURNING c.company_id, c.started_at, c.uuid, c.caller, r.key_id
){"".join(tables)}
SELECT uuid::text FROM changed
"""  # noqa: S608 - columns of this file
