"""A leg and its places in caps, taken and given back together with the call's own change.

Owns the transactions in which both are written. Must never be asked who is next, nor leave a place that no leg's row names.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.call_books import Books, CallChange
from shared.domain.calls import CallState, Leg
from shared.domain.caps import HeldPlaces
from shared.domain.plan import Plan
from shared.domain.routing.seats import Seat
from shared.domain.routing.subjects import subjects_of
from shared.domain.routing.waterfall import number_of
from shared.domain.settlement import dedupe_s
from shared.stores.call_changes import Saving, save_change
from shared.stores.calls import load_nearest
from shared.stores.places import Move, move, take
from shared.stores.postgres import Postgres


class Moved(Struct, frozen=True):
    """The call has changed since it was loaded; nothing was written."""


class Full(Struct, frozen=True):
    """No place was left; nothing was written."""


class Written(Struct, frozen=True, kw_only=True):
    """The call as it stands now, and what the mirror of its caps is to be told."""

    state: CallState
    mirror: Mapping[str, str]


class _GivenUp(Exception):  # noqa: N818 - it only ends a transaction
    """Roll back: the answer says why."""

    def __init__(self, why: Moved | Full) -> None:
        super().__init__()
        self.why = why


class NewLeg(Struct, frozen=True, kw_only=True):
    """A leg to be dialled. Shape: bid None = the buyer did not bid."""

    uuid: str
    seat: Seat
    bid: Decimal | None
    at_ms: int


async def place_leg(
    postgres: Postgres, state: CallState, *, plan: Plan, books: Books, new: NewLeg
) -> Written | Full | Moved:
    """Take the places of a buyer (and its group) and write the leg that holds them.

    Errors: Unavailable. Cost: one transaction of two statements.
    """
    try:
        async with postgres.transaction() as connection:
            buyer, group = new.seat.buyer, new.seat.group
            subjects = subjects_of(plan, buyer.id, group_id=group.id if group else 0, now_ms=new.at_ms)
            taken = await take(connection, state.call.company_id, subjects=subjects)
            if taken is None:
                raise _GivenUp(Full())
            leg = _leg(new, state, held=taken.held)
            call = state.call if state.legs else replace(state.call, forwarded_ms=new.at_ms)
            change = CallChange(state=replace(state, call=call, legs=(*state.legs, leg)))
            change = books.fire(change, "selected")
            if not await save_change(connection, Saving(change=change)):
                raise _GivenUp(Moved())
    except _GivenUp as given_up:
        return given_up.why
    return Written(state=_now(change.state), mirror=taken.mirror)


async def save_report(
    postgres: Postgres, before: CallState, *, after: CallState, plan: Plan, books: Books
) -> Written | Moved:
    """Write what a report changed: states, places, and (closed, or newly answered) what follows from them.

    Errors: Unavailable. Cost: one transaction of one to four statements.
    """
    moves = _moves(before.legs, after.legs)
    try:
        async with postgres.transaction() as connection:
            if after.call.closed_ms:
                within_s = dedupe_s(plan, books.sides(after))
                nearest = await load_nearest(connection, after.call, within_s=within_s)
                change = books.close(after, was_closed=bool(before.call.closed_ms), nearest=nearest)
            else:
                change = CallChange(state=after)
            if after.call.answered_ms and not before.call.answered_ms:
                change = books.fire(change, "answered")
            mirror = await move(connection, after.call.company_id, moves=moves)
            if not await save_change(connection, Saving(change=change)):
                raise _GivenUp(Moved())
    except _GivenUp:
        return Moved()
    return Written(state=_now(change.state), mirror=mirror)


def _leg(new: NewLeg, state: CallState, *, held: HeldPlaces) -> Leg:
    buyer, group = new.seat.buyer, new.seat.group
    return Leg(
        uuid=new.uuid,
        position=len(state.legs) + 1,
        buyer_id=buyer.id,
        group_id=group.id if group else 0,
        number=number_of(buyer, state.call),
        timeout_seconds=buyer.timeout_seconds,
        send_digits=buyer.send_digits,
        bid=new.bid,
        subjects=held.subjects,
        windows=held.windows,
        dialled_ms=new.at_ms,
    )


def _moves(before: Sequence[Leg], after: Sequence[Leg]) -> list[Move]:
    was = {leg.uuid: leg.place for leg in before}
    return [
        Move(
            held=HeldPlaces(subjects=leg.subjects, windows=leg.windows),
            before=was[leg.uuid],
            after=leg.place,
        )
        for leg in after
        if was.get(leg.uuid, leg.place) != leg.place
    ]


def _now(state: CallState) -> CallState:
    """The state as it was written: its revision has grown by one."""
    return replace(state, call=replace(state.call, rev=state.call.rev + 1))
