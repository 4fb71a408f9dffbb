"""Uploads of caller lists, applied chunk by chunk.

Owns the moving on of caller_list_uploads, and the dropping of dead generations. Must never apply a chunk but in the transaction
that takes it away: a worker that dies leaves it as it was.

A clearing upload fills a generation that nobody reads; its numbers stand in Redis before the list is flipped to it, so there is
no moment with half a list. Uploads of one list take turns, in the order in which they came.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from asyncpg import Record
from msgspec import Struct
from msgspec.structs import replace

from shared.domain.keys import Level
from shared.domain.lists import CallerList
from shared.domain.upload_rows import Rows, read_rows
from shared.stores import hot_sync
from shared.stores.lists import INSERT_GENERATION, INSERT_NUMBERS, SET_GENERATION, drop_some, remove_numbers
from shared.stores.postgres import Connection, Postgres

_MOST_DETAILS = 2_000
_encode = msgspec.json.Encoder().encode


class Turn(Struct, frozen=True, kw_only=True):
    """What one step did. Shape: drained = no chunk is left, finish_upload is next."""

    upload_id: str
    company_id: int
    applied: int = 0
    rejected: int = 0
    drained: bool = False


# Who deletes the list, or another worker, has it: then it is passed over, and nobody waits.
TAKE_UPLOAD = """
SELECT u.id::text AS upload_id, u.key_id, u.action, u.clear_before_upload, u.generation_id AS filling, u.rows_read,
       u.rows_applied, jsonb_array_length(u.rejected) AS details, u.created_at,
       l.id, l.company_id, l.level, l.entity_id, l.name, l.expires_after_seconds, l.generation_id
FROM caller_list_uploads u JOIN caller_lists l ON l.id = u.list_id
WHERE u.status = 'Processing' AND ($1::uuid IS NULL OR u.id = $1) AND u.company_id <> ALL ($2::bigint[]) AND NOT EXISTS (
    SELECT FROM caller_list_uploads e WHERE e.list_id = u.list_id AND e.status = 'Processing' AND e.id < u.id)
ORDER BY u.id LIMIT 1
"""
TAKE_TO_APPLY = f"{TAKE_UPLOAD} FOR UPDATE OF u SKIP LOCKED FOR SHARE OF l SKIP LOCKED"
TAKE_TO_FLIP = f"{TAKE_UPLOAD} FOR UPDATE OF u, l SKIP LOCKED"
COUNT_ROWS = """
SELECT first_row + length(text) - length(replace(text, E'\\n', '')) FROM caller_list_upload_chunks
WHERE upload_id = $1 ORDER BY position DESC LIMIT 1
"""


class Waiting(Struct, frozen=True, kw_only=True):
    """The upload that comes next. Shape: rows = those that it has, None once some are read, or when they are taken off."""

    company_id: int
    rows: int | None
    clears: bool


async def find_waiting(postgres: Postgres, *, but_for: Sequence[int] = ()) -> Waiting | None:
    """The oldest upload that is whole and not over, None when there is none. Shape: but_for are companies left out."""
    row = await postgres.fetchrow(TAKE_UPLOAD, None, but_for)
    if row is None:
        return None
    begins = row["action"] == "create" and not row["rows_read"]
    return Waiting(
        company_id=row["company_id"],
        rows=await postgres.fetchval(COUNT_ROWS, row["upload_id"]) if begins else None,
        clears=row["clear_before_upload"],
    )


TAKE_CHUNK = """
DELETE FROM caller_list_upload_chunks WHERE upload_id = $1 AND position = (
    SELECT min(position) FROM caller_list_upload_chunks WHERE upload_id = $1)
RETURNING first_row, text
"""
SAVE_PROGRESS = """
UPDATE caller_list_uploads SET generation_id = $2, rows_read = rows_read + $3, rows_applied = rows_applied + $4,
    rows_rejected = rows_rejected + $5, rejected = rejected || $6::jsonb
