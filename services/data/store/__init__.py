"""Which call a partner means, with all that is decided by, in one look.

Owns the data service's look-ups. Must never spell a write: shared/stores/call_changes.py and stored_tags.py do.

Failure policy: Postgres away is Unavailable: a 503, and nothing was acknowledged.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from asyncpg import Record, UniqueViolationError
from msgspec import Struct

from services.data.rules.nouns import Post
from shared.domain import uuid7
from shared.domain.call_books import CallChange
from shared.domain.calls import CallState
from shared.domain.keys import Key, Level
from shared.stores.call_changes import Answered, PostbackRow, Runs, save_change
from shared.stores.call_rows import CALL_COLUMNS, TAGS_OF_CALL, call_of, tags_of
from shared.stores.calls import Fetches, find_call
from shared.stores.moments import moment
from shared.stores.postgres import Connection

_WRITABLE_FOR = "interval '48 hours'"  # a call of a day, and a day of writing after it
_values = msgspec.json.Decoder(list[Decimal]).decode


class Seen(Struct, frozen=True, kw_only=True):
    """What one look found.

    Shape: state None = no such call; version is the company's config version at that moment; values are those of all revisions
    of the call; answered is what the request's Idempotency-Key stands for.
    """

    version: int
    state: CallState | None = None
    values: tuple[Decimal, ...] = ()
    answered: Answered | None = None


def _look(which: str, *, also: str = "") -> str:
    """One row, whether or not there is a call: its company's version at least."""
    return f"""
SELECT co.config_version, c.* FROM companies co LEFT JOIN LATERAL (
    SELECT {CALL_COLUMNS}, {TAGS_OF_CALL}{also} FROM calls c WHERE c.company_id = co.id AND {which}
) c ON true WHERE co.id = $1
"""  # noqa: S608 - columns and conditions of this file


_OF_PUBLISHER = "($3::bigint = 0 OR c.publisher_id = $3 OR c.publisher_id IS NULL)"
FIND_WRITABLE = _look(
    f"c.caller = $2 AND c.started_at > now() - {_WRITABLE_FOR} AND {_OF_PUBLISHER} "
    "ORDER BY c.ended_at IS NULL DESC, c.started_at DESC LIMIT 1"
)


async def find_writable(fetches: Fetches, key: Key, *, caller: str, publisher_id: int) -> Seen:
    """The caller's live call, else the newest of the last two days, that a publisher (0 = any) may write on."""
    return _seen(await fetches.fetchrow(FIND_WRITABLE, key.company_id, caller, publisher_id))


FIND_BY_CALL_KEY = f"""
SELECT {CALL_COLUMNS}, {TAGS_OF_CALL}, co.config_version FROM calls c JOIN companies co ON co.id = c.company_id
WHERE c.call_key_hmac = $1 AND c.started_at > now() - {_WRITABLE_FOR} LIMIT 1
"""  # noqa: S608 - the columns of call_rows.py


async def find_by_call_key(fetches: Fetches, hmac: bytes) -> Seen | None:
    """The call of a per-call key; None when it is none, or an old one's."""
    row = await fetches.fetchrow(FIND_BY_CALL_KEY, hmac)
    return None if row is None else _seen(row)


_ROUTES_TO = """c.campaign_id IN (
    SELECT r.campaign_id FROM campaign_routes r LEFT JOIN buyer_group_members m ON m.group_id = r.group_id
    WHERE r.group_id = $3 OR r.buyer_id IN (SELECT buyer_id FROM buyer_group_members WHERE group_id = $3))"""
FIND_READABLE = _look(
    f"c.caller = $2 AND c.started_at > now() - {_WRITABLE_FOR} AND {_ROUTES_TO} "
    "AND (c.ended_at IS NULL OR c.started_at > now() - interval '24 hours') "
    "ORDER BY c.ended_at IS NULL DESC, c.started_at DESC LIMIT 1"
)
FIND_READABLE_BY_UUID = _look(f"c.started_at = $4 AND c.uuid = $2 AND {_ROUTES_TO}")


async def find_readable(fetches: Fetches, key: Key, *, caller: str, call_uuid: str) -> Seen:
    """The call that a group's key may read of: of that uuid, else the caller's live one, else the newest of a day."""
    if not call_uuid:
        return _seen(await fetches.fetchrow(FIND_READABLE, key.company_id, caller, key.entity_id))
    if not uuid7.is_uuid7(call_uuid):
        return Seen(version=0)
    args = (key.company_id, call_uuid, key.entity_id, moment(uuid7.ms_of(call_uuid)))
    seen = _seen(await fetches.fetchrow(FIND_READABLE_BY_UUID, *args))
    own = await _claimed_by(fetches, key, uuid=call_uuid) if seen.state is None else ""
    return await find_readable(fetches, key, caller=caller, call_uuid=own) if own else seen


