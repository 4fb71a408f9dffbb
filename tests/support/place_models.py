"""place.lua, claim.lua and held_for.lua over again, in Python.

Owns what each must answer and leave behind. Must never talk to Redis.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy

from msgspec.structs import replace

from shared.domain.caps import Fill, read_mirror
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.domain.routing.subjects import FlatCaps
from shared.stores import redis_keys
from shared.stores.fence import ClockOff, Stale
from shared.stores.free_places import Wanted
from tests.support.models import AWAY, SHARD, Shard, fenced, full, release_due


def free_places(before: Shard, wanted: Wanted, now: int) -> tuple[str | Stale | ClockOff, Shard]:
    """A letter a candidate; the call's own hold is not counted."""
    shard = deepcopy(before)
    refusal = fenced(shard, wanted.company_id, wanted.version, wanted.now_ms, now)
    if refusal is not None:
        return refusal, shard
    release_due(shard, now)
    seen = deepcopy(shard)
    for subject in _own_holds(shard, wanted.own_uuid, now):
        seen.holds[subject] -= 1
    return _verdicts(seen, wanted.candidates[:64]), shard


def _own_holds(shard: Shard, uuid: str, now: int) -> list[str]:
    text = shard.reservations.get(uuid)
    held = read_reservation(text.encode()) if text else None
    if held is None or shard.due.get(f"{held.uuid}|{held.subjects}", 0) <= now:
        return []
    return held.subjects.split(",")


def _verdicts(shard: Shard, candidates: Sequence[FlatCaps]) -> str:
    return "".join(full(shard, caps) or "k" for caps in candidates)


def claim(before: Shard, held: Reservation, mirror: Mapping[str, str]) -> tuple[bool | str, Shard]:
    """Marked, its hold given back and the mirror assigned, each once."""
    shard = deepcopy(before)
    if shard.epoch != "ours":
        return AWAY, shard
    for subject, text in mirror.items():
        if read_mirror(text).rev > shard.fills.get(subject, Fill()).rev:
            shard.fills[subject] = read_mirror(text)
    old = shard.reservations.get(held.uuid)
    standing = read_reservation(old.encode()) if old else None
    if standing is None or standing.status == "claimed":
        return False, shard
    counts = shard.finishes.setdefault(redis_keys.finishes(SHARD, held.key_id), {})
    counts["c"] = counts.get("c", 0) + 1
    if shard.due.pop(f"{standing.uuid}|{standing.subjects}", None) is not None:
        for subject in standing.subjects.split(","):
            shard.holds[subject] -= 1
            if not shard.holds[subject]:
                del shard.holds[subject]
    new = write_reservation(replace(standing, status="claimed")).decode()
    shard.reservations[held.uuid] = new
    for fields in shard.hashes.values():
        fields.update({name: new for name, text in fields.items() if text == old})
    return True, shard


def find_held(
    shard: Shard, caller: str, *, company_id: int, campaign_id: int, number: str, now: int
) -> str | None:
    """The caller's own live reservation of the number, else the number's lease while its reservation lives."""
    if shard.epoch != "ours":
        return AWAY
    places = (
        (redis_keys.caller(SHARD, company_id, e164=caller), 0),
        (redis_keys.leases(SHARD, campaign_id), 30_000),
    )
    for key, longer_ms in places:
        text = shard.hashes.get(key, {}).get(f"n{number}", "")
        if text and int(text.split("|")[1]) - longer_ms > now:
            return text.split("|")[0]
    return None
