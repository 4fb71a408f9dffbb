"""The delivery side of the outbox: what is due, who delivers it, and what came of it.

Owns every UPDATE of the table outbox. Must never insert: a row is written in the transaction of its cause
(shared/stores/call_changes.py).

The laws (data.md, webhooks):
- who delivers a row has leased it; a lease that runs out, as after a crash, makes the row due again: at least once, one id;
- of the rows of one event a first attempt is made only when no earlier one (fire_order) still waits for its own; retries do
  not wait for each other;
- only a row that waits is judged again, and only by who counted the same attempts: what is delivered stays delivered.

Hosts are visited one by one by a loose scan of the index, so that the backlog of one costs the others nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from shared.stores.postgres import Connection, Postgres

LEASE_S = 30.0  # twice what an attempt may take: what is not noted by then never will be

Status = Literal["waiting", "delivered", "dead"]


class Delivery(Struct, frozen=True, kw_only=True):
    """A row that is leased. Shape: attempts are those before this one; payload is shared/domain/webhooks.py's, as JSON."""

    id: str
    company_id: int
    webhook_id: int
    host: str
    attempts: int
    payload: bytes


# Planned when the table is empty, kept when it is not: a plan must not count on there being few rows.
FORBID_SCANS = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)
LEASE = """
WITH RECURSIVE hosts (host) AS (
    (SELECT host FROM outbox WHERE status = 'waiting' ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT o.host FROM outbox o WHERE o.status = 'waiting' AND o.host > hosts.host ORDER BY o.host LIMIT 1)
    FROM hosts WHERE hosts.host IS NOT NULL
), free AS (
    SELECT hosts.host, $3 - coalesce(busy.used, 0) AS places
    FROM hosts LEFT JOIN unnest($1::text[], $2::int[]) AS busy (host, used) ON busy.host = hosts.host
    WHERE hosts.host IS NOT NULL AND coalesce(busy.used, 0) < $3
), due AS (
    SELECT one.id, row_number() OVER (PARTITION BY free.host ORDER BY one.next_at, one.id) AS place, one.next_at, free.places
    FROM free CROSS JOIN LATERAL (
        SELECT o.id, o.next_at FROM outbox o
        WHERE o.host = free.host AND o.status = 'waiting' AND o.next_at <= now()
          AND (o.leased_until IS NULL OR o.leased_until <= now())
          AND (o.attempts > 0 OR NOT EXISTS (
              SELECT FROM outbox earlier
              WHERE earlier.event_id = o.event_id AND earlier.fire_order < o.fire_order
                AND earlier.attempts = 0))
        ORDER BY o.next_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) AS one
), chosen AS (
    SELECT id FROM due WHERE place <= places ORDER BY place, next_at LIMIT $4
)
UPDATE outbox SET leased_until = now() + make_interval(secs => $5)
FROM chosen WHERE outbox.id = chosen.id
RETURNING outbox.id::text AS id, company_id, webhook_id, host, attempts, payload::text AS payload
"""


async def lease(
    postgres: Postgres, *, busy: Mapping[str, int], per_host: int, at_most: int
) -> list[Delivery]:
    """Take what is due, the next of each host before the second of any.

    Shape: busy says how many the caller has under way, by host: with those none gets more than per_host.
    Cost: four round trips, and an index look-up for each host that waits, however much it waits for.
    """
    async with postgres.transaction() as connection:
        await connection.execute(FORBID_SCANS)
        rows = await connection.fetch(LEASE, list(busy), list(busy.values()), per_host, at_most, LEASE_S)
    return [
        Delivery(
            id=row["id"],
            company_id=row["company_id"],
            webhook_id=row["webhook_id"],
            host=row["host"],
            attempts=row["attempts"],
            payload=row["payload"].encode(),
        )
        for row in rows
    ]


class Noted(Struct, frozen=True, kw_only=True):
    """What came of an attempt.

    Shape: attempts are those made, with this one; status waiting = it is tried again after pause_s; answered is the reply's
    status, None = there was none; error is why there was none, without URL or address.
    """

    id: str
    attempts: int
    status: Status
    pause_s: float = 0.0
    answered: int | None = None
    error: str | None = None


