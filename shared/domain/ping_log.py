"""The ping log: what one stream entry says, as a row of the log.

Owns the row's Struct and the reading of stream entries into it. Must never know where rows or entries are kept.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
from msgspec import Struct

from shared.domain import uuid7
from shared.domain.pings import (
    Confirmation,
    PingEvent,
    PingResult,
    TraceRow,
    Winner,
    counts_of,
    decode_event,
    decode_winner,
    no_target_reason,
    read_confirmation,
    read_result,
    read_trace,
)
from shared.domain.reasons import Reason

_LIVE = frozenset({"reserved", "confirmed"})
_KINDS = frozenset({"reserved", "repeat", "duplicate", "no-target"})
_LONGEST_APART_MS = 86_400_000
_EARLIEST_MS = 1_577_836_800_000  # 2020


class Replay(Struct, frozen=True, kw_only=True):
    """What deciding a ping again needs besides its tags, and the winner as it was rendered."""

    now_ms: int = 0
    version: int = 0
    verdicts: str = ""
    number_asked: str = ""
    winner: Winner | None = None


class PingRow(Struct, frozen=True, kw_only=True):
    """One ping of the log.

    Shape: an id of 0, a moment of 0 and a text of "" are none; trace None = left out, the stream was long.
    Units: *_ms unix milliseconds; created_ms is the time inside the uuid.
    """

    uuid: str
    company_id: int
    created_ms: int
    key_id: int
    caller: str
    publisher_id: int
    campaign_id: int
    number: str
    status: str
    reason: str
    original_uuid: str
    test: bool
    expires_ms: int
    ended_ms: int
    holds: str
    tags: Mapping[str, str | tuple[str, ...]]
    trace: tuple[TraceRow, ...] | None
    replay: Replay
    confirmed_ms: int = 0
    claimed_ms: int = 0
    call_uuid: str = ""


def read_entry(entry_id: str, fields: Sequence[bytes]) -> PingRow | Confirmation | None:
    """What a stream entry says; None when it cannot be read.

    Shape: fields are names and values in turn, as Redis returns them.
    """
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    try:
        entry_ms = int(entry_id.partition("-")[0])
        if b"c" in named:
            return _confirmation(named[b"c"].decode(), entry_ms)
        row = _row(named, entry_ms)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, LookupError):
        return None
    uuids = filter(None, (row.uuid, row.original_uuid))
    return row if all(_belongs(uuid7.ms_of(uuid), entry_ms) for uuid in uuids) else None


def _confirmation(text: str, entry_ms: int) -> Confirmation | None:
    confirmation = read_confirmation(text)
    _insist_on_uuid(confirmation.uuid)
    moments = (uuid7.ms_of(confirmation.uuid), confirmation.at_ms)
    sound = all(_belongs(moment, entry_ms) for moment in moments) and "\0" not in confirmation.subjects
    return confirmation if sound else None


def _row(named: Mapping[bytes, bytes], entry_ms: int) -> PingRow:
    event = decode_event(named[b"e"])
    result = read_result(named[b"r"].decode())
    winner = decode_winner(named[b"w"]) if b"w" in named else None
    _check(event, result, winner=winner)
    trace, reason = _fate(event, result, text=named.get(b"t"))
    status = _status(result, reason)
    created_ms = uuid7.ms_of(event.uuid)
    ended_ms = entry_ms if _is_near(created_ms, entry_ms) else created_ms
    return PingRow(
        uuid=event.uuid,
        company_id=event.company_id,
        created_ms=created_ms,
        key_id=event.key_id,
        caller=event.caller,
        publisher_id=event.publisher_id,
        campaign_id=event.campaign_id,
        number=result.number,
        status=status,
        reason=reason,
        original_uuid=result.original_uuid,
        test=event.test,
        expires_ms=result.expires_ms,
        ended_ms=0 if status in _LIVE else ended_ms,
        holds=result.subjects,
        tags=event.tags,
        trace=trace,
        replay=Replay(
            now_ms=event.now_ms,
            version=event.version,
            verdicts=result.verdicts,
            number_asked=event.number_asked,
            winner=winner,
        ),
    )


def _check(event: PingEvent, result: PingResult, *, winner: Winner | None) -> None:
    _insist_on_uuid(event.uuid)
    if not _is_near(uuid7.ms_of(event.uuid), event.now_ms):
        raise ValueError("not the time of its uuid")
    if result.original_uuid:
        _insist_on_uuid(result.original_uuid)
    if result.kind not in _KINDS:
        raise ValueError("unknown kind of result")
    if result.kind in {"reserved", "repeat"} and winner is None:
        raise ValueError("a reservation without its winner")
    for amount in (winner.revenue, winner.payout) if winner else ():
        if amount and not Decimal(amount).is_finite():
            raise ValueError("not an amount of money")


def _fate(
    event: PingEvent, result: PingResult, *, text: bytes | None
) -> tuple[tuple[TraceRow, ...] | None, str]:
    """The trace and the published reason. A caller who was known already was not judged anew: an empty trace."""
    if result.kind == "duplicate":
        return (), Reason.DUPLICATE_CALLER
    if result.kind == "repeat":
        return (), ""
    trace = None if text is None else tuple(read_trace(text.decode(), result.verdicts))
    if result.kind == "reserved":
        return trace, ""
    tried = len((text or b"").partition(b"\n")[0].split())
    dropped = counts_of(list(trace[tried:])) if trace else {}
    return trace, no_target_reason(event.reason, dropped, verdicts=result.verdicts)


def _status(result: PingResult, reason: str) -> str:
    if result.kind == "no-target":
        return "rejected" if reason == Reason.CLAIM_RATE else "no-target"
    return "rejected" if result.kind == "duplicate" else result.status


def _belongs(unix_ms: int, entry_ms: int) -> bool:
    """Whether a moment and an entry may belong together; this also bounds what Postgres is asked to hold.

    A stream's ids never go back: once the clock of Redis has been ahead, all later entries' ids are.
    """
    return _is_near(unix_ms, entry_ms) or _EARLIEST_MS < unix_ms < entry_ms


def _is_near(unix_ms: int, entry_ms: int) -> bool:
    return abs(unix_ms - entry_ms) < _LONGEST_APART_MS


def _insist_on_uuid(text: str) -> None:
    if not uuid7.is_uuid7(text):
        raise ValueError("not a uuid of ours")
