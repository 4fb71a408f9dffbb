"""The ping log in Postgres.

Owns every statement on the table pings. A status only moves forward: reserved, confirmed, then expired or claimed, and a
claim is final. Must never read a stream: shared/stores/drain.py brings the rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from asyncpg import Record
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.ping_log import PingRow
from shared.domain.pings import Confirmation
from shared.stores.key_uses import KeyUse
from shared.stores.moments import moment
from shared.stores.ping_rows import COLUMN_LIST, COLUMNS, SELECTED, from_record, to_record
from shared.stores.postgres import Connection, Postgres

_LONGEST_LIFE_MS = 86_400_000

CREATE_DRAINED = "CREATE TEMP TABLE IF NOT EXISTS drained_pings (LIKE pings) ON COMMIT DELETE ROWS"
# A row that is there already was drained before, unless its caller's claim came first: that one lacks everything else.
# Both kinds that are written here are returned: a claim is no use of the key, so its row's ping was not counted either.
INSERT_DRAINED = f"""
WITH stored AS (
    INSERT INTO pings ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM drained_pings
    ON CONFLICT (created_at, uuid) DO UPDATE SET
        caller = excluded.caller, publisher_id = excluded.publisher_id, buyer_id = excluded.buyer_id,
        group_id = excluded.group_id, number = excluded.number, revenue = excluded.revenue, payout = excluded.payout,
        seconds = excluded.seconds, reason = excluded.reason, test = excluded.test,
        caller_state = excluded.caller_state, caller_city = excluded.caller_city, caller_zip = excluded.caller_zip,
        caller_country = excluded.caller_country, expires_at = excluded.expires_at, holds = excluded.holds,
        tags = excluded.tags, trace = excluded.trace, replay = excluded.replay
    WHERE pings.replay = '{{}}'
    RETURNING key_id, created_at
)
SELECT key_id, count(*) AS uses, max(created_at) AS last_at FROM stored GROUP BY key_id
"""  # noqa: S608 - the column names above
EMPTY_DRAINED = "DELETE FROM drained_pings"


async def save_drained(connection: Connection, rows: Sequence[PingRow]) -> list[KeyUse]:
    """Store rows that may be stored already, each once; what their keys did, those that were stored before left out.

    Shape: no uuid twice among rows; their days' partitions exist. A key stands once in the answer.
    Errors: asyncpg's DataError and ValueErrors when a value fits no column. Cost: one COPY, one INSERT.
    """
    await connection.execute(CREATE_DRAINED)
    await connection.execute(EMPTY_DRAINED)  # of an earlier part of the same transaction
    await connection.copy_records_to_table(
        "drained_pings", records=[to_record(row) for row in rows], columns=COLUMNS
    )
    return [
        KeyUse(key_id=row["key_id"], uses=row["uses"], last_at=row["last_at"])
        for row in await connection.fetch(INSERT_DRAINED)
    ]


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


CLAIM_DUE = """
SELECT created_at, uuid, duplicate_original_uuid::text AS original FROM pings
WHERE status IN ('reserved', 'confirmed') AND expires_at < $1
ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
EXPIRE = """
UPDATE pings SET
    status = 'expired', ended_at = expires_at,
    time_to_resolve_s = greatest(0, extract(epoch FROM expires_at - pings.created_at))
FROM unnest($1::timestamptz[], $2::uuid[]) AS due (created_at, uuid)
WHERE pings.created_at = due.created_at AND pings.uuid = due.uuid AND pings.created_at BETWEEN $3 AND $4
RETURNING pings.uuid::text AS uuid, key_id, test, duplicate_original_uuid
"""


class Expired(Struct, frozen=True, kw_only=True):
    """What was ended: how many rows, and how many reservations of each shard's keys, without repeats and tests."""

    rows: int
    by_key: Mapping[tuple[int, int], int]


