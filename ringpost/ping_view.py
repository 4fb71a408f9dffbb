"""A ping of the log as an operator sees it.

Owns the words and the order of `explain` and `tail`. Must never show a whole phone number that came with a ping.
"""

from collections.abc import Iterator
from typing import Any

from shared.domain.iso_time import write_ms
from shared.domain.phone import mask, read_e164
from shared.domain.ping_log import PingRow
from shared.domain.pings import TraceRow
from shared.stores.ping_names import Names


def as_object(ping: PingRow, names: Names) -> dict[str, Any]:
    """Everything, for machines. Shape: candidates in the order in which they stood; null = left out of the log."""
    winner = ping.replay.winner
    return {
        "uuid": ping.uuid,
        "status": ping.status,
        "reason": ping.reason,
        "company": names.companies.get(ping.company_id, ""),
        "key_id": ping.key_id,
        "key": names.keys.get(ping.key_id, ""),
        "publisher": names.publishers.get(ping.publisher_id, ""),
        "campaign": names.campaigns.get(ping.campaign_id, ""),
        "caller": mask(ping.caller),
        "number": ping.number,
        "buyer": names.buyers.get(winner.buyer_id, "") if winner else "",
        "group": names.groups.get(winner.group_id, "") if winner else "",
        "revenue": winner.revenue if winner else "",
        "payout": winner.payout if winner else "",
        "seconds": winner.seconds if winner else None,
        "duplicate_original_uuid": ping.original_uuid,
        "call_uuid": ping.call_uuid,
        "created_at": _at(ping.created_ms),
        "expires_at": _at(ping.expires_ms),
        "confirmed_at": _at(ping.confirmed_ms),
        "claimed_at": _at(ping.claimed_ms),
        "ended_at": _at(ping.ended_ms),
        "holds": ping.holds,
        "test": ping.test,
        "tags": {name: _shown(value) for name, value in sorted(ping.tags.items())},
        "candidates": None if ping.trace is None else [_candidate(row, names) for row in ping.trace],
        "now_ms": ping.replay.now_ms,
        "plan_version": ping.replay.version,
        "verdicts": ping.replay.verdicts,
    }


def as_text(ping: PingRow, names: Names) -> Iterator[str]:
    """The same for people, line by line."""
    shown = as_object(ping, names)
    yield f"{ping.uuid}  {' '.join(filter(None, (ping.status, ping.reason)))}{'  (test key)' if ping.test else ''}"
    for name in ("company", "campaign", "publisher", "key", "caller", "number", "buyer", "group"):
        if shown[name]:
            yield f"  {name:<10} {shown[name]}"
    if ping.replay.winner:
        needs = "" if shown["seconds"] is None else f", needs {shown['seconds']} s"
        yield f"  {'money':<10} revenue {shown['revenue'] or '?'}, payout {shown['payout'] or '?'}{needs}"
    for name in ("created_at", "expires_at", "confirmed_at", "claimed_at", "ended_at"):
        if shown[name]:
            yield f"  {name.removesuffix('_at'):<10} {shown[name]}"
    for name, label in (("duplicate_original_uuid", "repeats"), ("call_uuid", "call")):
        if shown[name]:
            yield f"  {label:<10} {shown[name]}"
    tags = shown["tags"].items()
    yield f"  {'tags':<10} {' '.join(f'{name}={_joined(value)}' for name, value in tags)}"
    yield from _table(shown["candidates"])


def as_line(ping: PingRow, names: Names) -> str:
    """One line of `tail`."""
    shown = as_object(ping, names)
    money = f" {shown['revenue'] or '?'}/{shown['payout'] or '?'}" if ping.replay.winner else ""
    outcome = " ".join(filter(None, (ping.status, ping.reason, shown["buyer"])))
    origin = " ".join(shown[name] or "-" for name in ("campaign", "publisher", "key"))
    return f"{shown['created_at'][11:23]} {ping.uuid} {shown['caller'] or 'anonymous'} {origin}: {outcome}{money}"


def _table(candidates: list[dict[str, Any]] | None) -> Iterator[str]:
    if candidates is None:
        yield "  the trace was left out: the event stream was long"
        return
    if not candidates:
        return
    rows = [("buyer", "group", "bid", "ping ms", "outcome")]
    for each in candidates:
        took = "" if each["ping_ms"] is None else str(each["ping_ms"])
        rows.append((each["buyer"], each["group"], each["bid"], took, each["reason"] or "won"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _candidate(row: TraceRow, names: Names) -> dict[str, Any]:
    return {
        "buyer": names.buyers.get(row.buyer_id, str(row.buyer_id or "")),
        "group": names.groups.get(row.group_id, str(row.group_id or "")),
        "reason": row.reason,
        "bid": row.bid,
        "ping_ms": row.ping_ms,
    }


def _shown(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """A tag's value; a partner may have sent the caller's number again, or another one, however written."""
    if not isinstance(value, str):
        return value
    number = read_e164(value)
    return value if number is None else mask(number)


def _joined(value: str | tuple[str, ...]) -> str:
    """For a terminal, which a partner's value must not be able to command."""
    text = value if isinstance(value, str) else ",".join(value)
    return text if text.isprintable() else repr(text)[1:-1]


def _at(unix_ms: int) -> str:
    return write_ms(unix_ms) if unix_ms else ""