WHERE id = $1
"""


async def apply_chunk(postgres: Postgres, *, but_for: Sequence[int] = ()) -> Turn | None:
    """Apply the next chunk of the oldest upload; None when there is nothing to do. Shape: as find_waiting.

    Cost: by the chunk's size.
    """
    async with postgres.transaction() as connection:
        row = await connection.fetchrow(TAKE_TO_APPLY, None, but_for)
        if row is None:
            return None
        turn = Turn(upload_id=row["upload_id"], company_id=row["company_id"])
        chunk = await connection.fetchrow(TAKE_CHUNK, turn.upload_id)
        if chunk is None:
            return replace(turn, drained=True)
        rows = await asyncio.to_thread(read_rows, chunk["text"], first_row=chunk["first_row"])
        filling = await _filled(connection, row)
        await _apply(connection, row, to=_list(row, filling or row["generation_id"]), rows=rows)
        await _save(connection, row, filling=filling, rows=rows)
    good = rows.read - len(rows.rejected)
    return replace(turn, applied=good, rejected=len(rows.rejected))


async def _apply(connection: Connection, row: Record, *, to: CallerList, rows: Rows) -> None:
    numbers = sorted(rows.numbers)
    if row["action"] == "delete":
        await remove_numbers(connection, to, numbers=numbers)
        return
    added = await connection.fetch(
        INSERT_NUMBERS, to.company_id, to.generation_id, numbers, to.expires_after_seconds, row["key_id"]
    )
    await hot_sync.note_numbers(connection, to.company_id, numbers=(each["number"] for each in added))


async def _filled(connection: Connection, row: Record) -> int | None:
    """The generation that a clearing upload fills."""
    if not row["clear_before_upload"] or row["filling"]:
        filling: int | None = row["filling"]
        return filling
    made: int = await connection.fetchval(INSERT_GENERATION, row["company_id"], row["id"])
    return made


async def _save(connection: Connection, row: Record, *, filling: int | None, rows: Rows) -> None:
    details = rows.rejected[: max(0, _MOST_DETAILS - row["details"])]
    bad = len(rows.rejected)
    told = _encode(details).decode()
    await connection.execute(SAVE_PROGRESS, row["upload_id"], filling, rows.read, rows.read - bad, bad, told)


def _list(row: Record, generation_id: int) -> CallerList:
    return CallerList(
        id=row["id"],
        company_id=row["company_id"],
        level=Level(row["level"]),
        entity_id=row["entity_id"],
        name=row["name"],
        expires_after_seconds=row["expires_after_seconds"],
        generation_id=generation_id,
    )


SET_STATUS = "UPDATE caller_list_uploads SET status = $2, finished_at = now() WHERE id = $1"
SET_DEAD = "UPDATE caller_list_generations SET dead = true WHERE id = $1"
# What was put on the list while the upload was under way stays on it.
CARRY_OVER = """
INSERT INTO caller_list_numbers (company_id, generation_id, number, created_at, expires_at, key_id)
SELECT company_id, $2, number, created_at, expires_at, key_id FROM caller_list_numbers
WHERE generation_id = $1 AND created_at > $3 ORDER BY number
ON CONFLICT DO NOTHING RETURNING number
"""


async def finish_upload(postgres: Postgres, turn: Turn) -> bool:
    """End an upload that is drained; a clearing one goes live now. False when another one has ended it.

    Shape: its numbers must stand in Redis before. An upload without one good row has failed, and clears nothing.
    """
    async with postgres.transaction() as connection:
        row = await connection.fetchrow(TAKE_TO_FLIP, turn.upload_id, ())
        if row is None:
            return False
        failed = row["rows_read"] > 0 and row["rows_applied"] == 0
        filling = await _filled(connection, row)
        if filling and failed:
            await connection.execute(SET_DEAD, filling)
        elif filling:
            await _flip(connection, row, filling=filling)
        await connection.execute(SET_STATUS, turn.upload_id, "Failed" if failed else "Completed")
    return True


async def _flip(connection: Connection, row: Record, *, filling: int) -> None:
    company_id, old = row["company_id"], row["generation_id"]
    carried = await connection.fetch(CARRY_OVER, old, filling, row["created_at"])
    await hot_sync.note_numbers(connection, company_id, numbers=(each["number"] for each in carried))
    await connection.execute(SET_GENERATION, row["id"], filling)
    await connection.execute(SET_DEAD, old)
    await hot_sync.note(connection, company_id, str(old), str(filling), kind=hot_sync.LIST)


FIND_DEAD = (
    "SELECT id, company_id FROM caller_list_generations WHERE dead ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
)


async def drop_dead(postgres: Postgres) -> int:
    """Forget 2,000 numbers of a dead generation, at last the generation; the company, 0 when none is dead."""
    async with postgres.transaction() as connection:
        row = await connection.fetchrow(FIND_DEAD)
        if row is None:
            return 0
        await drop_some(connection, row["company_id"], generation_id=row["id"])
    company_id: int = row["company_id"]
    return company_id


DROP_ABANDONED = """
DELETE FROM caller_list_uploads WHERE id IN (
    SELECT id FROM caller_list_uploads
    WHERE status = 'Receiving' AND created_at < now() - interval '1 hour' ORDER BY id LIMIT 1)
"""


async def drop_abandoned(postgres: Postgres) -> None:
    """Forget a body that never became whole."""
    await postgres.execute(DROP_ABANDONED)