async def expire(postgres: Postgres, before_ms: int, *, limit: int) -> Expired:
    """End reservations that ran out before that moment, and what repeats them. Cost: three statements."""
    ended: list[Record] = []
    async with postgres.transaction() as connection:
        due = await connection.fetch(CLAIM_DUE, moment(before_ms), limit)
        if due:
            created = [row["created_at"] for row in due]
            uuids = [row["uuid"] for row in due]
            ended = await connection.fetch(EXPIRE, created, uuids, min(created), max(created))
            await _follow_claims(connection, [row for row in due if row["original"]])
    first = (row for row in ended if not row["test"] and row["duplicate_original_uuid"] is None)
    by_key = Counter((uuid7.shard_of(row["uuid"]), row["key_id"]) for row in first)
    return Expired(rows=len(due), by_key=by_key)


FOLLOW_CLAIMS = """
UPDATE pings SET
    status = 'claimed', call_uuid = first.call_uuid, claimed_at = first.claimed_at, ended_at = first.claimed_at,
    time_to_resolve_s = greatest(0, extract(epoch FROM first.claimed_at - pings.created_at))
FROM unnest($1::timestamptz[], $2::uuid[], $3::timestamptz[], $4::uuid[]) AS due (created_at, uuid, first_at, first)
JOIN pings first ON first.created_at = due.first_at AND first.uuid = due.first
WHERE first.status = 'claimed' AND first.created_at BETWEEN $5 AND $6
  AND pings.created_at = due.created_at AND pings.uuid = due.uuid AND pings.created_at BETWEEN $7 AND $8
"""


async def _follow_claims(connection: Connection, repeats: Sequence[Record]) -> None:
    """A repeat ends as the reservation that it repeats did."""
    if not repeats:
        return
    created = [row["created_at"] for row in repeats]
    first = [moment(uuid7.ms_of(row["original"])) for row in repeats]
    uuids, originals = [row["uuid"] for row in repeats], [row["original"] for row in repeats]
    bounds = (min(first), max(first), min(created), max(created))
    await connection.execute(FOLLOW_CLAIMS, created, uuids, first, originals, *bounds)


class Claim(Struct, frozen=True, kw_only=True):
    """A reservation that became a call. Units: at_ms unix milliseconds."""

    uuid: str
    company_id: int
    key_id: int
    publisher_id: int
    campaign_id: int
    call_uuid: str
    at_ms: int


# Before the drain: a row with nothing but the claim, which the drain then completes. A reservation that was live when its
# caller came may have been ended by the expire job while the claim was on its way.
SAVE_CLAIM = """
INSERT INTO pings (company_id, created_at, uuid, key_id, publisher_id, campaign_id,
                   status, call_uuid, claimed_at, ended_at, time_to_resolve_s)
VALUES ($1, $2, $3, $4, $5, $6, 'claimed', $7, $8, $8, greatest(0, extract(epoch FROM $8::timestamptz - $2::timestamptz)))
ON CONFLICT (created_at, uuid) DO UPDATE SET
    status = 'claimed', call_uuid = excluded.call_uuid, claimed_at = excluded.claimed_at,
    ended_at = excluded.ended_at, time_to_resolve_s = excluded.time_to_resolve_s
WHERE pings.status IN ('reserved', 'confirmed', 'expired') AND pings.expires_at > excluded.claimed_at
"""


async def save_claim(connection: Connection, claim: Claim) -> bool:
    """Move a ping on to claimed, in the transaction of its call; False when another call has it, or it had run out."""
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


FIND = f"SELECT {SELECTED} FROM pings WHERE created_at = $1 AND uuid = $2"  # noqa: S608 - the columns above


async def find_ping(postgres: Postgres, uuid: str) -> PingRow | None:
    """One ping of the log; None when it is not there (yet). Cost: one index look-up."""
    if not uuid7.is_uuid7(uuid):
        return None
    row = await postgres.fetchrow(FIND, moment(uuid7.ms_of(uuid)), uuid)
    return None if row is None else from_record(row)


_CLAIMABLE = """company_id = $1 AND expires_at > $2 AND status IN ('reserved', 'confirmed') AND replay ? 'winner'
  AND duplicate_original_uuid IS NULL"""
