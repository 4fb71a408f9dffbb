"""Looks at calls: each finds one call, with all that is decided by, for those who ask at one moment.

Owns the shape of a look and of what it is asked. Must never write.
"""

from collections.abc import Sequence
from decimal import Decimal

from asyncpg import Record
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.calls import CallState
from shared.stores.call_rows import CALL_COLUMNS, as_json, call_of, tags_of, tags_when
from shared.stores.calls import FIND_ALIAS, Fetches
from shared.stores.moments import moment


class Seen(Struct, frozen=True, kw_only=True):
    """What one look found.

    Shape: state None = no such call; version is the company's config version at that moment, 0 = not told; values are those of
    all revisions of the call, where the look tells them.
    """

    version: int
    state: CallState | None = None
    values: tuple[Decimal, ...] = ()


class Look(Struct, frozen=True, kw_only=True):
    """Two queries for calls: by whose caller they are, or by their uuids."""

    by_caller: str
    by_uuid: str


class Asked(Struct, frozen=True, kw_only=True):
    """Which call is looked for.

    Shape: caller is E.164 or "", uuid "" when the caller alone names it; entity_id is whom the key is of, 0 = the company.
    start_s and talk_s choose among a caller's calls where the look does.
    """

    company_id: int
    entity_id: int = 0
    caller: str = ""
    uuid: str = ""
    start_s: float | None = None
    talk_s: int | None = None


_ASKED = """json_to_recordset($1::text::json) AS asked
    (place integer, company_id bigint, entity_id bigint, caller text, uuid uuid, at timestamptz, start_s numeric,
     talk_s integer)"""


def a_look(when: str, whose: str, *, chosen: str, also: str = "") -> Look:
    """A look, in SQL on `asked` and the call `c`. when: of the start of a caller's calls."""
    return Look(
        by_caller=_query(when, f"c.caller = asked.caller AND {whose} {chosen} LIMIT 1", also=also),
        by_uuid=_query("c.started_at = asked.at", f"c.uuid = asked.uuid AND {whose}", also=also),
    )


def _query(when: str, which: str, *, also: str) -> str:
    """A row for each that asks, whether or not there is a call: its company's version at least."""
    also = also.format(when.replace("c.started_at", "v.call_started_at"))
    return f"""
SELECT co.config_version, c.* FROM {_ASKED} JOIN companies co ON co.id = asked.company_id LEFT JOIN LATERAL (
    SELECT {CALL_COLUMNS}, {tags_when(when)}{also} FROM calls c WHERE c.company_id = asked.company_id AND {when} AND {which}
) c ON true ORDER BY asked.place
"""  # noqa: S608 - columns and conditions of the looks


class Sight(Struct, frozen=True, kw_only=True):
    """One of a look's queries, and what is asked of it."""

    query: str
    asked: Asked


async def see(fetches: Fetches, sights: Sequence[Sight]) -> list[Seen]:
    """What each sees. Shape: all of one query. Errors: Unavailable. Cost: one round trip."""
    asked = [_asked_row(place, each.asked) for place, each in enumerate(sights)]
    return [seen_of(row) for row in await fetches.fetch(sights[0].query, as_json(asked))]


def sight_of(look: Look, asked: Asked) -> Sight | None:
    """What is to be seen; None when the uuid is none of ours."""
    if not asked.uuid:
        return Sight(query=look.by_caller, asked=asked)
    return Sight(query=look.by_uuid, asked=asked) if uuid7.is_uuid7(asked.uuid) else None


async def find_claimed_by(fetches: Fetches, asked: Asked) -> str:
    """The uuid of the call that claimed a reservation, by the reservation's uuid; "" when none did. Cost: one round trip."""
    at = moment(uuid7.ms_of(asked.uuid))
    row = await fetches.fetchrow(FIND_ALIAS, at, asked.uuid, asked.company_id)
    return (row["call_uuid"] if row else None) or ""


def _asked_row(place: int, asked: Asked) -> dict[str, object]:
    return {
        "place": place,
        "company_id": asked.company_id,
        "entity_id": asked.entity_id,
        "caller": asked.caller,
        "uuid": asked.uuid or None,
        "at": moment(uuid7.ms_of(asked.uuid)) if asked.uuid else None,
        "start_s": asked.start_s,
        "talk_s": asked.talk_s,
    }


def seen_of(row: Record) -> Seen:
    """A row of a look."""
    if row["uuid"] is None:
        return Seen(version=row["config_version"])
    return Seen(
        version=row["config_version"],
        state=CallState(call=call_of(row), tags=tags_of(row["tags"])),
        values=tuple(row.get("posted_values") or ()),
    )
