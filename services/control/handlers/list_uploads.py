"""Whole files of numbers: taken as they come, worked on by the worker.

Owns the order of the beats. Must never hold more of a body than a chunk.
"""

from collections.abc import AsyncIterator

from services.control.handlers.lists import Lists
from services.control.wire import list_answers as answers
from services.control.wire.lists import Asked, read_upload_id
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.lists import Place
from shared.domain.reasons import Reason
from shared.domain.upload_body import read_encoding
from shared.stores.key_desk import KeyDesk
from shared.stores.list_uploads import find_upload, take_body
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
            body = read_encoding(request.headers.get("Content-Type", ""))
            found = await self._lists.named(asked, place)
            if isinstance(found, Reason):
                return found
            if isinstance(body, Reason):
                return body
            upload_id, key_id = self._desk.new_id(0), place.key_id
            taken = await take_body(
                self._postgres, found, upload_id=upload_id, key_id=key_id, body=body, pieces=pieces
            )
            return taken if isinstance(taken, Reason) else answers.write_upload(taken, status=202)

        return await self._lists.answer(request, PERMISSION, deed=deed)

    async def show(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """How far an upload has got."""
        found, upload_id = await self._lists.named(asked, place), read_upload_id(asked)
        if isinstance(found, Reason):
            return found
        if isinstance(upload_id, Reason):
            return upload_id
        upload = await find_upload(self._postgres, found, upload_id=upload_id)
        return answers.write_upload(upload) if upload else Reason.NOT_FOUND
