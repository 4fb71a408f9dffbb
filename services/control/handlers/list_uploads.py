"""Whole files of numbers: taken as they come, worked on by the worker.

Owns the order of the beats. Must never hold more of a body than a chunk.
"""

from collections.abc import AsyncIterator

from msgspec.structs import asdict

from services.control.handlers.lists import Lists
from services.control.wire import list_uploads as wire
from services.control.wire.list_uploads import Wish
from services.control.wire.lists import Asked
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.lists import Place
from shared.domain.reasons import Reason
from shared.domain.upload_body import UploadBody
from shared.domain.upload_rows import Cutter
from shared.stores import list_uploads as store
from shared.stores.key_desk import KeyDesk
from shared.stores.list_uploads import Upload
from shared.stores.postgres import Postgres

PERMISSION = "caller_list_upload__create"


class Uploads:
    """Takes uploads. Errors: Unavailable: then nobody works on what was sent."""

    def __init__(self, lists: Lists, desk: KeyDesk, *, postgres: Postgres) -> None:
        self._lists = lists
        self._desk = desk
        self._postgres = postgres

    async def take(self, request: HttpRequest, pieces: AsyncIterator[bytes]) -> HttpAnswer:
        """A body with numbers."""

        async def deed(asked: Asked, place: Place) -> HttpAnswer | Reason:
            body = wire.read_encoding(request)
            found = await self._lists.named(asked, place)
            if isinstance(found, Reason):
                return found
            if isinstance(body, Reason):
                return body
            upload_id = self._desk.new_id(0)
            await store.open_upload(self._postgres, found, upload_id=upload_id, key_id=place.key_id)
            return await self._taken(upload_id, body, pieces=pieces)

        return await self._lists.answer(request, PERMISSION, deed=deed)

    async def _taken(
        self, upload_id: str, body: UploadBody, *, pieces: AsyncIterator[bytes]
    ) -> HttpAnswer | Reason:
        wish = await self._stored(upload_id, body, pieces=pieces)
        if isinstance(wish, Reason):
            await store.discard_upload(self._postgres, upload_id)
            return wish
        upload = Upload(id=upload_id, status="Processing", action=wish.action, clear_before_upload=wish.clear)
        await store.begin_upload(self._postgres, upload)
        return wire.write_upload(asdict(upload), status=202)

    async def _stored(
        self, upload_id: str, body: UploadBody, *, pieces: AsyncIterator[bytes]
    ) -> Wish | Reason:
        cutter = Cutter()
        try:
            async for piece in pieces:
                for chunk in cutter.feed(body.feed(piece)):
                    await store.save_chunk(self._postgres, upload_id, chunk=chunk)
            fields = body.end()
        except (ValueError, RecursionError):
            return Reason.BAD_REQUEST
        for chunk in cutter.end():
            await store.save_chunk(self._postgres, upload_id, chunk=chunk)
        return wire.read_wish(fields)

    async def show(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """How far an upload has got."""
        found, upload_id = await self._lists.named(asked, place), wire.read_upload_id(asked.params)
        if isinstance(found, Reason):
            return found
        if isinstance(upload_id, Reason):
            return upload_id
        upload = await store.find_upload(self._postgres, found, upload_id=upload_id)
        return wire.write_upload(asdict(upload)) if upload else Reason.NOT_FOUND
