"""Committed places in caps: the truth that no call goes over.

Owns the table cap_fills. Must never know of holds, nor read a count that it does not judge in the same statement.

The rules:
- rows are locked in the order of their subjects, so nobody waits in a circle: a transaction runs one of these statements, not
  two, and before it touches the call's row;
- what is given back is named by its leg, and given back once because the leg's row says what became of its place: whoever
  calls `move` writes that row in the same transaction, guarded by the call's rev;
- each change answers with the mirror texts that Redis is to be told after the commit (mirror.assign, or claim): untold ones
  are assigned by the worker.
"""

from collections.abc import Mapping, Sequence

from asyncpg import Record
from msgspec import Struct

from shared.domain.calls import Place
from shared.domain.caps import Caps, HeldPlaces, SubjectCaps
from shared.domain.schedule import Windows
from shared.stores.mirror import FILL_COLUMNS, text_of
from shared.stores.postgres import Connection


class Taken(Struct, frozen=True, kw_only=True):
    """Places that were taken: what the leg keeps of them, and the mirror texts by subject."""

    held: HeldPlaces
    mirror: Mapping[str, str]


class Move(Struct, frozen=True, kw_only=True):
    """A leg's place that becomes another: taken counts everywhere, used no longer as live, returned nowhere."""

    held: HeldPlaces
    before: Place = "taken"
    after: Place


# The WHERE of a conflict judges the row as it is once it is locked. Where there is no row yet, only a limit of 0 refuses.
TAKE = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::int[], $7::int[], $8::int[], $9::int[],
                         $10::int[])
    AS asked (subject, hour_at, day_at, month_at, concurrency, hard, hourly, daily, monthly)
)
INSERT INTO cap_fills AS fill (company_id, subject, hour_at, hour_n, day_at, day_n, month_at, month_n, hard_n, live_n)
SELECT $1, subject, hour_at, 1, day_at, 1, month_at, 1, 1, 1 FROM asked
WHERE least(concurrency, hard, hourly, daily, monthly) IS DISTINCT FROM 0 ORDER BY subject
ON CONFLICT (company_id, subject) DO UPDATE SET
    hour_n = 1 + CASE WHEN fill.hour_at >= excluded.hour_at THEN fill.hour_n ELSE 0 END,
    hour_at = greatest(fill.hour_at, excluded.hour_at),
    day_n = 1 + CASE WHEN fill.day_at >= excluded.day_at THEN fill.day_n ELSE 0 END,
    day_at = greatest(fill.day_at, excluded.day_at),
    month_n = 1 + CASE WHEN fill.month_at >= excluded.month_at THEN fill.month_n ELSE 0 END,
    month_at = greatest(fill.month_at, excluded.month_at),
    hard_n = fill.hard_n + 1, live_n = fill.live_n + 1, rev = fill.rev + 1, changed_at = now()
