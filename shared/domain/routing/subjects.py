"""The subjects of a candidate: its buyer and its group, each with limits and the windows of now.

Owns their two forms, one for Postgres and one for the scripts. Must never judge them: shared/domain/caps.py does.
"""

from shared.domain.caps import SubjectCaps
from shared.domain.plan import Plan
from shared.domain.schedule import windows

FlatCaps = tuple[str | int, ...]


def subjects_of(plan: Plan, buyer_id: int, *, group_id: int, now_ms: int) -> tuple[SubjectCaps, ...]:
    """A candidate's subjects, the buyer's first; group_id 0 = it is no member of a group here."""
    buyer = plan.buyers[buyer_id]
    of_buyer = SubjectCaps(subject=f"b{buyer_id}", caps=buyer.caps, windows=windows(now_ms, buyer.time_zone))
    if not group_id:
        return (of_buyer,)
    group = plan.groups[group_id]
    at = windows(now_ms, plan.company.time_zone)
    return of_buyer, SubjectCaps(subject=f"g{group_id}", caps=group.caps, windows=at)


def caps_of(plan: Plan, buyer_id: int, *, group_id: int, now_ms: int) -> FlatCaps:
    """The same as places.lua takes them; a subject without limits is left out, so empty = no limits."""
    flat: FlatCaps = ()
    for each in subjects_of(plan, buyer_id, group_id=group_id, now_ms=now_ms):
        flat += _flat(each)
    return flat


def _flat(each: SubjectCaps) -> FlatCaps:
    caps, at = each.caps, each.windows
    limits = (caps.concurrency, caps.hard, caps.hourly, caps.daily, caps.monthly)
    if all(limit is None for limit in limits):
        return ()
    shown = (-1 if limit is None else limit for limit in limits)
    return (each.subject, *shown, at.hour_at, at.day_at, at.month_at)
