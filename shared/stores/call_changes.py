"""How changes of calls are written: each of them whole, or not at all.

Owns every UPDATE of calls and what hangs on a call: legs, tags, conversions, ledger, the outbox rows and the idempotent answers
of its change. Must never be judged here: a change names the revision that it was judged at, and applies to no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from asyncpg import Record, UniqueViolationError
from msgspec import Struct
from msgspec.structs import asdict, astuple

from shared.domain.call_books import CallChange
from shared.domain.webhooks import Firing
from shared.stores.call_rows import as_json, leg_json, mutable, worth
from shared.stores.call_statements import PART_NAMES, statement_of
from shared.stores.calls import Fetches
from shared.stores.moments import moment


class Runs(Protocol):
    """A pool, each statement its own transaction, or a connection inside one."""

    async def fetch(self, query: str, *args: object) -> list[Record]:
        """All rows."""


class Executes(Protocol):
    """A pool, or a connection inside a transaction."""

    async def execute(self, query: str, *args: object) -> str:
        """One command."""


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


class Saving(Struct, frozen=True, kw_only=True):
    """A change that is to be written.

    Shape: all legs of the state are written, and the tags of the change. leased_s: who writes the change delivers its webhooks,
    and has so long for it.
    """

    change: CallChange
    logged: PostbackRow | None = None
    answered: Answered | None = None
    leased_s: float | None = None

    @property
    def name(self) -> tuple[str, ...]:
        """Two changes of one name are never written in one statement."""
        return (self.change.state.call.uuid,)

    @property
    def alone(self) -> bool:
        """Whether it may be refused, or depends on what others write, and so shares a statement with none."""
        return self.answered is not None or any(each.dedupe_seconds for each in self.change.firings)


async def save_changes(runs: Runs, savings: Sequence[Saving], *, by_partner: bool = False) -> list[bool]:
    """Write changes of different calls; False for each whose call has changed meanwhile: nothing of it is written.

    Shape: by_partner: of the calls only their publisher, their money and what fired may differ.
    Errors: Unavailable; UniqueViolationError for what an Idempotency-Key stands for. Cost: one round trip.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for saving in savings:
        for part, of_one in _parts(saving):
            rows.setdefault(part, []).extend({"call": saving.change.state.call.uuid, **row} for row in of_one)
    parts = tuple(part for part in PART_NAMES if rows.get(part))
    statement = statement_of(parts, by_partner=by_partner)
    calls = as_json([_call_row(saving.change, by_partner=by_partner) for saving in savings])
    written = await runs.fetch(statement, calls, *(as_json(rows[part]) for part in parts))
    uuids = {row["uuid"] for row in written}
    return [saving.change.state.call.uuid in uuids for saving in savings]


async def save_change(runs: Runs, saving: Saving, *, by_partner: bool = False) -> bool:
    """Write one change; False when the call, or what its Idempotency-Key stands for, has changed meanwhile.

    Errors: Unavailable. Cost: one round trip.
    """
    try:
        (written,) = await save_changes(runs, [saving], by_partner=by_partner)
    except UniqueViolationError:
        if saving.answered is None:
            raise
        return False
    return written


def _call_row(change: CallChange, *, by_partner: bool) -> dict[str, Any]:
    call = change.state.call
    return {
        "at": moment(call.started_ms),
        "call": call.uuid,
        "judged_at_rev": call.rev,
        "key_id": change.key_id or None,
        **(worth(call) if by_partner else mutable(call)),
    }


def _parts(saving: Saving) -> Iterable[tuple[str, Iterable[dict[str, Any]]]]:
    """What hangs on a change, by the part of the statement."""
    change = saving.change
    yield "legs", (leg_json(leg) for leg in change.state.legs)
    yield "tags", ({"name": name, "value": value} for name, value in change.tags.items())
    yield "sides", map(asdict, change.conversions)
    if change.ledger is not None:
        yield "booked", (asdict(change.ledger),)
    if change.firings:
        deduped = any(each.dedupe_seconds for each in change.firings)
        yield "deduped" if deduped else "firings", _firings(change.firings, saving.leased_s)
    if saving.logged is not None:
        yield "logged", (_log_row(saving.logged),)
    if saving.answered is not None:
        yield "answered", (asdict(saving.answered),)


def _firings(firings: Sequence[Firing], leased_s: float | None) -> Iterable[dict[str, Any]]:
    first: dict[str, int] = {}
    for firing in firings:
        first[firing.event_id] = min(firing.fire_order, first.get(firing.event_id, firing.fire_order))
    for firing in firings:
        yield {
            "id": firing.id,
            "event_id": firing.event_id,
            "webhook_id": firing.webhook_id,
            "trigger": firing.trigger,
            "fire_order": firing.fire_order,
            "host": firing.host,
            "payload": msgspec.Raw(firing.payload),
            "follows": firing.fire_order > first[firing.event_id],
            "dedupe_seconds": firing.dedupe_seconds,
            "leased_s": leased_s,
        }


def _log_row(row: PostbackRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "received_at": moment(row.received_ms),
        "key_id": row.key_id,
        "kind": row.kind,
        "caller": row.caller or None,
        "answer": row.answer,
        "detail": row.detail,
    }


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


async def save_answered(runs: Executes, key_id: int, *, answered: Answered | None) -> None:
    """What an Idempotency-Key stands for whose request changed nothing; the first stays. None: there is no such key."""
    if answered is not None:
        await runs.execute(SAVE_ANSWERED, key_id, *astuple(answered))


LOG_POSTBACK = """
INSERT INTO postback_log (company_id, call_uuid, id, received_at, key_id, kind, caller, answer, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb)
"""


async def log_postback(runs: Executes, company_id: int, *, row: PostbackRow, call_uuid: str = "") -> None:
    """Keep a postback that changed no call."""
    values = {**_log_row(row), "detail": as_json(row.detail)}
    await runs.execute(LOG_POSTBACK, company_id, call_uuid or None, *values.values())
