"""A shard's hot state in a real Redis, and out of it again.

Owns the translation between tests/support/models.py's Shard and Redis keys of one shard. Must never judge.
"""

from collections import Counter
from typing import Any

from shared.domain.caps import Fill, mirror_text, read_mirror
from shared.stores import redis_keys
from shared.stores.redis import Arg, Redis
from tests.support.models import SHARD, Shard

COMPANY = 1
_TAG = redis_keys.TAGS[SHARD]
_BUCKET = redis_keys.bucket(SHARD, COMPANY, buckets=1, number=0)


async def now_ms(redis: Redis) -> int:
    """Redis TIME."""
    seconds, micros = await redis.command(SHARD, "TIME")
    return int(seconds) * 1_000 + int(micros) // 1_000


async def put(redis: Redis, shard: Shard) -> None:
    """Make Redis hold exactly this. Keys get no expiry: fields carry their own."""
    epoch = redis.run_id_of(SHARD) if shard.epoch == "ours" else shard.epoch
    head = {
        "epoch": epoch,
        **{f"v:{company}": str(version) for company, version in shard.versions.items()},
        **{f"g:{generation}": str(list_id) for generation, list_id in shard.generations.items()},
    }
    fills = {subject: mirror_text(fill) for subject, fill in shard.fills.items()}
    fills |= {f"h:{subject}": str(count) for subject, count in shard.holds.items()}
    listed = {field: ",".join(map(str, generations)) for field, generations in shard.listed.items()}
    hashes = {redis_keys.head(SHARD): head, redis_keys.fills(SHARD): fills, _BUCKET: listed, **shard.hashes}
    hashes |= {key: {"sec": str(second), "n": str(n)} for key, (second, n) in shard.rates.items()}
    minute = await now_ms(redis) // 60_000
    hashes |= {
        key: {f"{kind}{minute}": str(n) for kind, n in counts.items()}
        for key, counts in shard.finishes.items()
    }
    commands: list[tuple[Arg, ...]] = [("FLUSHALL", "SYNC")]
    commands += [("HSET", key, *_flat(fields)) for key, fields in hashes.items() if fields]
    commands += [
        ("SET", redis_keys.reservation(SHARD, uuid), text) for uuid, text in shard.reservations.items()
    ]
    commands += [("ZADD", redis_keys.due(SHARD), score, member) for member, score in shard.due.items()]
    commands += [("XADD", redis_keys.events(SHARD), "*", *_flat(fields)) for fields in shard.events]
    await redis.commands(SHARD, commands)


async def take(redis: Redis) -> Shard:
    """What Redis holds."""
    keys = sorted(key.decode() for key in await redis.command(SHARD, "KEYS", f"{_TAG}:*"))
    shard = Shard()
    for key, value in zip(keys, await redis.commands(SHARD, [_read(key) for key in keys]), strict=True):
        _note(shard, key.removeprefix(f"{_TAG}:"), key, value)
    if shard.epoch == redis.run_id_of(SHARD):
        shard.epoch = "ours"
    return shard


def _read(key: str) -> tuple[Arg, ...]:
    if key == redis_keys.due(SHARD):
        return ("ZRANGE", key, 0, -1, "WITHSCORES")
    if key == redis_keys.events(SHARD):
        return ("XRANGE", key, "-", "+")
    return ("GET" if key.startswith(f"{_TAG}:r:") else "HGETALL", key)


def _note(shard: Shard, name: str, key: str, value: Any) -> None:
    if name == "events":
        shard.events = [_pairs(fields) for _, fields in value]
    elif name == "due":
        shard.due = {member: int(float(score)) for member, score in _pairs(value).items()}
    elif name.startswith("r:"):
        shard.reservations[name[2:]] = value.decode()
    elif name == "head":
        _note_head(shard, _pairs(value))
    elif name == "fills":
        _note_fills(shard, _pairs(value))
    elif key == _BUCKET:
        shard.listed = {field: [int(one) for one in text.split(",")] for field, text in _pairs(value).items()}
    elif name.startswith("q:"):
        counts = Counter({"c": 0, "x": 0})
        for field, n in _pairs(value).items():
            if field[1:].isdigit():
                counts[field[0]] += int(n)
        shard.finishes[key] = {kind: n for kind, n in counts.items() if n}
    elif name.startswith("k:"):
        state = _pairs(value)
        shard.rates[key] = (int(state["sec"]), int(state["n"]))
    else:
        shard.hashes[key] = _pairs(value)


def _note_head(shard: Shard, fields: dict[str, str]) -> None:
    shard.epoch = fields.get("epoch", "")
    shard.versions = {int(name[2:]): int(value) for name, value in fields.items() if name.startswith("v:")}
    shard.generations = {int(name[2:]): int(value) for name, value in fields.items() if name.startswith("g:")}


def _note_fills(shard: Shard, fields: dict[str, str]) -> None:
    shard.holds = {name[2:]: int(value) for name, value in fields.items() if name.startswith("h:")}
    shard.fills = {name: _fill(value) for name, value in fields.items() if not name.startswith("h:")}


def _fill(text: str) -> Fill:
    return read_mirror(text)


def _flat(fields: dict[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]


def _pairs(flat: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))
