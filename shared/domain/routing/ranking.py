"""Who is asked first: candidates in order of preference.

Owns both routing modes. Lowest priority first; inside one priority a weighted random order, or (mode bid) the highest
revenue first, ties by weighted random order. Draws come from the ping's uuid, so an order can be had again.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from shared.domain.draws import Draws
from shared.domain.routing.seats import Choice, Seat

_NOTHING = Decimal(0)


class Tie(Struct, frozen=True):
    """Equals, drawn by weight.

    Shape: options are (weight, a seat's place, or a group's own ties); total is the sum of the weights.
    """

    total: int
    options: "tuple[tuple[int, int | tuple[Tie, ...]], ...]"


def ties_of(
    choices: Sequence[Choice], eligible: int, revenues: Mapping[int, Decimal | None] | None
) -> tuple[Tie, ...]:
    """The eligible choices as ties, best tie first.

    Shape: eligible has a bit for each seat; revenues by seat's place in mode bid, None in mode priority_weight.
    Cost: O(choices); callers keep the answer for each eligible mask.
    """
    by_rank: dict[tuple[int, Decimal], list[tuple[int, int | tuple[Tie, ...]]]] = {}
    for choice in choices:
        if not choice.mask & eligible:
            continue
        seats = [seat for seat in choice.seats if eligible >> seat.place & 1]
        rank = (choice.priority, -_bid(seats, revenues))
        option = _members(seats, revenues) if choice.is_group else seats[0].place
        by_rank.setdefault(rank, []).append((choice.weight, option))
    return _ties(by_rank)


def order(ties: Sequence[Tie], draws: Draws, limit: int) -> list[int]:
    """Places of seats, best first, at least `limit` of them when there are so many.

    The first ones are the same whatever the limit.
    """
    places: list[int] = []
    for tie in ties:
        if len(places) >= limit:
            break
        if len(tie.options) == 1:
            _take(tie.options[0][1], draws, places, limit)
        else:
            _draw(tie, draws, places, limit)
    return places


def _draw(tie: Tie, draws: Draws, places: list[int], limit: int) -> None:
    """Weighted sampling without replacement."""
    left, total = list(tie.options), tie.total
    while left and len(places) < limit:
        at = draws.below(total) if len(left) > 1 else 0
        pick = 0
        for pick, (weight, _) in enumerate(left):  # noqa: B007 - the place where it stopped is the answer
            at -= weight
            if at < 0:
                break
        weight, option = left.pop(pick)
        total -= weight
        _take(option, draws, places, limit)


def _take(option: int | tuple[Tie, ...], draws: Draws, places: list[int], limit: int) -> None:
    if isinstance(option, int):
        places.append(option)
    else:
        places.extend(order(option, draws, limit))


def _members(seats: Sequence[Seat], revenues: Mapping[int, Decimal | None] | None) -> tuple[Tie, ...]:
    """A group's members in their own order: the best that may take the call comes first."""
    by_rank: dict[tuple[int, Decimal], list[tuple[int, int | tuple[Tie, ...]]]] = {}
    for seat in seats:
        rank = (seat.buyer.priority, -_bid([seat], revenues))
        by_rank.setdefault(rank, []).append((seat.buyer.weight, seat.place))
    return _ties(by_rank)


def _bid(seats: Sequence[Seat], revenues: Mapping[int, Decimal | None] | None) -> Decimal:
    """What a choice bids: the revenue of its best member, who is the one that gets the caller. Unknown is nothing."""
    if revenues is None:
        return _NOTHING
    first = min(seat.buyer.priority for seat in seats)
    return max(revenues[seat.place] or _NOTHING for seat in seats if seat.buyer.priority == first)


def _ties(by_rank: Mapping[tuple[int, Decimal], list[tuple[int, int | tuple[Tie, ...]]]]) -> tuple[Tie, ...]:
    return tuple(
        Tie(sum(weight for weight, _ in by_rank[rank]), tuple(by_rank[rank])) for rank in sorted(by_rank)
    )
