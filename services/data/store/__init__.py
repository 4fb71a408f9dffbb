"""Which call a partner means, with all that is decided by, in one look.

Owns the data service's looks. Must never spell a write: shared/stores/call_changes.py and stored_tags.py do.

Failure policy: Postgres away is Unavailable: a 503, and nothing was acknowledged.
"""

from services.data.rules.nouns import Post, Whose
from shared.domain.keys import Key, Level
from shared.stores.call_access import Access, find_call_seen
from shared.stores.call_looks import Asked, Seen, a_look, seen_of
from shared.stores.call_rows import CALL_COLUMNS, tags_when
from shared.stores.calls import Fetches

# A call of a day, and a day of writing after it. What is not in a table's months is not looked up there.
_WRITABLE = "c.started_at > now() - interval '48 hours' AND c.started_at < now() + interval '1 day'"
_PAYABLE = "c.started_at > now() - interval '30 days' AND c.started_at < now() + interval '1 day'"
_LIVE_FIRST = "ORDER BY c.ended_at IS NULL DESC, c.started_at DESC"
_OF_PUBLISHER = "(asked.entity_id = 0 OR c.publisher_id = asked.entity_id OR c.publisher_id IS NULL)"
WRITABLE = a_look(_WRITABLE, _OF_PUBLISHER, chosen="ORDER BY c.ended_at DESC NULLS FIRST, c.started_at DESC")


async def find_writable(access: Access, key: Key, *, whose: Whose, publisher_id: int) -> Seen:
    """The call that a publisher (0 = any) may write on; of a caller's the live one, else the one that ended last."""
    asked = _asked(key, whose, entity_id=publisher_id)
    return await find_call_seen(access, WRITABLE, asked=asked)


FIND_BY_CALL_KEY = f"""
SELECT {CALL_COLUMNS}, {tags_when(_WRITABLE)}, co.config_version FROM calls c JOIN companies co ON co.id = c.company_id
WHERE c.call_key_hmac = $1 AND {_WRITABLE} LIMIT 1
"""  # noqa: S608 - the columns of call_rows.py


async def find_by_call_key(fetches: Fetches, hmac: bytes) -> Seen | None:
    """The call of a per-call key; None when it is none, or an old one's."""
    row = await fetches.fetchrow(FIND_BY_CALL_KEY, hmac)
    return None if row is None else seen_of(row)


_ROUTES_TO = """c.campaign_id IN (
    SELECT r.campaign_id FROM campaign_routes r LEFT JOIN buyer_group_members m ON m.group_id = r.group_id
    WHERE r.group_id = asked.entity_id
       OR r.buyer_id IN (SELECT buyer_id FROM buyer_group_members WHERE group_id = asked.entity_id))"""
_OF_A_DAY = "AND (c.ended_at IS NULL OR c.started_at > now() - interval '24 hours')"
READABLE = a_look(_WRITABLE, _ROUTES_TO, chosen=f"{_OF_A_DAY} {_LIVE_FIRST}")


async def find_readable(access: Access, key: Key, *, whose: Whose) -> Seen:
    """The call that a group's key may read of; of a caller's the live one, else the newest of a day."""
    return await find_call_seen(access, READABLE, asked=_asked(key, whose, entity_id=key.entity_id))


_ANSWERED_BY = {
    Level.BUYER: "c.buyer_id = asked.entity_id",
    Level.BUYER_GROUP: "c.buyer_id IN (SELECT buyer_id FROM buyer_group_members WHERE group_id = asked.entity_id)",
}
_POSTED = """,
       CASE WHEN c.revision > 0 THEN (SELECT array_agg(v.value) FROM conversions v WHERE v.company_id = c.company_id
        AND v.call_started_at = c.started_at AND v.call_uuid = c.uuid AND v.value IS NOT NULL AND {}) END AS posted_values"""
_NEAREST = """ORDER BY abs(extract(epoch FROM c.started_at) - asked.start_s), abs(c.connected_duration_s - asked.talk_s),
        c.started_at DESC"""
POSTED_TO = {level: a_look(_PAYABLE, by, chosen=_NEAREST, also=_POSTED) for level, by in _ANSWERED_BY.items()}


async def find_posted_to(access: Access, key: Key, *, post: Post) -> Seen:
    """The call that a conversion is for, answered by the key's buyer or a member of its group.

    Shape: of a caller's calls the nearest to the start, then to the talk, that the post tells; else the newest of 30 days.
    """
    asked = Asked(
        company_id=key.company_id,
        entity_id=key.entity_id,
        caller=post.whose.caller,
        uuid=post.whose.call_uuid,
        start_s=None if post.start_ms is None else post.start_ms / 1000,
        talk_s=post.connected_s,
    )
    return await find_call_seen(access, POSTED_TO[key.level], asked=asked)


def _asked(key: Key, whose: Whose, *, entity_id: int) -> Asked:
    return Asked(company_id=key.company_id, entity_id=entity_id, caller=whose.caller, uuid=whose.call_uuid)
