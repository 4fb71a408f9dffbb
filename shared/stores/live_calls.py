"""Live calls that the buyers of a group have, with all that is decided by, and whom they may be handed on to.

Owns these looks. Must never write: shared/stores/placing.py does.

Failure policy: Postgres away is Unavailable: a 503, and nothing was done.
"""

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.calls import CallState
from shared.domain.hand_ons import ActiveCall, Entry
from shared.domain.keys import Key
from shared.stores.call_access import OwnAccess, find_call_seen
from shared.stores.call_looks import Asked, a_look
from shared.stores.calls import load_legs
from shared.stores.moments import unix_ms
from shared.stores.postgres import Postgres

_OF_TWO_DAYS = "c.started_at > now() - interval '48 hours' AND c.started_at < now() + interval '1 day'"
_MEMBERS = "(SELECT buyer_id FROM buyer_group_members WHERE group_id = asked.entity_id)"
_HAD_BY_GROUP = f"""EXISTS (
    SELECT FROM legs l WHERE l.company_id = c.company_id AND l.call_started_at = c.started_at AND l.call_uuid = c.uuid
        AND l.answered_at IS NOT NULL AND l.buyer_id IN {_MEMBERS})"""
# Who still has the caller comes before who has handed it back.
_NEWEST_LIVE = (
    f"AND c.ended_at IS NULL ORDER BY (c.buyer_id IN {_MEMBERS}) DESC NULLS LAST, c.started_at DESC"
)
HAD_BY_GROUP = a_look(_OF_TWO_DAYS, _HAD_BY_GROUP, chosen=_NEWEST_LIVE)


class Held(Struct, frozen=True, kw_only=True):
    """What one look found.

    Shape: state None = no buyer of the group has or had that caller in a live call; version is the company's config version at
    that moment, 0 = not told; members are the group's buyers, in its order.
    """

    version: int
    state: CallState | None = None
    members: tuple[int, ...] = ()


LOAD_MEMBERS = "SELECT buyer_id FROM buyer_group_members WHERE group_id = $1 ORDER BY position"


async def find_held(postgres: Postgres, key: Key, *, caller: str, call_uuid: str) -> Held:
    """The newest live call that a buyer of the key's group has answered, with its legs. Cost: one query, or three."""
    wanted = Asked(company_id=key.company_id, entity_id=key.entity_id, caller=caller, uuid=call_uuid)
    seen = await find_call_seen(OwnAccess(postgres), HAD_BY_GROUP, asked=wanted)
    if seen.state is None:
        return Held(version=seen.version)
    legs = await load_legs(postgres, seen.state.call)
    members = await postgres.fetch(LOAD_MEMBERS, key.entity_id)
    return Held(
        version=seen.version,
        state=replace(seen.state, legs=legs),
        members=tuple(row["buyer_id"] for row in members),
    )


FIND_GROUP = "SELECT id FROM buyer_groups WHERE company_id = $1 AND name = $2"


async def is_group(postgres: Postgres, key: Key, *, named: str) -> bool:
    """Whether a path names the key's own group, by its id or its name. Cost: none, one query for a name."""
    if named == str(key.entity_id):
        return True
    return bool(await postgres.fetchval(FIND_GROUP, key.company_id, named) == key.entity_id)


LOAD_ENTRIES = "SELECT id, name, number FROM directory_entries WHERE directory_id = $1 ORDER BY id"


async def load_entries(postgres: Postgres, directory_id: int) -> tuple[Entry, ...]:
    """Whom a directory names. Cost: one query."""
    return tuple(Entry(**dict(row)) for row in await postgres.fetch(LOAD_ENTRIES, directory_id))


FIND_TRANSFER = """
SELECT call_uuid::text FROM legs
WHERE uuid = $1 AND transferred_from IS NOT NULL AND company_id = $2
  AND call_started_at > now() - interval '48 hours' AND call_started_at < now() + interval '1 day'
"""


async def find_call_of(postgres: Postgres, key: Key, *, transfer_uuid: str) -> str:
    """The call of a transfer, "" when the company has none such. Cost: one query."""
    return await postgres.fetchval(FIND_TRANSFER, transfer_uuid, key.company_id) or ""


# Whom a call was handed on to has it for nobody's group; a buyer that was dialled again (by no key) has it as before.
LOAD_ACTIVE = """
SELECT c.uuid::text AS uuid, c.caller, c.dialed_number, l.number, c.started_at, l.dialled_at
FROM calls c JOIN legs l ON l.company_id = c.company_id AND l.call_started_at = c.started_at AND l.call_uuid = c.uuid
WHERE c.company_id = $1 AND c.ended_at IS NULL AND c.started_at > now() - interval '48 hours'
  AND c.started_at < now() + interval '1 day' AND l.status = 'answered'
  AND (l.transferred_from IS NULL OR c.flow @> jsonb_build_array(jsonb_build_object('leg', l.uuid, 'key_id', 0)))
  AND l.buyer_id IN (SELECT buyer_id FROM buyer_group_members WHERE group_id = $2)
ORDER BY c.started_at DESC LIMIT $3
"""
_MOST_ACTIVE = 500


async def load_active(postgres: Postgres, key: Key) -> tuple[ActiveCall, ...]:
    """The live calls that a buyer of the key's group has, newest first, at most 500. Cost: one query."""
    rows = await postgres.fetch(LOAD_ACTIVE, key.company_id, key.entity_id, _MOST_ACTIVE)
    return tuple(
        ActiveCall(
            call_uuid=row["uuid"],
            caller=row["caller"] or "",
            number=row["dialed_number"] or "",
            dialled=row["number"],
            started_ms=unix_ms(row["started_at"]),
            dialled_ms=unix_ms(row["dialled_at"]),
        )
        for row in rows
    )
