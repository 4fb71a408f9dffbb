"""Who is dialled next: the reserved buyer, then the campaign's order, each buyer once.

Owns the order of attempts and the reasons of those that are passed over. Must never look at a cap: places are taken by whoever
dials, and an attempt that finds none is followed by the next.

Source: calls.md, route; rtb.md, evaluation order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from shared.domain.calls import Call, CallState
from shared.domain.hand_backs import last_rejection
from shared.domain.plan import Buyer, ListIds
from shared.domain.reasons import Reason
from shared.domain.routing.candidates import Ordered
from shared.domain.routing.evaluation import Evaluation
from shared.domain.routing.seats import Seat
from shared.domain.tags import Tags

Members = frozenset[int]


class Attempt(Struct, frozen=True, kw_only=True):
    """Seats that are dialled together: one, or a simultaneous group's. Shape: bids stand beside their seats, None = no bid."""

    seats: tuple[Seat, ...]
    bids: tuple[Decimal | None, ...]


class Waterfall(Struct, frozen=True, kw_only=True):
    """Attempts, best first, and why others are none. Shape: decided as in Ordered."""

    attempts: tuple[Attempt, ...] = ()
    decided: str = ""
    dropped: Mapping[Reason, int] = {}


def waterfall(
    evaluation: Evaluation, state: CallState, *, tags: Tags, members: Members, now_ms: int
) -> Waterfall:
    """What is left to try for a call. Shape: members are the ids of the caller lists that the caller stands on."""
    plan, call = evaluation.plan, state.call
    for lists in (plan.company.lists, plan.lists):
        refused = list_refusal(lists, members)
        if refused is not None:
            return Waterfall(decided=refused)
    reserved = _reserved(evaluation, state)
    ordered = Ordered()
    if not call.only_reserved:
        publisher = plan.company.publishers_by_id.get(call.publisher_id)
        ordered = evaluation.in_order(tags, call.key_seed, now_ms=now_ms, publisher=publisher)
    dropped = Counter(ordered.dropped)
    tried = {leg.buyer_id for leg in state.legs}
    seats: list[Seat] = []
    for seat in _handed_on((*reserved, *ordered.seats), state):
        reason = list_refusal(seat.buyer.lists, members) or _unreachable(seat, call)
        if reason is not None:
            dropped[reason] += 1
        elif seat.buyer.id not in tried:
            tried.add(seat.buyer.id)
            seats.append(seat)
    return Waterfall(
        attempts=tuple(_attempts(seats, state)), decided="" if seats else ordered.decided, dropped=dropped
    )


def list_refusal(lists: ListIds, members: Members) -> Reason | None:
    """Why lists of one level keep a caller away: suppressed wins over accepted."""
    if members.intersection(lists.deny):
        return Reason.CALLER_SUPPRESSED
    if lists.admit and not members.intersection(lists.admit):
        return Reason.CALLER_NOT_ACCEPTED
    return None


def _reserved(evaluation: Evaluation, state: CallState) -> tuple[Seat, ...]:
    """The seat that the caller was promised to: rules and hours have had their say when it was reserved."""
    wanted = (state.call.reserved_buyer_id, state.call.reserved_group_id)
    return tuple(
        seat
        for seat in evaluation.compiled.seats
        if (seat.buyer.id, seat.group.id if seat.group else 0) == wanted and not seat.paused
    )


def _handed_on(seats: tuple[Seat, ...], state: CallState) -> Iterable[Seat]:
    """Of a call that a buyer has handed back, the buyers of the key's group come first, and with the fallback `group` alone."""
    rejection = last_rejection(state.call.flow)
    if rejection is None:
        return seats
    of_group = [seat for seat in seats if seat.buyer.id in rejection.members]
    return of_group if rejection.fallback == "group" else (*of_group, *seats)


def _attempts(seats: Iterable[Seat], state: CallState) -> Iterable[Attempt]:
    """One buyer at a time, but a simultaneous group's members together, where the first of them stands."""
    together: dict[int, list[Seat]] = {}
    in_turn: list[list[Seat]] = []
    for seat in seats:
        group = seat.group
        if group is None or not group.simultaneous:
            in_turn.append([seat])
        elif group.id in together:
            together[group.id].append(seat)
        else:
            in_turn.append(together.setdefault(group.id, [seat]))
    for each in in_turn:
        yield Attempt(seats=tuple(each), bids=tuple(_bid(seat, state) for seat in each))


def _bid(seat: Seat, state: CallState) -> Decimal | None:
    """The reserved buyer's bid is what it was at the reservation."""
    is_reserved = seat.buyer.id == state.call.reserved_buyer_id
    return state.call.reserved_bid if is_reserved else seat.buyer.bid_revenue


def number_of(buyer: Buyer, call: Call) -> str:
    """Where a buyer's call goes: to the number that it answered with when it was asked, else to its own; a token is none."""
    if buyer.id == call.reserved_buyer_id and call.reserved_number:
        return call.reserved_number
    return "" if buyer.number.startswith("[") else buyer.number


def _unreachable(seat: Seat, call: Call) -> Reason | None:
    return None if number_of(seat.buyer, call) else Reason.NO_NUMBER
