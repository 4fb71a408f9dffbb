"""Companies and plans by hand, for tests that judge them.

Owns small constructors only; whatever a test is about, it says itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from shared.domain.plan import Buyer, Company, Group, InboundNumber, Plan, Publisher, Route
from shared.domain.routing.candidates import Candidates
from shared.domain.tags import Rule, read_rule

PUBLISHER = Publisher(id=7, afid="pub-a")
OTHER_PUBLISHER = Publisher(id=8, afid="pub-b")
CAMPAIGN_ID = 100


def rules(*texts: str) -> tuple[Rule, ...]:
    """Rules as an account file writes them."""
    return tuple(read_rule(text) for text in texts)


def a_company(**changes: Any) -> Company:
    """Company 1 on shard 1 in New York, with two publishers and one campaign."""
    company = Company(
        id=1,
        shard=1,
        version=1,
        time_zone="America/New_York",
        list_buckets=64,
        publishers={one.afid: one for one in (PUBLISHER, OTHER_PUBLISHER)},
        publishers_by_id={one.id: one for one in (PUBLISHER, OTHER_PUBLISHER)},
        campaigns_by_cid={"camp": CAMPAIGN_ID},
        campaigns_by_number={},
    )
    return replace(company, **changes)


def a_buyer(buyer_id: int, **changes: Any) -> Buyer:
    """A buyer that takes anybody."""
    buyer = Buyer(id=buyer_id, tid=f"t{buyer_id}", number="+12125550100", time_zone="America/New_York")
    return replace(buyer, **changes)


def a_group(group_id: int, *members: int, **changes: Any) -> Group:
    """A group of buyers, one after another."""
    return replace(Group(id=group_id, name=f"group {group_id}", members=members), **changes)


def a_plan(
    buyers: Iterable[Buyer] = (),
    *,
    groups: Iterable[Group] = (),
    routes: Sequence[Route] | None = None,
    **changes: Any,
) -> Plan:
    """A plan whose routing is, unless routes say otherwise, every buyer in turn and then every group."""
    buyers, groups = list(buyers), list(groups)
    if routes is None:
        routes = [Route(buyer_id=one.id) for one in buyers] + [Route(group_id=one.id) for one in groups]
    plan = Plan(
        company=a_company(),
        version=1,
        campaign_id=CAMPAIGN_ID,
        cid="camp",
        routes=tuple(routes),
        buyers={one.id: one for one in buyers},
        groups={one.id: one for one in groups},
    )
    return replace(plan, **changes)


def pool_numbers(count: int, **changes: Any) -> Mapping[str, InboundNumber]:
    """That many numbers for reservations."""
    numbers = [f"+1800555{place:04d}" for place in range(count)]
    return {number: replace(InboundNumber(number=number, rtb_pool=True), **changes) for number in numbers}


def unpacked(candidates: Candidates) -> list[Any]:
    """Candidates as the script finds them: each {caps, lists, winner}."""
    count = len(candidates.seats).to_bytes(4, "big")
    found: list[Any] = msgspec.msgpack.decode(b"\xdd" + count + candidates.packed)
    return found
