"""The live calls of a key's group: which one is meant, and what is written of it.

Owns the look and the write, both as of the key's own account. Must never decide what becomes of a call.

Failure policy: Postgres away is Unavailable: nothing was done. Redis away: the worker assigns the mirror of caps later.
"""

from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from services.control.rules.nouns import Handing, Reject
from shared.domain.calls import CallState
from shared.domain.reasons import Reason
from shared.errors import Unavailable
from shared.stores import live_calls, mirror
from shared.stores.calls import find_call, load_legs
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.keyring import AGAIN, Again
from shared.stores.placing import Moved, save_report
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis


class GroupCall(Struct, frozen=True, kw_only=True):
    """A call that a buyer of the group has or had. Shape: members are the group's buyers, in its order."""

    state: CallState
    members: tuple[int, ...]


class GroupCalls:
    """Finds and keeps them."""

    def __init__(self, desk: KeyDesk, postgres: Postgres, *, redis: Redis) -> None:
        self._desk = desk
        self._postgres = postgres
        self._redis = redis

    async def find(self, holder: Holder, asked: Reject | Handing) -> GroupCall | Reason | Again:
        """The call that is meant, when the path names the key's own group. Cost: a query, or three."""
        key, postgres = holder.key, self._postgres
        if asked.group and not await live_calls.is_group(postgres, key, named=asked.group):
            return Reason.SCOPE if await self._desk.is_current(holder, 0) else AGAIN
        held = await live_calls.find_held(postgres, key, caller=asked.caller, call_uuid=asked.call_uuid)
        if not await self._desk.is_current(holder, held.version):
            return AGAIN
        if held.state is None:
            return Reason.CALL_NOT_FOUND
        return GroupCall(state=held.state, members=held.members)

    async def now(self, state: CallState) -> CallState:
        """A call that has changed since. Cost: two queries."""
        found = await find_call(self._postgres, state.call.company_id, uuid=state.call.uuid)
        assert found is not None, "a call is never deleted while it lives"
        return replace(found.state, legs=await load_legs(self._postgres, found.state.call))

    async def keep(self, before: CallState, after: CallState) -> CallState | Again:
        """Write the call with its places, then tell their mirror. Cost: a transaction, and a script when places changed."""
        plan = await self._desk.plan(before.call.company_id, before.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        books = self._desk.books(plan)
        written = await save_report(self._postgres, before, after=after, plan=plan, books=books)
        if isinstance(written, Moved):
            return AGAIN
        if written.mirror:
            with suppress(Unavailable):
                await mirror.assign(self._redis, plan.company.shard, mirror=written.mirror)
        return written.state
