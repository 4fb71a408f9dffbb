"""The scripts over again, in Python: what each must do to a shard's hot state.

Owns a shard's state as plain values, the rules that several scripts share, and confirm.lua's model; reserve.lua's is
tests/support/reserve_model.py. Must never talk to Redis: tests/support/shards.py puts a state there and takes it out.
"""

from copy import deepcopy
from dataclasses import dataclass, field

import msgspec

from services.rtb.store import GONE, Gone
from shared.domain.caps import Caps, Fill, may_take
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.domain.routing.subjects import FlatCaps
from shared.domain.schedule import Windows
from shared.stores.fence import ClockOff, Stale

SHARD = 1
AWAY = "away"


@dataclass
class Shard:
    """One shard's hot state.

    Shape: hashes (callers, leases) by key; listed: a caller's field to generations; finishes: c and x by key, of all minutes.
    """

    epoch: str = ""
    versions: dict[int, int] = field(default_factory=dict)
    generations: dict[int, int] = field(default_factory=dict)
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    reservations: dict[str, str] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    events: list[dict[str, str]] = field(default_factory=list)
    listed: dict[str, list[int]] = field(default_factory=dict)
    rates: dict[str, tuple[int, int]] = field(default_factory=dict)
    finishes: dict[str, dict[str, int]] = field(default_factory=dict)

    def older(self, ms: int) -> "Shard":
        """The same after a time in which nothing happened."""
        aged = deepcopy(self)
        aged.hashes = {
            key: {name: _older(text, ms) for name, text in fields.items()}
            for key, fields in self.hashes.items()
        }
        aged.reservations = {uuid: _older(text, ms) for uuid, text in self.reservations.items()}
        aged.due = {member: score - ms for member, score in self.due.items()}
        aged.rates = {key: (second - ms // 1000, n) for key, (second, n) in self.rates.items()}
        return aged


def _older(text: str, ms: int) -> str:
    first, bar, rest = text.partition("|")
    expires, more, end = rest.partition("|")
    return f"{first}|{int(expires) - ms}{more}{end}" if bar else text


@dataclass(frozen=True)
class Terms:
    """How a service is set up."""

    soft: int = 1_000
    hard: int = 2_000
    has_sip: bool = False


@dataclass(frozen=True)
class Told:
    """A confirmation as confirm.lua is told of it. Shape: caps None = the winner left the campaign."""

    uuid: str
    sent_ms: int
    version: int
    caps: FlatCaps | None
    test: bool


def confirm(
    before: Shard, told: Told, now: int
) -> tuple[Reservation | Gone | Stale | ClockOff | str | None, Shard]:
    """What confirm.lua must answer at a moment, and leave behind."""
    shard = deepcopy(before)
    refusal = fenced(shard, 1, told.version, told.sent_ms, now)
    if refusal is not None:
        return refusal, shard
    release_due(shard, now)
    text = shard.reservations.get(told.uuid)
    if text is None:
        return None, shard
    held = read_reservation(text.encode())
    if held.status == "claimed":
        return held, shard
    if held.expires_ms <= now:
        return GONE, shard
    if held.status == "confirmed":
        return held, shard
    if told.caps is None:
        return GONE, shard
    subjects = held.subjects
    if not subjects and not told.test:
        if full(shard, told.caps):
            return GONE, shard
        subjects = hold(shard, told.caps, told.uuid, held.expires_ms)
    confirmed = msgspec.structs.replace(held, status="confirmed", subjects=subjects)
    new = write_reservation(confirmed).decode()
    shard.reservations[told.uuid] = new
    for fields in shard.hashes.values():
        fields.update({name: new for name, known in fields.items() if known == text})
    shard.events.append({"c": f"{told.uuid}|{now}|{subjects}"})
    return confirmed, shard


def fenced(shard: Shard, company: int, version: int, sent: int, now: int) -> Stale | ClockOff | str | None:
    if shard.epoch != "ours":
        return AWAY
    if shard.versions.get(company, 0) > version:
        return Stale()
    return ClockOff() if abs(now - sent) > 1_000 else None


def release_due(shard: Shard, now: int) -> None:
    over = sorted((score, member) for member, score in shard.due.items() if score <= now)
    for _, member in over[:64]:
        del shard.due[member]
        for subject in member.partition("|")[2].split(","):
            shard.holds[subject] = shard.holds.get(subject, 0) - 1
            if shard.holds[subject] <= 0:
                del shard.holds[subject]


def _subjects(caps: FlatCaps) -> list[tuple[str, Caps, Windows]]:
    found = []
    for at in range(0, len(caps), 9):
        limits = [None if limit == -1 else int(limit) for limit in caps[at + 1 : at + 6]]
        starts = [int(start) for start in caps[at + 6 : at + 9]]
        names = ("concurrency", "hard", "hourly", "daily", "monthly")
        own = Caps(**dict(zip(names, limits, strict=True)))
        found.append((str(caps[at]), own, Windows(hour_at=starts[0], day_at=starts[1], month_at=starts[2])))
    return found


def full(shard: Shard, caps: FlatCaps) -> str:
    for subject, own, windows in _subjects(caps):
        if not may_take(
            own, shard.fills.get(subject, Fill()), holds=shard.holds.get(subject, 0), windows=windows
        ):
            return "g" if subject.startswith("g") else "c"
    return ""


def hold(shard: Shard, caps: FlatCaps, uuid: str, expires: int) -> str:
    subjects = [subject for subject, _, _ in _subjects(caps)]
    for subject in subjects:
        shard.holds[subject] = shard.holds.get(subject, 0) + 1
    if subjects:
        shard.due[f"{uuid}|{','.join(subjects)}"] = expires
    return ",".join(subjects)
