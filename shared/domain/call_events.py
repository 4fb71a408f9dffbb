"""What a report about a call adds to what is known of it.

Owns the one table of facts: which report sets which fact, and that a fact once known stays. Must never ask what is next.
"""

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.calls import CallState, Leg, settled_states

FAILURES = frozenset({"busy", "no_answer", "failed"})


class LegNews(Struct, frozen=True, kw_only=True):
    """A leg was answered or ended, or (busy, no_answer, failed) was not answered. Units: connected_s of talk."""

    leg_uuid: str
    news: str
    at_ms: int
    connected_s: int | None = None


class CallOver(Struct, frozen=True, kw_only=True):
    """The call has ended. Units: total_s of the call, connected_s of talk; None = not told."""

    at_ms: int
    total_s: int | None = None
    connected_s: int | None = None
    hung_up_by: str = ""
    recording_url: str = ""


Report = LegNews | CallOver


def after(state: CallState, report: Report) -> CallState:
    """The state with the report in it; the same state when it says nothing new, or of no leg of the call."""
    if isinstance(report, CallOver):
        call = state.call
        known = replace(
            call,
            ended_ms=_earlier(call.ended_ms, report.at_ms),
            told_total_s=_shorter(call.told_total_s, report.total_s),
            told_connected_s=_shorter(call.told_connected_s, report.connected_s),
            hung_up_by=_first(call.hung_up_by, report.hung_up_by),
            recording_url=_first(call.recording_url, report.recording_url),
        )
        return settled_states(replace(state, call=known))
    legs = tuple(_with_news(leg, report) if leg.uuid == report.leg_uuid else leg for leg in state.legs)
    return settled_states(replace(state, legs=legs))


def _with_news(leg: Leg, report: LegNews) -> Leg:
    if report.news in FAILURES:
        # An end that was assumed, or is told beside the failure, does not say when the phone stopped ringing.
        failed_ms = leg.ended_ms if leg.failure else 0
        failure = _first(leg.failure, report.news)
        return replace(leg, failure=failure, ended_ms=_earlier(failed_ms, report.at_ms))
    if report.news == "answered":
        return replace(leg, answered_ms=_earlier(leg.answered_ms, report.at_ms))
    # An end that tells of talk also says that there was an answer.
    answered_ms = report.at_ms - report.connected_s * 1000 if report.connected_s else leg.answered_ms
    return replace(
        leg,
        answered_ms=_earlier(leg.answered_ms, answered_ms),
        ended_ms=leg.ended_ms if leg.failure and leg.ended_ms else _earlier(leg.ended_ms, report.at_ms),
        connected_s=_shorter(leg.connected_s, report.connected_s),
    )


def _earlier(known_ms: int, told_ms: int) -> int:
    """Of two reports the earlier moment counts, whichever came first. Shape: 0 = none."""
    return min(filter(None, (known_ms, told_ms)), default=0)


def _shorter(known_s: int | None, told_s: int | None) -> int | None:
    """Of two durations the shorter counts, as of two ends the earlier does. Shape: None = not told."""
    return min((each for each in (known_s, told_s) if each is not None), default=None)


def _first(known: str, told: str) -> str:
    """Of two texts the first by the alphabet counts, so that `switch`, which is also assumed, comes last. Shape: "" = none."""
    return min(filter(None, (known, told)), default="")
