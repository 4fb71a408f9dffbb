"""Calls in Postgres: opened once for each call of a switch, found by what partners know of them.

Owns the tables calls and call_keys, but for what a change writes (call_changes.py). Must never decide what a call becomes.
"""

from typing import Protocol

from asyncpg import Record
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.calls import Call, CallState, Leg
from shared.domain.settlement import Nearest
from shared.stores.call_rows import CALL_COLUMNS, LEG_COLUMNS, call_of, leg_of, tags_of, tags_when
from shared.stores.moments import moment
from shared.stores.postgres import Connection


class Fetches(Protocol):
    """A pool, or a connection inside a transaction."""

    async def fetchrow(self, query: str, *args: object) -> Record | None:
        """The first row."""

    async def fetch(self, query: str, *args: object) -> list[Record]:
        """All rows."""


class Found(Struct, frozen=True, kw_only=True):
    """A call with its tags, and the config version of its company as it stood then. Its legs are not loaded."""

    state: CallState
    version: int


_FOUND = f"""
SELECT {CALL_COLUMNS},
       {tags_when("c.started_at = $1")},
       co.config_version
FROM calls c JOIN companies co ON co.id = c.company_id
"""  # noqa: S608 - the columns above
FIND_CALL = f"{_FOUND} WHERE c.started_at = $1 AND c.uuid = $2 AND c.company_id = $3"
FIND_ALIAS = "SELECT call_uuid::text FROM pings WHERE created_at = $1 AND uuid = $2 AND company_id = $3"


async def find_call(fetches: Fetches, company_id: int, *, uuid: str) -> Found | None:
    """A company's call by its uuid, or by that of the reservation that it claimed. Cost: one look-up, two more for an alias."""
    if not uuid7.is_uuid7(uuid):
        return None
    at = moment(uuid7.ms_of(uuid))
    row = await fetches.fetchrow(FIND_CALL, at, uuid, company_id)
    if row is None:
        alias = await fetches.fetchrow(FIND_ALIAS, at, uuid, company_id)
        if alias is None or not alias["call_uuid"]:
            return None
        own = alias["call_uuid"]
        row = await fetches.fetchrow(FIND_CALL, moment(uuid7.ms_of(own)), own, company_id)
    return None if row is None else found_of(row)


LOAD_LEGS = f"""
SELECT {LEG_COLUMNS} FROM legs WHERE company_id = $1 AND call_started_at = $2 AND call_uuid = $3 ORDER BY position
"""  # noqa: S608 - the columns above


async def load_legs(fetches: Fetches, call: Call) -> tuple[Leg, ...]:
    """A call's legs, by position. Cost: one query."""
    rows = await fetches.fetch(LOAD_LEGS, call.company_id, moment(call.started_ms), call.uuid)
    return tuple(leg_of(row) for row in rows)


FIND_OPENED = (
    "SELECT call_uuid::text FROM call_keys WHERE provider = $1 AND provider_call_id = $2 AND company_id = $3"
)


async def find_opened(fetches: Fetches, company_id: int, *, provider: str, provider_call_id: str) -> str:
    """The uuid of a switch's call that is known already, "" when it is not."""
    row = await fetches.fetchrow(FIND_OPENED, provider, provider_call_id, company_id)
    return row["call_uuid"] if row else ""


CLAIM_PROVIDER_CALL = """
INSERT INTO call_keys (provider, provider_call_id, company_id, call_uuid) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider, provider_call_id) DO NOTHING
"""
HAS_CALLED = """
SELECT EXISTS (SELECT FROM calls WHERE company_id = $1 AND caller = $2 AND dialed_number = $3 AND started_at < $4)
"""
INSERT_CALL = """
INSERT INTO calls (company_id, started_at, uuid, status, provider, provider_call_id, call_key_hmac, caller, dialed_number,
    number_id, campaign_id, publisher_id, reservation_uuid, ping_key_id, reserved_buyer_id, reserved_group_id, reserved_bid,
    reserved_number, only_reserved, promised_payout, via, repeat)
VALUES ($1, $2, $3, 'ringing', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
"""


async def claim_provider_call(connection: Connection, call: Call) -> bool:
    """Whether this is the first time that the switch tells of this call: then its uuid is the call's for good."""
    tag = await connection.execute(
        CLAIM_PROVIDER_CALL, call.provider, call.provider_call_id, call.company_id, call.uuid
    )
    return tag == "INSERT 0 1"


async def has_called(connection: Connection, call: Call) -> bool:
    """Whether the caller has called this number before."""
    return bool(call.caller) and bool(
        await connection.fetchval(
            HAS_CALLED, call.company_id, call.caller, call.number, moment(call.started_ms)
        )
    )


async def insert_call(connection: Connection, call: Call, *, key_hmac: bytes) -> None:
    """A new call, ringing. Shape: its tags and webhooks come with its first change."""
    await connection.execute(
        INSERT_CALL,
        call.company_id,
        moment(call.started_ms),
        call.uuid,
        call.provider,
        call.provider_call_id,
        key_hmac,
        call.caller or None,
        call.number or None,
        call.number_id or None,
        call.campaign_id,
        call.publisher_id or None,
        call.reservation_uuid or None,
        call.ping_key_id or None,
        call.reserved_buyer_id or None,
        call.reserved_group_id or None,
        call.reserved_bid,
        call.reserved_number or None,
        call.only_reserved,
        call.promised_payout,
        call.via or None,
        call.repeat,
    )


LOCK_CALL = "SELECT rev FROM calls WHERE started_at = $1 AND uuid = $2 FOR UPDATE"


async def lock_call(connection: Connection, call: Call) -> None:
    """Wait for all who change the call, and let nobody change it before this transaction ends."""
    await connection.execute(LOCK_CALL, moment(call.started_ms), call.uuid)


TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, $2))"


async def take_turn(connection: Connection, call: Call) -> None:
    """One caller's conversions at one buyer are judged in turn: whoever comes waits for the end of the other's transaction."""
    await connection.execute(TAKE_TURN, f"{call.caller} at {call.buyer_id}", call.company_id)


LOAD_NEAREST = """
SELECT min(abs(extract(epoch FROM started_at - $4))) FILTER (WHERE payable)::bigint AS paid_s,
       min(abs(extract(epoch FROM started_at - $4))) FILTER (WHERE receivable)::bigint AS billed_s
FROM calls
WHERE company_id = $1 AND caller = $2 AND buyer_id = $3 AND uuid <> $5
  AND started_at > $4 - make_interval(secs => $6) AND started_at < $4 + make_interval(secs => $6)
"""


async def load_nearest(connection: Connection, call: Call, *, within_s: int) -> Nearest:
    """The nearest other call of the same caller and buyer that has converted; none is known of anonymous callers.

    Shape: inside a transaction that then books the call; others of the same caller wait for its end.
    """
    if not within_s or not call.caller or not call.buyer_id:
        return Nearest()
    await take_turn(connection, call)
    row = await connection.fetchrow(
        LOAD_NEAREST,
        call.company_id,
        call.caller,
        call.buyer_id,
        moment(call.started_ms),
        call.uuid,
        within_s,
    )
    return Nearest(paid_s=row["paid_s"], billed_s=row["billed_s"]) if row else Nearest()


def found_of(row: Record) -> Found:
    """A row of the look-ups of calls."""
    return Found(state=CallState(call=call_of(row), tags=tags_of(row["tags"])), version=row["config_version"])
