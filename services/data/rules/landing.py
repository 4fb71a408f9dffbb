"""Where written tags go: onto a call that is live or was not long ago, or to the caller's next one.

Owns the windows of data.md. Must never look a call up.
"""

from typing import Literal

from shared.domain.call_keys import GOOD_AFTER_END_MS
from shared.domain.calls import Call
from shared.domain.key_settings import CallDataWritingSettings
from shared.domain.reasons import Reason

Landing = Literal["live", "completed", "stored"]


def landing_by_caller(call: Call | None, settings: CallDataWritingSettings, *, now_ms: int) -> Landing:
    """By number: a live call, one that ended within both windows of the key, else the next."""
    window_s = min(settings.start_seconds, settings.end_seconds)
    return (call and _on(call, window_s * 1000, now_ms=now_ms)) or "stored"


def landing_by_uuid(call: Call | None, settings: CallDataWritingSettings, *, now_ms: int) -> Landing | Reason:
    """By uuid: that call, as long as the key may write on it after its end."""
    if call is None:
        return Reason.CALL_NOT_FOUND
    return _on(call, settings.end_seconds * 1000, now_ms=now_ms) or Reason.TAG_WINDOW_CLOSED


def landing_by_call_key(call: Call, *, now_ms: int) -> Landing | Reason:
    """By the call's own key: until shortly after its end."""
    return _on(call, GOOD_AFTER_END_MS, now_ms=now_ms) or Reason.TAG_WINDOW_CLOSED


def _on(call: Call, window_ms: int, *, now_ms: int) -> Landing | None:
    """Onto the call, unless it ended too long ago."""
    if not call.ended_ms:
        return "live"
    return "completed" if now_ms - call.ended_ms <= window_ms else None
