"""Caller lists, and the numbers on them.

Owns the order of the beats. Must never parse a request or spell a query.
"""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from services.control.wire import list_answers as answers
from services.control.wire import lists as wire
from services.control.wire.lists import Asked
from shared.clock import Clock
from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.lists import CallerList, Listed, Place
from shared.domain.reasons import Reason
from shared.stores.keyring import Denied
from shared.stores.list_access import ListAccess
from shared.stores.list_desk import ListDesk
from shared.stores.list_looks import find_listed, load_listed, load_names
from shared.stores.postgres import Postgres

_NUMBER = "caller_list_number"
Deed = Callable[[Asked, Place], Awaitable[HttpAnswer | Reason]]


class Lists:
    """One method per endpoint; `answer` leads to it."""

    def __init__(self, access: ListAccess, lists: ListDesk, *, postgres: Postgres, clock: Clock) -> None:
        self._access = access
        self._lists = lists
        self._postgres = postgres
        self._clock = clock

    async def answer(self, request: HttpRequest, permission: str, *, deed: Deed) -> HttpAnswer:
        """Read, admit, do."""
        asked = wire.read_asked(request)
        if isinstance(asked, Reason):
            return answers.write_refused(asked, request)
        place = await self._access.admit(asked.by, permission, client=request.client)
        if isinstance(place, Denied):
            return answers.write_refused(place.reason, request, key_id=place.key_id)
        outcome = await deed(asked, place)
        if isinstance(outcome, Reason):
            return answers.write_refused(outcome, request, key_id=place.key_id)
        return replace(outcome, key_id=place.key_id)

    async def index(self, asked: Asked, place: Place) -> HttpAnswer:
        """The lists of an entity."""
        page = wire.read_page_number(asked)
        names = await load_names(self._postgres, place, page=page)
        return answers.write_lists(place.level, place.entity_id, names=names, page=page)

    async def create(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """A new list."""
        name = wire.read_new_name(asked)
        return _fault(name) or _told(await self._lists.create(place, name), status=201)

    async def show(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """One list."""
        return _told(await self.named(asked, place))

    async def rename(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """One list under another name."""
        name, to = wire.read_list_name(asked), wire.read_new_name(asked)
        return _fault(name, to) or _told(await self._lists.rename(place, name, to=to))

    async def delete(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """One list less."""
        name = wire.read_list_name(asked)
        return _fault(name) or _told(await self._lists.delete(place, name))

    async def numbers(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """The numbers on a list."""
        found, page = await self.named(asked, place), wire.read_page_number(asked)
        if isinstance(found, Reason):
            return found
        rows = await load_listed(self._postgres, found, page=page)
        return answers.write_numbers(found, rows=rows, page=page)

    async def add(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """One number more on a list, for good or until a moment."""
        name, number = wire.read_list_name(asked), wire.read_number(asked, _NUMBER)
        until_ms = wire.read_expiry(asked, now_ms=self._clock.now_ms())
        if isinstance(until_ms, Reason):
            return _fault(name, number) or until_ms
        return _fault(name, number) or _shown(
            await self._lists.add(place, name, number=number, until_ms=until_ms)
        )

    async def number(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """One number of a list."""
        return _shown(await self._listed(asked, place, noun=_NUMBER) or Reason.NOT_FOUND)

    async def remove(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """One number less on a list."""
        name, number = wire.read_list_name(asked), wire.read_number(asked, _NUMBER)
        return _fault(name, number) or _shown(await self._lists.remove(place, name, number=number))

    async def check(self, asked: Asked, place: Place) -> HttpAnswer | Reason:
        """Whether a number is on a list."""
        listed = await self._listed(asked, place, noun="caller_list_check")
        return listed if isinstance(listed, Reason) else answers.write_check(present=listed is not None)

    async def _listed(self, asked: Asked, place: Place, *, noun: str) -> Listed | Reason | None:
        found, number = await self.named(asked, place), wire.read_number(asked, noun)
        if isinstance(found, Reason):
            return found
        return _fault(number) or await find_listed(self._postgres, found, number=number)

    async def named(self, asked: Asked, place: Place) -> CallerList | Reason:
        """The list that the path names."""
        name = wire.read_list_name(asked)
        return _fault(name) or await self._lists.find(place, name) or Reason.NOT_FOUND


def _fault(*read: object) -> Reason | None:
    return next((each for each in read if isinstance(each, Reason)), None)


def _shown(outcome: Listed | Reason) -> HttpAnswer | Reason:
    if isinstance(outcome, Reason):
        return outcome
    return answers.write_number(outcome, status=201 if outcome.is_new else 200)


def _told(outcome: CallerList | Reason, *, status: int = 200) -> HttpAnswer | Reason:
    if isinstance(outcome, Reason):
        return outcome
    return answers.write_list(outcome.level, outcome.entity_id, name=outcome.name, status=status)
