"""Who is asked first: candidates in order of preference.

Owns both routing modes. Lowest priority first; inside one priority a weighted random order, or (mode bid) the highest
revenue first, ties by weighted random order. Draws come from the ping's uuid, so an order can be had again.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, repeat
from math import log, log1p
from operator import mul, sub

from shared.domain.draws import Draws
from shared.domain.routing.seats import Choice, Seat

_NOTHING = Decimal(0)
_FEW = 48  # options whose whole order is drawn at once
_FIRST = 33  # of many: as many as a first call to the script needs, to see that more follow
_TRIES = 4 * _FIRST
_MOST = log(2**32)


class Tie:
    """Equals, drawn by weight.

    Shape: an option is a seat's place, or a group's own ties; weights stand beside their options.
    """

    __slots__ = ("cumulative", "inverses", "is_flat", "options", "total")

    def __init__(self, weighted: Sequence[tuple[int, "Option"]]) -> None:
        self.options = tuple(option for _, option in weighted)
        self.cumulative = tuple(accumulate(weight for weight, _ in weighted))
        self.inverses = tuple(1 / weight for weight, _ in weighted)
        self.total = self.cumulative[-1]
        self.is_flat = all(isinstance(option, int) for option in self.options)


Option = int | tuple[Tie, ...]


def ties_of(
    choices: Sequence[Choice], eligible: int, *, revenues: Mapping[int, Decimal | None] | None
) -> tuple[Tie, ...]:
    """The eligible choices as ties, best tie first.

    Shape: eligible has a bit for each seat; revenues by seat's place in mode bid, None in mode priority_weight.
    Cost: O(choices); callers keep the answer for each eligible mask.
    """
    by_rank: dict[tuple[int, Decimal], list[tuple[int, Option]]] = {}
    for choice in choices:
        if not choice.mask & eligible:
            continue
        seats = [seat for seat in choice.seats if eligible >> seat.place & 1]
        rank = (choice.priority, -_bid(seats, revenues))
        option = _members(seats, revenues) if choice.is_group else seats[0].place
        by_rank.setdefault(rank, []).append((choice.weight, option))
    return _ties(by_rank)


def order(ties: Sequence[Tie], draws: Draws, *, limit: int) -> list[int]:
    """Places of seats, best first, at least `limit` of them when there are so many.

    The first ones are the same whatever the limit.
    """
    places: list[int] = []
    for tie in ties:
        if len(places) >= limit:
            break
        options = tie.options if len(tie.options) == 1 else _drawn(tie, draws, limit=limit)
        if tie.is_flat:
            places += options  # type: ignore[arg-type] # a flat tie's options are places
            continue
        for option in options:
            places += (option,) if isinstance(option, int) else order(option, draws, limit=limit)
    return places


def places_of(ties: Sequence[Tie]) -> Iterator[int]:
    """Every place in ties, in no order that matters."""
    for tie in ties:
        for option in tie.options:
            if isinstance(option, int):
                yield option
            else:
                yield from places_of(option)


def _drawn(tie: Tie, draws: Draws, *, limit: int) -> Sequence[Option]:
    """A tie's options in weighted random order, without replacement.

    Many options: the first ones are found by drawing from all, so that nobody pays for those that are never reached.
    """
    options = tie.options
    if len(options) <= _FEW:
        return [options[at] for at in _by_keys(range(len(options)), tie.inverses, draws=draws)]
    first: dict[int, None] = {}
    for _ in range(_TRIES):
        first[bisect_right(tie.cumulative, draws.below(tie.total))] = None
        if len(first) == _FIRST:
            break
    if len(first) < limit:
        rest = [at for at in range(len(options)) if at not in first]
        first.update(dict.fromkeys(_by_keys(rest, [tie.inverses[at] for at in rest], draws=draws)))
    return [options[at] for at in first]


def _by_keys(places: Sequence[int], inverses: Sequence[float], *, draws: Draws) -> list[int]:
    """Places by a random key each, the smallest first: an exponential of the place's weight."""
    exponentials = map(sub, repeat(_MOST), map(log1p, draws.words(len(places))))
    return [at for _, at in sorted(zip(map(mul, exponentials, inverses), places, strict=True))]


def _members(seats: Sequence[Seat], revenues: Mapping[int, Decimal | None] | None) -> tuple[Tie, ...]:
    """A group's members in their own order: the best that may take the call comes first."""
    by_rank: dict[tuple[int, Decimal], list[tuple[int, Option]]] = {}
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


def _ties(by_rank: Mapping[tuple[int, Decimal], list[tuple[int, Option]]]) -> tuple[Tie, ...]:
    return tuple(Tie(by_rank[rank]) for rank in sorted(by_rank))
