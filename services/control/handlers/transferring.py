"""A buyer hands its live call on.

Owns the beats of transfers. Must never dial a number that the key's directory does not name, nor keep a transfer whose
switch was not told: the buyer has the caller then, as before.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct

from services.control.rules.nouns import (
    Active,
    Desk,
    HandedOn,
    Handing,
    OnTransfer,
    Refused,
)
from services.control.rules.transferring import entry_of, transfer_of
from services.control.store import GroupCall, GroupCalls
from shared.domain import uuid7
from shared.domain.calls import CallState, Leg
from shared.domain.hand_ons import Entry, HandOn, handed_on, held_transfer, not_told, taken_back, transferor
from shared.domain.key_settings import CallTransferSettings, Kind
from shared.domain.keys import Key
from shared.domain.reasons import Reason
from shared.domain.switching.nouns import Conference, DropLeg
from shared.errors import Unavailable
from shared.stores import live_calls
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.keyring import AGAIN, Again
from shared.stores.postgres import Postgres
from shared.telling import Telling

A = TypeVar("A", Handing, OnTransfer)
B = TypeVar("B", Desk, HandedOn, Active)
_TRIES = 12


class _Gathered(Struct, frozen=True, kw_only=True):
    """What a transfer is decided by. Shape: leg is the buyer's, which may hand the caller on."""

    state: CallState
    leg: Leg
    entries: tuple[Entry, ...]


