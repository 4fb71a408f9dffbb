"""Which live call a partner means, in one look.

Owns the control service's look-ups. Must never write: shared/stores/placing.py does.

Failure policy: Postgres away is Unavailable: a 503, and nothing was done.
"""

from msgspec import Struct
from msgspec.structs import replace

from services.control.rules.nouns import Reject
from shared.domain.calls import CallState
from shared.domain.keys import Key
from shared.stores.call_access import OwnAccess, find_call_seen
from shared.stores.call_looks import Asked, a_look
from shared.stores.calls import load_legs
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


async def find_held(postgres: Postgres, key: Key, *, asked: Reject) -> Held:
    """The newest live call that a buyer of the key's group has answered, with its legs. Cost: one query, or three."""
    wanted = Asked(
        company_id=key.company_id, entity_id=key.entity_id, caller=asked.caller, uuid=asked.call_uuid
    )
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