NOTE = """
UPDATE outbox SET
    attempts = told.attempts, status = told.status, next_at = now() + make_interval(secs => told.pause_s), leased_until = NULL,
    last_status = told.answered, last_error = told.error, finished_at = CASE WHEN told.status <> 'waiting' THEN now() END
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::float8[], $5::int[], $6::text[])
    AS told (id, attempts, status, pause_s, answered, error)
WHERE outbox.id = told.id AND outbox.status <> 'delivered'
  AND (told.status = 'delivered' OR outbox.status = 'waiting' AND outbox.attempts = told.attempts - 1)
"""
# The next of the event may stand far ahead, so as not to be looked at in vain while it waits for its turn.
CALL_NEXT = """
UPDATE outbox SET next_at = now() WHERE id IN (
    SELECT o.id
    FROM (SELECT event_id, min(fire_order) AS fire_order FROM outbox WHERE id = ANY($1::uuid[]) GROUP BY event_id) AS told
    JOIN outbox o ON o.event_id = told.event_id
    WHERE o.status = 'waiting' AND o.attempts = 0 AND o.next_at > now() AND o.fire_order = (
        SELECT min(later.fire_order) FROM outbox later
        WHERE later.event_id = told.event_id AND later.fire_order > told.fire_order
          AND later.attempts = 0)
    ORDER BY o.id FOR UPDATE OF o
)
"""


async def note(postgres: Postgres, noted: Sequence[Noted]) -> None:
    """Write down attempts; the first of an event's call up those that come after. Cost: one transaction for all of them."""
    if not noted:
        return
    first = [each.id for each in noted if each.attempts == 1]
    async with postgres.transaction() as connection:
        await connection.execute(
            NOTE,
            [each.id for each in noted],
            [each.attempts for each in noted],
            [each.status for each in noted],
            [each.pause_s for each in noted],
            [each.answered for each in noted],
            [each.error for each in noted],
        )
        if first:
            await connection.execute(CALL_NEXT, first)


RELEASE = "UPDATE outbox SET leased_until = NULL WHERE id = ANY($1::uuid[]) AND status = 'waiting'"


async def release(postgres: Postgres, ids: Sequence[str]) -> None:
    """Give leases back, so that another worker need not wait until they run out."""
    if ids:
        await postgres.execute(RELEASE, ids)


_AGAIN = "status = 'waiting', attempts = 0, next_at = now(), leased_until = NULL, finished_at = NULL"
REPLAY = f"UPDATE outbox SET {_AGAIN} WHERE id = ANY($1::uuid[]) AND status <> 'waiting'"  # noqa: S608 - ours
REPLAY_DEAD = f"""
UPDATE outbox SET {_AGAIN}
WHERE status = 'dead' AND ($1::text IS NULL OR company_id = (SELECT id FROM companies WHERE name = $1))
"""  # noqa: S608 - ours


async def replay(connection: Connection, ids: Sequence[str]) -> int:
    """Owe rows again, delivered ones too, under the same id and with the whole schedule before them; how many.

    Shape: ids that are unknown or wait already are left as they are.
    """
    return _count(await connection.execute(REPLAY, ids))


async def replay_dead(connection: Connection, *, company: str | None = None) -> int:
    """The same for every dead row of one company or of all."""
    return _count(await connection.execute(REPLAY_DEAD, company))


def _count(tag: str) -> int:
    return int(tag.split()[1])


class Backlog(Struct, frozen=True, kw_only=True):
    """How much is owed. Units: lag_s of the row that has been due longest and that nobody delivers."""

    waiting: int
    dead: int
    lag_s: float


SELECT_BACKLOG = """
SELECT count(*) AS waiting, (SELECT count(*) FROM outbox WHERE status = 'dead') AS dead,
       coalesce(max(extract(epoch FROM now() - next_at)) FILTER (
           WHERE next_at <= now() AND (leased_until IS NULL OR leased_until <= now())), 0)::float8 AS lag_s
FROM outbox WHERE status = 'waiting'
"""


async def load_backlog(postgres: Postgres) -> Backlog:
    """The figures that operators watch. Cost: reads every row that waits."""
    row = await postgres.fetchrow(SELECT_BACKLOG)
    assert row is not None
    return Backlog(waiting=row["waiting"], dead=row["dead"], lag_s=row["lag_s"])
