"""The call record: everything of one call, as the management API and operators see it.

Owns its reading. Must never be read on a hot path.
"""

from collections.abc import Mapping
from decimal import Decimal

from asyncpg import Record
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.calls import Call, CallState, Leg
from shared.stores.call_rows import CALL_COLUMNS, call_of, tags_of, tags_when
from shared.stores.calls import load_legs
from shared.stores.moments import moment
from shared.stores.postgres import Postgres


class Booking(Struct, frozen=True, kw_only=True):
    """One ledger row."""

    entry: int
    revenue_change: Decimal
    payout_change: Decimal
    cause: str


class CallRecord(Struct, frozen=True, kw_only=True):
    """A call with its legs, tags and ledger, and the customer-set ids of those who took part.

    Shape: publisher is an afid, campaign a cid, buyer a tid, group a name; "" = none. tids are by buyer id, of all legs.
    """

    state: CallState
    publisher: str
    campaign: str
    buyer: str
    group: str
    tids: Mapping[int, str]
    ledger: tuple[Booking, ...]

    @property
    def call(self) -> Call:
        """The call itself."""
        return self.state.call

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Its legs, by position."""
        return self.state.legs


FIND_RECORD = f"""
SELECT {CALL_COLUMNS},
       {tags_when("c.started_at = $1")},
       coalesce(p.afid, '') AS afid, coalesce(k.cid, '') AS cid, coalesce(b.tid, '') AS tid, coalesce(g.name, '') AS group_name
FROM calls c
LEFT JOIN publishers p ON p.id = c.publisher_id
LEFT JOIN campaigns k ON k.id = c.campaign_id
LEFT JOIN buyers b ON b.id = c.buyer_id
LEFT JOIN buyer_groups g ON g.id = c.group_id
WHERE c.started_at = $1 AND c.uuid = $2
"""  # noqa: S608 - the columns of call_rows.py
LOAD_LEDGER = """
SELECT entry, revenue_change, payout_change, cause FROM ledger
WHERE company_id = $1 AND call_started_at = $2 AND call_uuid = $3 ORDER BY entry
"""
LOAD_TIDS = "SELECT id, tid FROM buyers WHERE id = ANY($1::bigint[])"


async def find_record(postgres: Postgres, call_uuid: str) -> CallRecord | None:
    """One call's record, as it stood at one moment; None when there is no such call. Cost: one snapshot of four queries."""
    if not uuid7.is_uuid7(call_uuid):
        return None
    async with postgres.transaction(isolation="repeatable_read", readonly=True) as connection:
        started_at = moment(uuid7.ms_of(call_uuid))
        row = await connection.fetchrow(FIND_RECORD, started_at, call_uuid)
        if row is None:
            return None
        call = call_of(row)
        place = (row["company_id"], started_at, call_uuid)
        legs = await load_legs(connection, call)
        ledger = tuple(_booking(entry) for entry in await connection.fetch(LOAD_LEDGER, *place))
        tids = await connection.fetch(LOAD_TIDS, [leg.buyer_id for leg in legs])
    return CallRecord(
        state=CallState(call=call, legs=legs, tags=tags_of(row["tags"])),
        publisher=row["afid"],
        campaign=row["cid"],
        buyer=row["tid"],
        group=row["group_name"],
        tids={found["id"]: found["tid"] for found in tids},
        ledger=ledger,
    )


def _booking(row: Record) -> Booking:
    return Booking(
        entry=row["entry"],
        revenue_change=row["revenue_change"],
        payout_change=row["payout_change"],
        cause=row["cause"],
    )
