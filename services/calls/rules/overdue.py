"""What must be assumed of a call whose switch says nothing.

Owns the times: how long a leg may be open after its ring time, after its call's end, and a call without any news.
"""

from collections.abc import Iterator

from shared.domain.call_events import CallOver, LegNews, Report
from shared.domain.calls import CallState, LegStatus

RING_GRACE_MS = 10_000
END_GRACE_MS = 5_000


def overdue_reports(state: CallState, *, now_ms: int, idle_ms: int) -> Iterator[Report]:
    """The reports that the switch owes. Shape: idle_ms without any news; whoever asks has found that a call is one of these."""
    call = state.call
    if call.ended_ms:
        if now_ms - call.ended_ms >= END_GRACE_MS:
            yield from (
                LegNews(leg_uuid=leg.uuid, news="ended", at_ms=call.ended_ms)
                for leg in state.legs
                if leg.is_open
            )
        return
    ringing = [leg for leg in state.legs if leg.status is LegStatus.DIALLING]
    for leg in ringing:
        if now_ms - leg.dialled_ms >= leg.timeout_seconds * 1000 + RING_GRACE_MS:
            yield LegNews(leg_uuid=leg.uuid, news="no_answer", at_ms=now_ms)
    if not ringing and now_ms - call.started_ms >= idle_ms:
        yield from (
            LegNews(leg_uuid=leg.uuid, news="ended", at_ms=now_ms) for leg in state.legs if leg.is_open
        )
        yield CallOver(at_ms=now_ms, hung_up_by="switch")