FIND_NAMED = f"""
SELECT {SELECTED} FROM pings WHERE {_CLAIMABLE} AND created_at = $3 AND uuid = $4
"""  # noqa: S608 - the columns and the conditions above
# The caller's own first, else the number's lease to a caller who sent no number; a test's are nobody's.
FIND_HELD = f"""
SELECT {SELECTED} FROM pings
WHERE {_CLAIMABLE} AND created_at > $3 AND (caller = $4 OR caller IS NULL) AND number = $5 AND NOT test
ORDER BY caller NULLS LAST, created_at DESC LIMIT 1
"""  # noqa: S608 - the columns and the conditions above


async def find_claimable(
    postgres: Postgres, company_id: int, *, caller: str, number: str, uuid: str, now_ms: int
) -> PingRow | None:
    """The live reservation that a call may claim, as the log knows it: without Redis. None when there is none.

    Shape: the one of that uuid; with uuid "" the one of the caller ("" = anonymous) and the number. It may be claimed before
    the call gets to it: save_claim says. Cost: one index look-up.
    """
    if uuid and not uuid7.is_uuid7(uuid):
        return None
    if uuid:
        named = (FIND_NAMED, company_id, moment(now_ms), moment(uuid7.ms_of(uuid)), uuid)
        row = await postgres.fetchrow(*named)
    else:
        since = moment(now_ms - _LONGEST_LIFE_MS)
        row = await postgres.fetchrow(FIND_HELD, company_id, moment(now_ms), since, caller, number)
    return None if row is None else from_record(row)


FIND_RECENT_PUBLISHER = """
SELECT coalesce(publisher_id, 0) FROM pings
WHERE company_id = $1 AND caller = $2 AND number = $3 AND created_at > $4 AND NOT test
  AND status IN ('reserved', 'confirmed', 'claimed', 'expired')
ORDER BY created_at DESC LIMIT 1
"""
_ATTRIBUTED_MS = 3_600_000


async def find_recent_publisher(
    postgres: Postgres, company_id: int, *, caller: str, number: str, now_ms: int
) -> int | None:
    """Whose the caller's newest reservation on that number was within the last hour, whatever became of it; None = nobody's.

    Cost: one index look-up.
    """
    since = moment(now_ms - _ATTRIBUTED_MS)
    publisher_id: int | None = await postgres.fetchval(
        FIND_RECENT_PUBLISHER, company_id, caller, number, since
    )
    return publisher_id


LOAD_SINCE = f"""
SELECT {SELECTED} FROM pings
WHERE created_at >= $1 AND ($2::bigint IS NULL OR key_id = $2) ORDER BY created_at, uuid LIMIT $3
"""  # noqa: S608 - the columns above


async def load_since(postgres: Postgres, since_ms: int, *, key_id: int | None, limit: int) -> list[PingRow]:
    """Pings that came since a moment, oldest first, of one key or of all."""
    return [from_record(row) for row in await postgres.fetch(LOAD_SINCE, moment(since_ms), key_id, limit)]


LOAD_LIVE = f"""
SELECT {SELECTED} FROM pings
WHERE company_id = ANY($1::bigint[]) AND duplicate_original_uuid IS NULL AND replay ? 'winner'
  AND status IN ('reserved', 'confirmed') AND expires_at > $2
"""  # noqa: S608 - the columns above
LOAD_LEASES = f"""
SELECT {SELECTED} FROM pings
WHERE company_id = ANY($1::bigint[]) AND caller IS NULL AND number IS NOT NULL AND NOT test AND duplicate_original_uuid IS NULL
  AND expires_at > $2 AND created_at > $3
"""  # noqa: S608 - the columns above


async def load_live(connection: Connection, company_ids: Sequence[int], *, now_ms: int) -> list[PingRow]:
    """The reservations of these companies that live at that moment."""
    return [from_record(row) for row in await connection.fetch(LOAD_LIVE, company_ids, moment(now_ms))]


async def load_leases(connection: Connection, company_ids: Sequence[int], *, since_ms: int) -> list[PingRow]:
    """The pings without a caller that got a number and ran, or run, out after that moment, whatever became of them."""
    rows = await connection.fetch(
        LOAD_LEASES, company_ids, moment(since_ms), moment(since_ms - _LONGEST_LIFE_MS)
    )
    return [from_record(row) for row in rows]