WHERE EXISTS (
    SELECT FROM asked WHERE asked.subject = fill.subject
      AND (asked.concurrency IS NULL OR fill.live_n < asked.concurrency)
      AND (asked.hard IS NULL OR fill.hard_n < asked.hard)
      AND (asked.hourly IS NULL OR fill.hour_at < asked.hour_at OR fill.hour_n < asked.hourly)
      AND (asked.daily IS NULL OR fill.day_at < asked.day_at OR fill.day_n < asked.daily)
      AND (asked.monthly IS NULL OR fill.month_at < asked.month_at OR fill.month_n < asked.monthly)
)
RETURNING {FILL_COLUMNS}
"""  # noqa: S608 - the columns of mirror.py


async def take(connection: Connection, company_id: int, *, subjects: Sequence[SubjectCaps]) -> Taken | None:
    """Take a place of every subject; None when one was full: then the caller MUST roll back, as others may have been counted.

    Call it in a transaction, or a savepoint, of its own. A subject without limits is counted too. A row whose window is later
    than ours was written by a clock ahead of ours: we count in that window.

    Shape: each subject once, at least one; a buyer and at most one group. Cost: one round trip.
    """
    caps = [each.caps for each in subjects]
    rows = await connection.fetch(
        TAKE,
        company_id,
        [each.subject for each in subjects],
        *_starts([each.windows for each in subjects]),
        *_limits(caps),
    )
    if len(rows) < len(subjects):
        return None
    return Taken(held=_held(rows), mirror={row["subject"]: text_of(row) for row in rows})


# Never below 0: a management API's reset may have come between. A window that the row has left behind is over. Nothing needs
# a row that is not there: who holds a place has made it.
MOVE = f"""
WITH moved AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::int[], $7::int[])
    AS moved (subject, hour_at, day_at, month_at, counted, live)
), locked AS MATERIALIZED (
    SELECT subject FROM cap_fills WHERE company_id = $1 AND subject = ANY($2) ORDER BY subject FOR NO KEY UPDATE
)
UPDATE cap_fills AS fill SET
    hour_n = greatest(0, hour_n + (SELECT coalesce(sum(counted), 0) FROM moved m
                                   WHERE m.subject = fill.subject AND m.hour_at = fill.hour_at)),
    day_n = greatest(0, day_n + (SELECT coalesce(sum(counted), 0) FROM moved m
                                 WHERE m.subject = fill.subject AND m.day_at = fill.day_at)),
    month_n = greatest(0, month_n + (SELECT coalesce(sum(counted), 0) FROM moved m
                                     WHERE m.subject = fill.subject AND m.month_at = fill.month_at)),
    hard_n = greatest(0, hard_n + (SELECT sum(counted) FROM moved m WHERE m.subject = fill.subject)),
    live_n = greatest(0, live_n + (SELECT sum(live) FROM moved m WHERE m.subject = fill.subject)),
    rev = rev + 1, changed_at = now()
FROM locked WHERE fill.company_id = $1 AND fill.subject = locked.subject
RETURNING fill.{FILL_COLUMNS}
"""  # noqa: S608 - the columns of mirror.py
_COUNTED: Mapping[Place, tuple[int, int]] = {"taken": (1, 1), "used": (1, 0), "returned": (0, 0)}


async def move(connection: Connection, company_id: int, *, moves: Sequence[Move]) -> dict[str, str]:
    """Let legs' places become others, whatever the caps say; the mirror texts by subject.

    Shape: legs of one company, of any buyers and groups; one that had been returned is counted again (an answer that comes
    after a timeout), its windows only while they last. Cost: one round trip, none without moves.
    """
    flat = [
        (
            subject,
            windows,
            *(
                after - before
                for after, before in zip(_COUNTED[each.after], _COUNTED[each.before], strict=True)
            ),
        )
        for each in moves
        for subject, windows in each.held.each()
    ]
    if not flat:
        return {}
    subjects, windows, counted, live = zip(*flat, strict=True)
    rows = await connection.fetch(MOVE, company_id, subjects, *_starts(windows), counted, live)
    return {row["subject"]: text_of(row) for row in rows}


def _starts(windows: Sequence[Windows]) -> tuple[list[int], list[int], list[int]]:
    return (
        [each.hour_at for each in windows],
        [each.day_at for each in windows],
        [each.month_at for each in windows],
    )


def _limits(caps: Sequence[Caps]) -> tuple[list[int | None], ...]:
    return (
        [each.concurrency for each in caps],
        [each.hard for each in caps],
        [each.hourly for each in caps],
        [each.daily for each in caps],
        [each.monthly for each in caps],
    )


def _held(rows: Sequence[Record]) -> HeldPlaces:
    """What the leg keeps: `b` sorts before `g`."""
    at = {
        row["subject"][0]: (row["hour_at"], row["day_at"], row["month_at"])
        for row in sorted(rows, key=lambda row: str(row["subject"]))
    }
    nowhere = (0, 0, 0)
    return HeldPlaces(
        subjects=",".join(sorted(row["subject"] for row in rows)),
        windows=at.get("b", nowhere) + at.get("g", nowhere),
    )
