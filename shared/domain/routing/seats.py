"""A campaign's candidates, flattened and compiled once per plan.

Owns seats (a buyer, directly or as a group's member) and their order of preference. Must never see a ping.
"""

from collections.abc import Mapping

from msgspec import Struct

from shared.domain.plan import Buyer, Criterion, Group, ListIds, Plan
from shared.domain.routing.masks import MaskIndex, split_rules
from shared.domain.tags import Rule


class Seat(Struct, frozen=True, kw_only=True):
    """One way to a buyer: directly (group is None), or as a member of a group.

    Shape: criteria are the places, in the plan, of the criteria groups whose rules on the buyer itself pass.
    """

    place: int
    buyer: Buyer
    group: Group | None
    rules: tuple[Rule, ...]
    impossible: bool
    criteria: tuple[int, ...]
    lists_text: str

    @property
    def paused(self) -> bool:
        """A paused buyer or group takes nobody."""
        return self.buyer.paused or (self.group is not None and self.group.paused)


class Choice(Struct, frozen=True, kw_only=True):
    """One row of the routing as a whole: one seat, or a group's seats."""

    priority: int
    weight: int
    seats: tuple[Seat, ...]
    mask: int
    is_group: bool


class Passing(Struct, frozen=True, kw_only=True):
    """Whose rules a caller's tags pass: seats and criteria groups by their bits, and the campaign."""

    seats: int
    criteria: int
    campaign: bool


class Seats(Struct, frozen=True, kw_only=True):
    """A plan's candidates, compiled.

    Shape: choices in the order of the routing; rules has a bit for each seat, then one for each criteria group, then
    the campaign's own.
    """

    seats: tuple[Seat, ...]
    choices: tuple[Choice, ...]
    rules: MaskIndex
    criteria_count: int
    paused_mask: int
    impossible_mask: int
    asking_mask: int
    has_lists: bool
    ping_lists: str

    @property
    def everyone(self) -> int:
        """All seats."""
        return (1 << len(self.seats)) - 1

    def parted(self, mask: int) -> "Passing":
        """What the bits that rules gave mean."""
        rest = mask >> len(self.seats)
        return Passing(
            seats=mask & self.everyone,
            criteria=rest & (1 << self.criteria_count) - 1,
            campaign=bool(rest >> self.criteria_count),
        )


def compile_seats(plan: Plan) -> Seats:
    """Compile a plan. Cost: O(candidates + rules)."""
    seats: list[Seat] = []
    choices: list[Choice] = []
    for route in plan.routes:
        group = plan.groups[route.group_id] if route.group_id else None
        buyers = group.members if group else (route.buyer_id,)
        own = [
            _seat(plan, len(seats) + i, buyer=plan.buyers[buyer_id], group=group)
            for i, buyer_id in enumerate(buyers)
        ]
        subject = group or plan.buyers[route.buyer_id]
        seats.extend(own)
        choices.append(
            Choice(
                priority=subject.priority if route.priority is None else route.priority,
                weight=subject.weight if route.weight is None else route.weight,
                seats=tuple(own),
                mask=sum(1 << seat.place for seat in own),
                is_group=group is not None,
            )
        )
    ping_lists = " ".join(filter(None, (write_lists(plan.company.lists), write_lists(plan.lists))))
    return Seats(
        seats=tuple(seats),
        choices=tuple(choices),
        rules=MaskIndex([*(seat.rules for seat in seats), *map(_ping_side, plan.criteria), plan.rules]),
        criteria_count=len(plan.criteria),
        paused_mask=sum(1 << seat.place for seat in seats if seat.paused),
        impossible_mask=sum(1 << seat.place for seat in seats if seat.impossible),
        asking_mask=sum(1 << seat.place for seat in seats if seat.buyer.asking is not None),
        has_lists=bool(ping_lists) or any(seat.lists_text for seat in seats),
        ping_lists=ping_lists,
    )


def write_lists(lists: ListIds) -> str:
    """One level's lists as reserve.lua reads them: `S1,2 A3`."""
    parts = []
    if lists.deny:
        parts.append("S" + ",".join(map(str, lists.deny)))
    if lists.admit:
        parts.append("A" + ",".join(map(str, lists.admit)))
    return " ".join(parts)


def _seat(plan: Plan, place: int, *, buyer: Buyer, group: Group | None) -> Seat:
    own = _own_tags(buyer, group)
    rules, possible = split_rules(buyer.rules, own)
    criteria = tuple(i for i, c in enumerate(plan.criteria) if split_rules(c.rules, own)[1])
    return Seat(
        place=place,
        buyer=buyer,
        group=group,
        rules=rules,
        impossible=not possible,
        criteria=criteria,
        lists_text=write_lists(buyer.lists),
    )


def _own_tags(buyer: Buyer, group: Group | None) -> Mapping[str, str | None]:
    group_id = None if group is None else str(group.id)
    values = (str(buyer.id), str(buyer.id), buyer.tid, buyer.tid, group_id, group_id)
    return dict(zip(_OF_CANDIDATE, values, strict=True))


_OF_CANDIDATE = (
    "system_buyer_id",
    "system_target_id",
    "buyer_id",
    "target_id",
    "system_buyer_group_id",
    "system_target_group_id",
)


def _ping_side(criterion: Criterion) -> tuple[Rule, ...]:
    return tuple(rule for rule in criterion.rules if rule.key not in _OF_CANDIDATE)
