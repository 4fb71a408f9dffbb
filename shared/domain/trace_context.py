"""The trace that a request belongs to, as W3C Trace Context has it.

Owns the form of `traceparent`. Must never make one up.
"""

import re

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,200})?"
)


def trace_id_of(traceparent: str) -> str:
    """The trace id of a valid W3C traceparent, else empty."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else ""
