"""Caller lists changed by those who hold a key for them: each change in force when its function returns.

Owns the transaction of each change with its audit row, its config version, and the hot copy that is told afterwards. Must
never look at a permission.

Failure policy: Postgres away is Unavailable, and nothing was done; Redis away is, too, as in force could not be promised. When
it goes away after the commit, the change is kept, and the worker tells it what it is owed. A cold one is no failure: nothing
is served from it before its rebuild, which reads what was committed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from msgspec.structs import replace

from shared.domain.lists import CallerList, Listed, Place
from shared.domain.reasons import Reason
from shared.stores import audit, hot_sync, lists
from shared.stores.config import Change, bump, lock_company
from shared.stores.hot_company import Cold
from shared.stores.list_looks import find_listed
from shared.stores.postgres import Connection, PoolOrConnection, Postgres
from shared.stores.redis import Redis


class ListDesk:
    """Changes lists. Errors: Unavailable. Cost: a look whether Redis is there, besides the transaction."""

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis

    async def find(self, place: Place, name: str) -> CallerList | None:
        """One list, None when there is none of that name."""
        return await _find(self._postgres, place, name=name)

    async def create(self, place: Place, name: str) -> CallerList | Reason:
        """A new, empty list."""
        try:
            async with self._change(place) as connection:
                await lock_company(connection, place.company_id)
                made = await lists.create_list(
                    connection, place.company_id, level=place.level, entity_id=place.entity_id, name=name
                )
                await _written(connection, place, action="create", before=None, after=made)
        except asyncpg.UniqueViolationError:
            return Reason.LIST_NAME_TAKEN
        await self._settle(place)
        return made

    async def rename(self, place: Place, name: str, *, to: str) -> CallerList | Reason:
        """The same list under another name, and with that name's effect."""
        try:
            async with self._change(place) as connection:
                await lock_company(connection, place.company_id)
                before = await _find(connection, place, name=name)
                if before is None:
                    return Reason.NOT_FOUND
                after = replace(before, name=to)
                await lists.rename_list(connection, before, to=to)
                await _written(connection, place, action="update", before=before, after=after)
        except asyncpg.UniqueViolationError:
            return Reason.LIST_NAME_TAKEN
        await self._settle(place)
        return after

    async def delete(self, place: Place, name: str) -> CallerList | Reason:
        """Take a list away; its numbers are taken off later, and have no effect until then."""
        async with self._change(place) as connection:
            await lock_company(connection, place.company_id)
            gone = await _find(connection, place, name=name)
            if gone is None:
                return Reason.NOT_FOUND
            await lists.forget_list(connection, gone)
            await _written(connection, place, action="delete", before=gone, after=None)
        await self._settle(place)
        return gone

    async def add(self, place: Place, name: str, *, number: str, until_ms: int = 0) -> Listed | Reason:
        """Put a number on a list. Units: until_ms unix milliseconds, 0 = as long as the list says, or as it stands there."""
        async with self._change(place) as connection:
            to = await _held(connection, place, name=name)
            if to is None:
                return Reason.NOT_FOUND
            added = await lists.add_numbers(connection, to, numbers=[number], key_id=place.key_id)
            if until_ms:
                await lists.expire_number(connection, to, number=number, at_ms=until_ms)
            listed = await find_listed(connection, to, number=number, is_new=bool(added))
        await self._settle(place)
        return listed or Reason.NOT_FOUND

    async def remove(self, place: Place, name: str, *, number: str) -> Listed | Reason:
        """Take a number off a list; what it was."""
        async with self._change(place) as connection:
            of = await _held(connection, place, name=name)
            listed = await find_listed(connection, of, number=number) if of else None
            if of is None or listed is None:
                return Reason.NOT_FOUND
            await lists.remove_numbers(connection, of, numbers=[number])
        await self._settle(place)
        return listed

    @asynccontextmanager
    async def _change(self, place: Place) -> AsyncIterator[Connection]:
        """A transaction that is not even begun while Redis is away: it would be kept, but not in force."""
        await self._redis.command(place.shard, "PING")
        async with self._postgres.transaction() as connection:
            yield connection

    async def _settle(self, place: Place) -> None:
        with suppress(Cold):
            await hot_sync.apply(self._postgres, self._redis, company_id=place.company_id)


async def _find(connection: PoolOrConnection, place: Place, *, name: str) -> CallerList | None:
    return await lists.find_list(
        connection, place.company_id, level=place.level, entity_id=place.entity_id, name=name
    )


LOCK_LIST = """
SELECT id FROM caller_lists WHERE company_id = $1 AND level = $2 AND entity_id = $3 AND name = $4 FOR SHARE
"""


async def _held(connection: Connection, place: Place, *, name: str) -> CallerList | None:
    """One list, which is neither swapped nor deleted until the transaction ends."""
    await connection.execute(LOCK_LIST, place.company_id, place.level, place.entity_id, name)
    return await _find(connection, place, name=name)


async def _written(
    connection: Connection,
    place: Place,
    *,
    action: audit.Action,
    before: CallerList | None,
    after: CallerList | None,
) -> None:
    """Say what must be loaded anew, and who did it."""
    changes = frozenset[Change]()
    both = [each for each in (before, after) if each is not None]
    for each in both:
        changes |= await lists.changes_of(connection, each)
    if changes:
        await bump(connection, place.company_id, changes=changes)
    deed = audit.Deed(
        action=action,
        entity="caller_list",
        entity_id=both[0].id,
        before={"name": before.name} if before else None,
        after={"name": after.name} if after else None,
    )
    await audit.append(connection, place.company_id, actor=f"key:{place.key_id}", deeds=[deed])
