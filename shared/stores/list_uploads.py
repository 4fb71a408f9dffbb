"""Uploads of caller lists as they come in, and how far they have got.

Owns the tables caller_list_uploads and caller_list_upload_chunks until a body is whole, and their showing. Must never apply a
row: shared/stores/list_upload_turns.py does.
"""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from shared.domain.lists import CallerList
from shared.domain.reasons import Reason
from shared.domain.upload_body import UploadBody, Wish, read_wish
from shared.domain.upload_rows import Chunk, Cutter
from shared.stores.postgres import Postgres

Pieces: TypeAlias = AsyncIterator[bytes]
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Upload(Struct, frozen=True, kw_only=True):
    """How far an upload has got. Shape: rejected are the first 2,000 rows that were no numbers."""

    id: str
    status: str
    action: str
    clear_before_upload: bool
    rows_read: int = 0
    rows_applied: int = 0
    rows_rejected: int = 0
    rejected: tuple[dict[str, Any], ...] = ()


INSERT_UPLOAD = """
INSERT INTO caller_list_uploads (id, company_id, list_id, key_id, action, status) VALUES ($1, $2, $3, $4, 'create', 'Receiving')
"""


async def open_upload(postgres: Postgres, of: CallerList, *, upload_id: str, key_id: int) -> None:
    """A body begins. Shape: nobody works on it, and nobody is told of it, before begin_upload."""
    await postgres.execute(INSERT_UPLOAD, upload_id, of.company_id, of.id, key_id)


INSERT_CHUNK = """
INSERT INTO caller_list_upload_chunks (upload_id, position, first_row, text) VALUES ($1, $2, $3, $4)
"""


async def save_chunk(postgres: Postgres, upload_id: str, *, chunk: Chunk) -> None:
    """Some rows of a body. Shape: NUL, which Postgres refuses, becomes what is no number either."""
    text = chunk.text.replace("\0", "\ufffd")
    await postgres.execute(INSERT_CHUNK, upload_id, chunk.position, chunk.first_row, text)


BEGIN_UPLOAD = """
UPDATE caller_list_uploads SET status = 'Processing', action = $2, clear_before_upload = $3 WHERE id = $1
"""


async def begin_upload(postgres: Postgres, upload: Upload) -> None:
    """The body is whole: the worker may begin."""
    await postgres.execute(BEGIN_UPLOAD, upload.id, upload.action, upload.clear_before_upload)


async def take_body(
    postgres: Postgres, of: CallerList, *, upload_id: str, key_id: int, body: UploadBody, pieces: Pieces
) -> Upload | Reason:
    """A body, stored as it comes; what cannot be read, or is not clear, is forgotten whole. Cost: a query for each chunk."""
    await open_upload(postgres, of, upload_id=upload_id, key_id=key_id)
    wish = await _stored(postgres, upload_id, body=body, pieces=pieces)
    if isinstance(wish, Reason):
        await discard_upload(postgres, upload_id)
        return wish
    upload = Upload(id=upload_id, status="Processing", action=wish.action, clear_before_upload=wish.clear)
    await begin_upload(postgres, upload)
    return upload


async def _stored(postgres: Postgres, upload_id: str, *, body: UploadBody, pieces: Pieces) -> Wish | Reason:
    cutter = Cutter()
    try:
        async for piece in pieces:
            for chunk in cutter.feed(body.feed(piece)):
                await save_chunk(postgres, upload_id, chunk=chunk)
        fields = body.end()
    except (ValueError, RecursionError):
        return Reason.BAD_REQUEST
    for chunk in cutter.end():
        await save_chunk(postgres, upload_id, chunk=chunk)
    return read_wish(fields)


DISCARD_UPLOAD = "DELETE FROM caller_list_uploads WHERE id = $1 AND status = 'Receiving'"


async def discard_upload(postgres: Postgres, upload_id: str) -> None:
    """The body cannot be read: forget it."""
    await postgres.execute(DISCARD_UPLOAD, upload_id)


FIND_UPLOAD = """
SELECT id::text AS id, status, action, clear_before_upload, rows_read, rows_applied, rows_rejected, rejected::text AS rejected
FROM caller_list_uploads WHERE id = $1::uuid AND list_id = $2 AND status <> 'Receiving'
"""


async def find_upload(postgres: Postgres, of: CallerList, *, upload_id: str) -> Upload | None:
    """One upload of a list. Shape: upload_id is a uuid."""
    row = await postgres.fetchrow(FIND_UPLOAD, upload_id, of.id)
    return None if row is None else Upload(**{**row, "rejected": tuple(_decode(row["rejected"]))})
