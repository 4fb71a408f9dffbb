"""What must be assumed of a call whose switch says nothing.

Owns the times: how long a leg may be open after its ring time, after its call's end, and a call without any news.
"""

from collections.abc import Iterator

from shared.domain.call_events import CallOver, LegNews, Report
from shared.domain.calls import CallState, LegStatus

RING_GRACE_MS = 10_000
END_GRACE_MS = 5_000


def overdue_reports(state: CallState, *, now_ms: int, is_idle: bool) -> Iterator[Report]:
    """The reports that the switch owes. Shape: is_idle: there was no news of the call for as long as is waited for any."""
    call = state.call
    if call.ended_ms:
        if now_ms - call.ended_ms >= END_GRACE_MS:
            yield from (
                LegNews(leg_uuid=leg.uuid, news="ended", at_ms=call.ended_ms)
                for leg in state.legs
                if leg.is_open
            )
        return
    if is_idle:
        yield from (
            LegNews(leg_uuid=leg.uuid, news="ended", at_ms=now_ms) for leg in state.legs if leg.is_open
        )
        yield CallOver(at_ms=now_ms, hung_up_by="switch")
        return
    for leg in state.legs:
        rings = leg.status is LegStatus.DIALLING
        if rings and now_ms - leg.dialled_ms >= leg.timeout_seconds * 1000 + RING_GRACE_MS:
            yield LegNews(leg_uuid=leg.uuid, news="no_answer", at_ms=now_ms)