_ANSWERED_BY = """(($3::bigint <> 0 AND c.buyer_id = $3) OR ($4::bigint <> 0 AND c.buyer_id IN
    (SELECT buyer_id FROM buyer_group_members WHERE group_id = $4)))"""
_ALSO = """,
       (SELECT coalesce(jsonb_agg(DISTINCT v.value), '[]')::text FROM conversions v WHERE v.company_id = c.company_id
        AND v.call_started_at = c.started_at AND v.call_uuid = c.uuid AND v.value IS NOT NULL) AS posted_values"""
FIND_POSTED_TO = _look(f"c.started_at = $5 AND c.uuid = $2 AND {_ANSWERED_BY}", also=_ALSO)
FIND_POSTED_TO_BY_CALLER = _look(
    f"c.caller = $2 AND c.started_at > now() - interval '30 days' AND {_ANSWERED_BY} "
    "ORDER BY abs(extract(epoch FROM c.started_at) - $5), abs(c.connected_duration_s - $6), c.started_at DESC LIMIT 1",
    also=_ALSO,
)


async def find_posted_to(fetches: Fetches, key: Key, *, post: Post) -> Seen:
    """The call that a conversion is for, answered by the key's buyer or a member of its group.

    Shape: of a caller's calls the nearest to the start, then to the talk, that the post tells; else the newest of 30 days.
    Cost: one round trip, two more for a reservation's uuid.
    """
    buyer_id, group_id = (key.entity_id, 0) if key.level is Level.BUYER else (0, key.entity_id)
    whose = post.whose
    if not whose.call_uuid:
        start_s = None if post.start_ms is None else post.start_ms / 1000
        args = (key.company_id, whose.caller, buyer_id, group_id, start_s, post.connected_s)
        return _seen(await fetches.fetchrow(FIND_POSTED_TO_BY_CALLER, *args))
    return await _posted_to(fetches, key, uuid=whose.call_uuid, buyers=(buyer_id, group_id))


async def _posted_to(fetches: Fetches, key: Key, *, uuid: str, buyers: tuple[int, int]) -> Seen:
    if not uuid7.is_uuid7(uuid):
        return Seen(version=0)
    args = (key.company_id, uuid, *buyers, moment(uuid7.ms_of(uuid)))
    seen = _seen(await fetches.fetchrow(FIND_POSTED_TO, *args))
    own = await _claimed_by(fetches, key, uuid=uuid) if seen.state is None else ""
    return await _posted_to(fetches, key, uuid=own, buyers=buyers) if own and own != uuid else seen


async def find_written_to(fetches: Fetches, key: Key, *, call_uuid: str) -> Seen:
    """A call of the company by its uuid."""
    found = await find_call(fetches, key.company_id, uuid=call_uuid)
    return Seen(version=0) if found is None else Seen(version=found.version, state=found.state)


FIND_CLAIM = "SELECT call_uuid::text FROM pings WHERE created_at = $1 AND uuid = $2 AND company_id = $3"


async def _claimed_by(fetches: Fetches, key: Key, *, uuid: str) -> str:
    """The call that has claimed a reservation; "" when none has."""
    row = await fetches.fetchrow(FIND_CLAIM, moment(uuid7.ms_of(uuid)), uuid, key.company_id)
    return (row["call_uuid"] or "") if row else ""


FIND_ANSWERED = "SELECT fingerprint, status, answer FROM idempotency_keys WHERE key_id = $1 AND value = $2"


async def find_answered(fetches: Fetches, key: Key, *, value: str) -> Answered | None:
    """What an Idempotency-Key stands for; None when it is new."""
    row = await fetches.fetchrow(FIND_ANSWERED, key.id, value)
    if row is None:
        return None
    return Answered(value=value, fingerprint=row["fingerprint"], status=row["status"], answer=row["answer"])


async def save_post(
    runs: Runs, change: CallChange, *, logged: PostbackRow, answered: Answered | None
) -> bool:
    """Write a conversion; False when its call, or what its Idempotency-Key stands for, has changed: then look again."""
    try:
        return await save_change(runs, change, logged=logged, answered=answered)
    except UniqueViolationError:
        return False


LOCK_CALL = "SELECT rev FROM calls WHERE started_at = $1 AND uuid = $2 FOR UPDATE"


async def lock_call(connection: Connection, state: CallState) -> None:
    """Wait for all who change the call, and let nobody change it before this transaction ends."""
    await connection.execute(LOCK_CALL, moment(state.call.started_ms), state.call.uuid)


def _seen(row: Record | None) -> Seen:
    if row is None:
        return Seen(version=0)
    if row["uuid"] is None:
        return Seen(version=row["config_version"])
    values: Mapping[str, Any] = dict(row) if "posted_values" in row.keys() else {}  # noqa: SIM118 - a Record's names
    return Seen(
        version=row["config_version"],
        state=CallState(call=call_of(row), tags=tags_of(row["tags"])),
        values=tuple(_values(values["posted_values"])) if values else (),
    )