class Transferring:
    """Takes transfers. Errors: Unavailable when Postgres is away: then nothing was done."""

    def __init__(self, desk: KeyDesk, calls: GroupCalls, *, postgres: Postgres, telling: Telling) -> None:
        self._desk = desk
        self._calls = calls
        self._postgres = postgres
        self._telling = telling

    async def view(self, asked: Handing, client: str) -> Desk | Refused:
        """The live call, and whom it may be handed on to."""
        return await self._until_current(asked, client, act=self._viewed)

    async def start(self, asked: Handing, client: str) -> HandedOn | Refused:
        """Begin a transfer; of two at once one is the first."""
        return await self._until_current(asked, client, act=self._started)

    async def confer(self, asked: OnTransfer, client: str) -> HandedOn | Refused:
        """The held caller joins the buyer and whom it talks to."""
        return await self._until_current(asked, client, act=self._conferred)

    async def cancel(self, asked: OnTransfer, client: str) -> HandedOn | Refused:
        """The caller goes back to the buyer."""
        return await self._until_current(asked, client, act=self._cancelled)

    async def active(self, asked: Handing, client: str) -> Active | Refused:
        """The group's live calls."""
        return await self._until_current(asked, client, act=self._listed)

    async def _until_current(
        self, asked: A, client: str, *, act: Callable[[Holder, A], Awaitable[B | Reason | Again]]
    ) -> B | Refused:
        for _ in range(_TRIES):
            holder = await self._desk.holder(asked.token, Kind.CALL_TRANSFER, client=client)
            if isinstance(holder, Again):
                continue
            if not isinstance(holder, Holder):
                return Refused(reason=holder.reason, key_id=holder.key_id)
            outcome = await act(holder, asked)
            if isinstance(outcome, Again):
                continue
            self._desk.used(holder.key.id)
            return Refused(reason=outcome, key_id=holder.key.id) if isinstance(outcome, Reason) else outcome
        raise Unavailable("call")

    async def _viewed(self, holder: Holder, asked: Handing) -> Desk | Reason | Again:
        found = await self._gathered(holder, asked)
        if not isinstance(found, _Gathered):
            return found
        call = found.state.call
        return Desk(key_id=holder.key.id, call_uuid=call.uuid, caller=call.caller, entries=found.entries)

    async def _started(self, holder: Holder, asked: Handing) -> HandedOn | Reason | Again:
        found = await self._gathered(holder, asked)
        if not isinstance(found, _Gathered):
            return found
        entry, leaves = entry_of(found.entries, asked), found.state.call.provider.startswith("twilio/")
        if entry is None or (asked.hold and leaves):
            return Reason.NOT_IN_DIRECTORY if entry is None else Reason.TRANSFEROR_GONE
        to = HandOn(
            leg_uuid=self._desk.new_id(holder.key.shard),
            number=entry.number,
            name=entry.name,
            key_id=holder.key.id,
            at_ms=self._desk.clock.now_ms(),
            warm=asked.hold,
            leaves=leaves,
        )
        return await self._dialled(holder.key, found.state, leg=found.leg, to=to)

    async def _gathered(self, holder: Holder, asked: Handing) -> _Gathered | Reason | Again:
        """The call that its buyer may hand on now, and whom the key's directory names."""
        found = await self._calls.find(holder, asked)
        if not isinstance(found, GroupCall):
            return found
        leg = transferor(found.state, found.members)
        if isinstance(leg, Reason):
            return leg
        settings = holder.key.settings
        assert isinstance(settings, CallTransferSettings)
        entries = await live_calls.load_entries(self._postgres, settings.directory_id)
        return _Gathered(state=found.state, leg=leg, entries=entries)

    async def _dialled(
        self, key: Key, state: CallState, *, leg: Leg, to: HandOn
    ) -> HandedOn | Reason | Again:
        """Write the leg, tell the switch; when that cannot be told, all is as before, unless the transfer goes on without."""
        begun = await self._calls.keep(state, handed_on(state, leg, to=to))
        if isinstance(begun, Again):
            return begun
        new, call = begun.legs[-1], begun.call
        told = await self._telling.tell(call, transfer_of(call, new))
        refused = None if told else await self._undone(begun, to)
        done = HandedOn(key_id=key.id, call_uuid=call.uuid, transfer_uuid=new.uuid, caller=call.caller)
        return refused or done

    async def _undone(self, state: CallState, to: HandOn) -> Reason | None:
        """Take a transfer back whose switch was not told, however the call has changed meanwhile; None when it is under way."""
        for _ in range(_TRIES):
            undone = not_told(state, to, at_ms=self._desk.clock.now_ms())
            if not isinstance(undone, CallState):
                return undone
            if not isinstance(await self._calls.keep(state, undone), Again):
                return Reason.SWITCH_SILENT
            state = await self._calls.now(state)
        raise Unavailable("call")

    async def _conferred(self, holder: Holder, asked: OnTransfer) -> HandedOn | Reason | Again:
        state = await self._state_of(holder, asked)
        if not isinstance(state, CallState):
            return state
        leg = held_transfer(state, asked.transfer_uuid, answered=True)
        if isinstance(leg, Reason):
            return leg
        call = state.call
        told = await self._telling.tell(
            call, Conference(call_uuid=call.uuid, legs=(leg.transferred_from, leg.uuid))
        )
        done = HandedOn(key_id=holder.key.id, call_uuid=call.uuid, transfer_uuid=leg.uuid)
        return done if told else Reason.SWITCH_SILENT

    async def _cancelled(self, holder: Holder, asked: OnTransfer) -> HandedOn | Reason | Again:
        state = await self._state_of(holder, asked)
        if not isinstance(state, CallState):
            return state
        leg = held_transfer(state, asked.transfer_uuid, answered=False)
        if isinstance(leg, Reason):
            return leg
        back = await self._calls.keep(state, taken_back(state, leg, at_ms=self._desk.clock.now_ms()))
        if isinstance(back, Again):
            return back
        call = back.call
        await self._telling.tell(call, DropLeg(call_uuid=call.uuid, leg_uuid=leg.uuid))
        return HandedOn(key_id=holder.key.id, call_uuid=call.uuid, transfer_uuid=leg.uuid)

    async def _listed(self, holder: Holder, _asked: Handing) -> Active | Reason | Again:
        if not await self._desk.is_current(holder, 0):
            return AGAIN
        calls = await live_calls.load_active(self._postgres, holder.key)
        return Active(key_id=holder.key.id, calls=calls)

    async def _state_of(self, holder: Holder, asked: OnTransfer) -> CallState | Reason | Again:
        """The call of a transfer; another group's is none."""
        uuid = ""
        if uuid7.is_uuid7(asked.transfer_uuid):
            uuid = await live_calls.find_call_of(
                self._postgres, holder.key, transfer_uuid=asked.transfer_uuid
            )
        if not uuid:
            return Reason.TRANSFER_NOT_FOUND if await self._desk.is_current(holder, 0) else AGAIN
        held = await live_calls.find_held(self._postgres, holder.key, caller="", call_uuid=uuid)
        if not await self._desk.is_current(holder, held.version):
            return AGAIN
        return held.state or Reason.TRANSFER_NOT_FOUND
