"""What a key may read of a call, under the names that were asked for.

Owns the tags that stand on every call without being written. Must never tell what is not on the key's list.
"""

from collections.abc import Mapping, Sequence

from shared.domain.calls import CallState
from shared.domain.phone import caller_tags
from shared.domain.plan import Plan

_PLACES = ("caller_state", "caller_city", "caller_zip", "caller_country")


def readable(plan: Plan, state: CallState) -> dict[str, str]:
    """Everything there is to read of a call. Units: start_time in epoch seconds, connected_duration in seconds."""
    call = state.call
    publisher = plan.company.publishers_by_id.get(call.publisher_id)
    inferred = caller_tags(call.caller) if call.caller else {}
    own = {
        "call_uuid": call.uuid,
        "caller_number": call.caller,
        "campaign_id": plan.cid,
        "publisher_id": publisher.afid if publisher else "",
        "start_time": str(call.started_ms // 1000),
        "connected_duration": "" if call.connected_s is None else str(call.connected_s),
    }
    places = {name: str(inferred[name]) for name in _PLACES if name in inferred}
    return {**places, **state.tags, **{name: value for name, value in own.items() if value}}


def told(
    values: Mapping[str, str], names: Sequence[tuple[str, str]] | None, *, allowed: Sequence[str]
) -> dict[str, str]:
    """The values under their names; what is absent or not allowed is left out. Shape: names None = all that is allowed."""
    wanted = [(name, name) for name in allowed] if names is None else names
    return {theirs: values[ours] for theirs, ours in wanted if ours in allowed and ours in values}
