"""Which call a partner means, with all that is decided by, in one look.

Owns the data service's look-ups. Must never spell a write: shared/stores/call_changes.py and stored_tags.py do.

Failure policy: Postgres away is Unavailable: a 503, and nothing was acknowledged.
"""

from decimal import Decimal

from asyncpg import Record
from msgspec import Struct

from services.data.rules.nouns import Post, Whose
from shared.domain import uuid7
from shared.domain.calls import CallState
from shared.domain.keys import Key, Level
from shared.stores.call_rows import CALL_COLUMNS, call_of, tags_of, tags_when
from shared.stores.calls import FIND_ALIAS, Fetches
from shared.stores.moments import moment

# A call of a day, and a day of writing after it. What is not in a table's months is not looked up there.
_WRITABLE = "c.started_at > now() - interval '48 hours' AND c.started_at < now() + interval '1 day'"
_PAYABLE = "c.started_at > now() - interval '30 days' AND c.started_at < now() + interval '1 day'"


class Seen(Struct, frozen=True, kw_only=True):
    """What one look found.

    Shape: state None = no such call; version is the company's config version at that moment, 0 = not told; values are those of
    all revisions of the call.
    """

    version: int
    state: CallState | None = None
    values: tuple[Decimal, ...] = ()


class _Look(Struct, frozen=True, kw_only=True):
    """Two queries for a call. Shape: $1 company, $2 caller or uuid, $3 whom the key is of, $4 of a uuid: its moment."""

    by_caller: str
    by_uuid: str


def _look(when: str, whose: str, *, chosen: str, also: str = "") -> _Look:
    """when: of the start of a caller's calls; chosen: the one of them."""
    return _Look(
        by_caller=_row(when, f"c.caller = $2 AND {whose} {chosen} LIMIT 1", also=also),
        by_uuid=_row("c.started_at = $4", f"c.uuid = $2 AND {whose}", also=also),
    )


def _row(when: str, which: str, *, also: str) -> str:
    """One row, whether or not there is a call: its company's version at least. when: of the start of the call."""
    also = also.format(when.replace("c.started_at", "v.call_started_at"))
    return f"""
SELECT co.config_version, c.* FROM companies co LEFT JOIN LATERAL (
    SELECT {CALL_COLUMNS}, {tags_when(when)}{also} FROM calls c WHERE c.company_id = co.id AND {when} AND {which}
) c ON true WHERE co.id = $1
"""  # noqa: S608 - columns and conditions of this file


_LIVE_FIRST = "ORDER BY c.ended_at IS NULL DESC, c.started_at DESC"
_OF_PUBLISHER = "($3::bigint = 0 OR c.publisher_id = $3 OR c.publisher_id IS NULL)"
WRITABLE = _look(_WRITABLE, _OF_PUBLISHER, chosen="ORDER BY c.ended_at DESC NULLS FIRST, c.started_at DESC")


async def find_writable(fetches: Fetches, key: Key, *, whose: Whose, publisher_id: int) -> Seen:
    """The call that a publisher (0 = any) may write on; of a caller's the live one, else the one that ended last."""
    return await _find(fetches, WRITABLE, ids=(key.company_id, publisher_id), whose=whose)


FIND_BY_CALL_KEY = f"""
SELECT {CALL_COLUMNS}, {tags_when(_WRITABLE)}, co.config_version FROM calls c JOIN companies co ON co.id = c.company_id
WHERE c.call_key_hmac = $1 AND {_WRITABLE} LIMIT 1
"""  # noqa: S608 - the columns of call_rows.py


async def find_by_call_key(fetches: Fetches, hmac: bytes) -> Seen | None:
    """The call of a per-call key; None when it is none, or an old one's."""
    row = await fetches.fetchrow(FIND_BY_CALL_KEY, hmac)
    return None if row is None else _seen(row)


_ROUTES_TO = """c.campaign_id IN (
    SELECT r.campaign_id FROM campaign_routes r LEFT JOIN buyer_group_members m ON m.group_id = r.group_id
    WHERE r.group_id = $3 OR r.buyer_id IN (SELECT buyer_id FROM buyer_group_members WHERE group_id = $3))"""
_OF_A_DAY = "AND (c.ended_at IS NULL OR c.started_at > now() - interval '24 hours')"
READABLE = _look(_WRITABLE, _ROUTES_TO, chosen=f"{_OF_A_DAY} {_LIVE_FIRST}")


async def find_readable(fetches: Fetches, key: Key, *, whose: Whose) -> Seen:
    """The call that a group's key may read of; of a caller's the live one, else the newest of a day."""
    return await _find(fetches, READABLE, ids=(key.company_id, key.entity_id), whose=whose)


_ANSWERED_BY = {
    Level.BUYER: "c.buyer_id = $3",
    Level.BUYER_GROUP: "c.buyer_id IN (SELECT buyer_id FROM buyer_group_members WHERE group_id = $3)",
}
_POSTED = """,
       CASE WHEN c.revision > 0 THEN (SELECT array_agg(v.value) FROM conversions v WHERE v.company_id = c.company_id
        AND v.call_started_at = c.started_at AND v.call_uuid = c.uuid AND v.value IS NOT NULL AND {}) END AS posted_values"""
_NEAREST = (
    "ORDER BY abs(extract(epoch FROM c.started_at) - $4), abs(c.connected_duration_s - $5), c.started_at DESC"
)
POSTED_TO = {level: _look(_PAYABLE, by, chosen=_NEAREST, also=_POSTED) for level, by in _ANSWERED_BY.items()}


async def find_posted_to(fetches: Fetches, key: Key, *, post: Post) -> Seen:
    """The call that a conversion is for, answered by the key's buyer or a member of its group.

    Shape: of a caller's calls the nearest to the start, then to the talk, that the post tells; else the newest of 30 days.
    """
    near = (None if post.start_ms is None else post.start_ms / 1000, post.connected_s)
    ids = (key.company_id, key.entity_id)
    return await _find(fetches, POSTED_TO[key.level], ids=ids, whose=post.whose, near=near)


async def _find(
    fetches: Fetches, look: _Look, *, ids: tuple[int, int], whose: Whose, near: tuple[object, ...] = ()
) -> Seen:
    """A call by its uuid, or by that of the reservation that it claimed; else by its caller.

    Shape: ids are the company's and of whom the key is. Cost: one round trip, two more for a reservation's uuid.
    """
    uuid, (company_id, entity_id) = whose.call_uuid, ids
    if not uuid:
        return _seen(await fetches.fetchrow(look.by_caller, company_id, whose.caller, entity_id, *near))
    if not uuid7.is_uuid7(uuid):
        return Seen(version=0)
    at = moment(uuid7.ms_of(uuid))
    seen = _seen(await fetches.fetchrow(look.by_uuid, company_id, uuid, entity_id, at))
    claim = await fetches.fetchrow(FIND_ALIAS, at, uuid, company_id) if seen.state is None else None
    own = claim["call_uuid"] if claim else None
    return seen if own in {None, uuid} else await _find(fetches, look, ids=ids, whose=Whose(call_uuid=own))


def _seen(row: Record | None) -> Seen:
    if row is None or row["uuid"] is None:
        return Seen(version=row["config_version"] if row else 0)
    return Seen(
        version=row["config_version"],
        state=CallState(call=call_of(row), tags=tags_of(row["tags"])),
        values=tuple(row.get("posted_values") or ()),
    )
