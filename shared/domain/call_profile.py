"""A call as rules and webhooks see it: its tags, who sent it, who answered it.

Owns the tags that stand on every call without being written. Must never store one.
"""

from collections.abc import Mapping

from shared.domain.calls import CallState
from shared.domain.money import rounded
from shared.domain.plan import Plan
from shared.domain.routing.profile import own_tags, profile
from shared.domain.tags import Tags
from shared.domain.webhooks import Facts


def call_profile(plan: Plan, state: CallState, *, now_ms: int) -> Tags:
    """All tags of a call at a moment: what was written, what its number says, the clock, and the ids of all who take part."""
    call = state.call
    own = own_tags(plan, plan.company.publishers_by_id.get(call.publisher_id))
    own.update(_of_buyer(plan, call.buyer_id, group_id=call.group_id))
    return profile(plan.company, call.caller, kept=state.tags, own=own, now_ms=now_ms)


def _of_buyer(plan: Plan, buyer_id: int, *, group_id: int) -> Mapping[str, str]:
    if not buyer_id:
        return {}
    ids = dict.fromkeys(("system_buyer_id", "system_target_id"), str(buyer_id))
    buyer = plan.buyers.get(buyer_id)
    if buyer is not None:
        ids.update(dict.fromkeys(("buyer_id", "target_id"), buyer.tid))
    if group_id:
        ids.update(dict.fromkeys(("system_buyer_group_id", "system_target_group_id"), str(group_id)))
    return ids


def facts_of(plan: Plan, state: CallState, *, tags: Tags) -> Facts:
    """What a webhook may tell of a call."""
    call = state.call
    publisher = plan.company.publishers_by_id.get(call.publisher_id)
    return Facts(
        call_uuid=call.uuid,
        key_seed=call.key_seed,
        caller=call.caller,
        called_number=call.number,
        publisher_id=publisher.afid if publisher else "",
        campaign_id=plan.cid,
        duration_s=call.connected_s or 0,
        revenue=rounded(call.revenue),
        payout=rounded(call.payout),
        tags={name: value if isinstance(value, str) else ",".join(value) for name, value in tags.items()},
    )
