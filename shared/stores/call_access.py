"""How a request reaches calls in Postgres: together with others of its moment, or by itself within its turn at a call.

Owns the groups. Must never let a request of a turn wait for others: they may wait for that turn.
"""

import asyncio
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from shared.stores.call_changes import Saving, save_change, save_changes
from shared.stores.call_looks import Asked, Look, Seen, Sight, find_claimed_by, see, sight_of
from shared.stores.postgres import PoolOrConnection, Postgres
from shared.stores.stored_tags import Kept, Writing, keep, keep_all
from shared.stores.together import Together

_LANES, _MOST = 2, 16


class Access(Protocol):
    """Sees and saves. runs: what other statements are run on."""

    @property
    def runs(self) -> PoolOrConnection:
        """The pool, or the connection that has the turn."""

    async def see(self, sight: Sight) -> Seen:
        """What one look sees. Errors: Unavailable."""

    async def save(self, saving: Saving) -> bool:
        """Write what a partner changed of a call; False when something came in between. Errors: Unavailable."""

    async def keep(self, writing: Writing) -> Kept:
        """Keep tags for a caller's next call. Errors: Unavailable."""


class SharedAccess:
    """Requests of one moment share a statement, and so a commit: none is answered before it."""

    def __init__(self, postgres: Postgres) -> None:
        self.runs = postgres
        self._looks = Together(
            partial(see, postgres), lanes=_LANES, most=_MOST, alike=lambda sight: sight.query
        )
        self._saves = Together(
            partial(save_changes, postgres, by_partner=True),
            lanes=_LANES,
            most=_MOST,
            name=lambda saving: saving.name,
        )
        self._tags = Together(
            partial(keep_all, postgres), lanes=_LANES, most=_MOST, name=lambda writing: writing.name
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as serving:
            for each in (self._looks.run, self._saves.run, self._tags.run):
                serving.create_task(each())

    async def see(self, sight: Sight) -> Seen:
        """What one look sees. Errors: Unavailable. Cost: one round trip, shared."""
        return await self._looks.ask(sight)

    async def save(self, saving: Saving) -> bool:
        """Write a change; False when something came in between. Errors: Unavailable. Cost: one round trip."""
        if saving.alone:
            return await save_change(self.runs, saving, by_partner=True)
        return await self._saves.ask(saving)

    async def keep(self, writing: Writing) -> Kept:
        """Keep tags for a caller's next call. Errors: Unavailable. Cost: one round trip, shared."""
        return await self._tags.ask(writing)


class OwnAccess:
    """A request that has its turn at a call, or shares with nobody: runs is its connection, or a pool."""

    def __init__(self, runs: PoolOrConnection) -> None:
        self.runs = runs

    async def see(self, sight: Sight) -> Seen:
        """What one look sees. Errors: Unavailable. Cost: one round trip."""
        (seen,) = await see(self.runs, [sight])
        return seen

    async def save(self, saving: Saving) -> bool:
        """Write a change; False when something came in between. Errors: Unavailable. Cost: one round trip."""
        return await save_change(self.runs, saving, by_partner=True)

    async def keep(self, writing: Writing) -> Kept:
        """Keep tags for a caller's next call. Errors: Unavailable. Cost: one round trip."""
        return await keep(self.runs, writing)


async def find_call_seen(access: Access, look: Look, *, asked: Asked) -> Seen:
    """A call by its uuid, or by that of the reservation that it claimed; else by its caller.

    Cost: one round trip, two more for a reservation's uuid.
    """
    sight = sight_of(look, asked)
    if sight is None:
        return Seen(version=0)
    seen = await access.see(sight)
    if seen.state is not None or not asked.uuid:
        return seen
    own = await find_claimed_by(access.runs, asked)
    return (
        seen
        if own in {"", asked.uuid}
        else await find_call_seen(access, look, asked=replace(asked, uuid=own))
    )
