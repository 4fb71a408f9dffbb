"""What a ping leaves behind: the stream entry, and the trace that explains it.

Owns the shapes that the rtb service appends and the worker stores. Must never decide who gets a caller.
A stream entry has the fields `e` (PingEvent), `t` (trace text, left out under pressure), `r` (the script's result) and
`w` (the winner as rendered); a confirmation has the one field `c`.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from shared.domain.reasons import Reason, prevailing

VERDICTS: Mapping[str, Reason] = {
    "c": Reason.BUYERS_CAPPED,
    "g": Reason.BUYERS_CAPPED,
    "s": Reason.CALLER_SUPPRESSED,
    "a": Reason.CALLER_NOT_ACCEPTED,
}
WHOLE_PING_VERDICTS: Mapping[str, Reason] = {
    "S": Reason.CALLER_SUPPRESSED,
    "A": Reason.CALLER_NOT_ACCEPTED,
    "N": Reason.NO_NUMBER,
    "R": Reason.CLAIM_RATE,
}


class PingEvent(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One ping as it was evaluated, before the script judged it.

    Shape: array on the wire, so fields are only ever added at the end. caller is E.164 or "".
    reason is set when the whole ping was refused before any candidate was looked at.
    """

    uuid: str
    company_id: int
    key_id: int
    publisher_id: int
    campaign_id: int
    caller: str
    now_ms: int
    version: int
    number_asked: str
    test: bool
    reason: str
    tags: Mapping[str, str | tuple[str, ...]]


class PingResult(Struct, frozen=True, kw_only=True):
    """What reserve.lua made of it.

    Shape: kind is reserved | repeat | duplicate | no-target; verdicts holds a letter for each candidate tried, in order
    (k = taken), or one capital for the whole ping; subjects as in `b12,g3`.
    """

    kind: str
    verdicts: str
    expires_ms: int
    number: str
    subjects: str
    original_uuid: str
    status: str


class Confirmation(Struct, frozen=True, kw_only=True):
    """A reservation confirmed by its publisher."""

    uuid: str
    at_ms: int
    subjects: str


class Winner(Struct, frozen=True, kw_only=True, array_like=True):
    """The candidate that was reserved, as its publisher is told. Money is decimal text; "" = unknown.

    Shape: an array on the wire, as each of a ping's candidates carries one; fields are only ever added at the end. number and
    tags are what the buyer answered when it was asked: where to send the call, and what the call then says of itself.
    """

    buyer_id: int
    group_id: int = 0
    revenue: str = ""
    payout: str = ""
    seconds: int | None = None
    dba: str = ""
    number: str = ""
    tags: Mapping[str, str] = {}


class TraceRow(Struct, frozen=True, kw_only=True):
    """One candidate's fate: reason is "" for the winner, `outranked` for those not reached."""

    buyer_id: int
    group_id: int
    reason: str
    bid: str
    ping_ms: int | None = None


OUTRANKED = "outranked"
encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(PingEvent).decode
encode_winner = msgspec.json.Encoder().encode
decode_winner = msgspec.json.Decoder(Winner).decode


def read_result(text: str) -> PingResult:
    """Read the `r` field of a stream entry."""
    kind, verdicts, expires_ms, number, subjects, original_uuid, status = text.split("|")
    return PingResult(
        kind=kind,
        verdicts=verdicts,
        expires_ms=int(expires_ms or 0),
        number=number,
        subjects=subjects,
        original_uuid=original_uuid,
        status=status,
    )


def read_confirmation(text: str) -> Confirmation:
    """Read the `c` field of a stream entry."""
    uuid, at_ms, subjects = text.split("|")
    return Confirmation(uuid=uuid, at_ms=int(at_ms), subjects=subjects)


def write_candidate(
    buyer_id: int, group_id: int, *, bid: str, reason: str = "", ping_ms: int | None = None
) -> str:
    """One candidate in a trace text: `buyer/group@bid`, `~ms` when it was asked, `!reason` when it was dropped."""
    mark = f"{buyer_id}/{group_id}@{bid}" + ("" if ping_ms is None else f"~{ping_ms}")
    return f"{mark}!{reason}" if reason else mark


def read_trace(text: str, verdicts: str) -> list[TraceRow]:
    """Every candidate of a ping with its reason: those tried, best first, then those dropped by the rules.

    Shape: text is the tried candidates, a newline, the dropped ones; each written by write_candidate, space between.
    """
    tried, _, dropped = text.partition("\n")
    whole = WHOLE_PING_VERDICTS.get(verdicts)
    rows = []
    for place, mark in enumerate(tried.split()):
        fate = "" if whole else verdicts[place : place + 1]
        reason = "" if fate == "k" else str(whole or VERDICTS.get(fate) or OUTRANKED)
        rows.append(_trace_row(mark, reason))
    for mark in dropped.split():
        candidate, _, reason = mark.partition("!")
        rows.append(_trace_row(candidate, reason))
    return rows


def _trace_row(mark: str, reason: str) -> TraceRow:
    who, _, told = mark.partition("@")
    buyer, _, group = who.partition("/")
    bid, _, ms = told.partition("~")
    ping_ms = int(ms) if ms else None
    return TraceRow(buyer_id=int(buyer), group_id=int(group), reason=reason, bid=bid, ping_ms=ping_ms)


def no_target_reason(decided: str, dropped: Mapping[Reason, int], *, verdicts: str) -> Reason:
    """Why nobody took the caller: the whole ping's reason, else the one of most candidates."""
    if verdicts in WHOLE_PING_VERDICTS:  # lists are looked at before the campaign is
        return WHOLE_PING_VERDICTS[verdicts]
    if decided:
        return Reason(decided)
    counts = Counter(dropped)
    counts.update(VERDICTS[letter] for letter in verdicts if letter in VERDICTS)
    return prevailing(counts)


def counts_of(trace: list[TraceRow]) -> dict[Reason, int]:
    """How many candidates each published reason applied to."""
    return dict(Counter(Reason(row.reason) for row in trace if row.reason not in {"", OUTRANKED}))
