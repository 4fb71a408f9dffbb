"""What the entities of the ping log are called.

Owns the reading of names for people who look at pings. Must never be asked while a ping is answered.
"""

from collections.abc import Iterable

from msgspec import Struct

from shared.domain.ping_log import PingRow
from shared.errors import OperatorError
from shared.stores.postgres import Postgres


class Names(Struct, frozen=True, kw_only=True):
    """Names by internal id: a key's name, afid, cid, tid, and a group's or company's name. The unknown are absent."""

    companies: dict[int, str] = {}
    keys: dict[int, str] = {}
    publishers: dict[int, str] = {}
    campaigns: dict[int, str] = {}
    buyers: dict[int, str] = {}
    groups: dict[int, str] = {}


LOAD_NAMES = """
SELECT 'companies' AS kind, id, name FROM companies WHERE id = ANY($1::bigint[])
UNION ALL SELECT 'keys', id, name FROM postback_keys WHERE id = ANY($2::bigint[])
UNION ALL SELECT 'publishers', id, afid FROM publishers WHERE id = ANY($3::bigint[])
UNION ALL SELECT 'campaigns', id, cid FROM campaigns WHERE id = ANY($4::bigint[])
UNION ALL SELECT 'buyers', id, tid FROM buyers WHERE id = ANY($5::bigint[])
UNION ALL SELECT 'groups', id, name FROM buyer_groups WHERE id = ANY($6::bigint[])
"""


async def load_names(postgres: Postgres, pings: Iterable[PingRow]) -> Names:
    """The names of everything that these pings mention. Cost: one query."""
    rows = list(pings)
    places = [(row.buyer_id, row.group_id) for ping in rows for row in ping.trace or ()]
    places += [
        (ping.replay.winner.buyer_id, ping.replay.winner.group_id) for ping in rows if ping.replay.winner
    ]
    found: dict[str, dict[int, str]] = {name: {} for name in Names.__struct_fields__}
    for row in await postgres.fetch(
        LOAD_NAMES,
        list({ping.company_id for ping in rows}),
        list({ping.key_id for ping in rows}),
        list({ping.publisher_id for ping in rows}),
        list({ping.campaign_id for ping in rows}),
        list({buyer_id for buyer_id, _ in places}),
        list({group_id for _, group_id in places}),
    ):
        found[row["kind"]][row["id"]] = row["name"]
    return Names(**found)


FIND_KEY = """
SELECT id FROM postback_keys WHERE id::text = $1 OR name = $1 ORDER BY (id::text = $1) DESC, id LIMIT 2
"""


async def find_key_id(postgres: Postgres, text: str) -> int:
    """The key of that id, or of that name. Errors: OperatorError when there is none, or the name has several."""
    rows = await postgres.fetch(FIND_KEY, text)
    if not rows:
        raise OperatorError("there is no key of that name or id")
    if len(rows) > 1 and str(rows[0]["id"]) != text:
        raise OperatorError("several keys have that name; give the id that `ringpost keys list` shows")
    return int(rows[0]["id"])
