"""Calls that wait for news that should have come.

Owns their finding, by three partial indexes. Must never decide what is assumed of them.
"""

from shared.stores.postgres import Postgres

RING_GRACE_S = 10
END_GRACE_S = 5
_AT_MOST = 200

FIND_OVERDUE = """
(SELECT company_id, call_uuid::text AS uuid, false AS is_idle FROM legs
 WHERE status = 'dialling' AND dialled_at < now() - make_interval(secs => timeout_seconds + $1)
 ORDER BY dialled_at LIMIT $4)
UNION
(SELECT company_id, uuid::text, false FROM calls
 WHERE status = 'finished' AND closed_at IS NULL AND ended_at < now() - make_interval(secs => $2)
 ORDER BY ended_at LIMIT $4)
UNION
(SELECT company_id, uuid::text, true FROM calls
 WHERE status <> 'finished' AND last_event_at < now() - make_interval(secs => $3)
 ORDER BY last_event_at LIMIT $4)
"""


async def find_overdue(postgres: Postgres, *, idle_s: int) -> list[tuple[int, str, bool]]:
    """Calls with a leg that rings too long, an open leg after the end, or no news for idle_s: company, uuid, whether the last.

    Shape: at most a few hundred, the longest overdue first of each kind. Cost: one query.
    """
    rows = await postgres.fetch(FIND_OVERDUE, RING_GRACE_S, END_GRACE_S, idle_s, _AT_MOST)
    return [(row["company_id"], row["uuid"], row["is_idle"]) for row in rows]
