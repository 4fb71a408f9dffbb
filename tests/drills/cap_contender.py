"""One of several processes that want the same places, as `python -m tests.drills.cap_contender`.

Says `ready`, waits for a line, then asks for all its places at once and prints how many it got. Owns no verdict.
"""

import asyncio
import sys

from shared.domain import uuid7
from shared.domain.keys import RtbSettings
from shared.pinging.store import RESERVE, PingStore
from shared.pinging.store.replies import Taken
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from tests.support.asks import Offer, an_ask, flat
from tests.support.models import SHARD
from tests.support.shards import now_ms

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000, waiting=5_000)
SETTINGS = RtbSettings(ttl_seconds=999, add_to_caps_on_status_reserved=True)


async def reserve(redis: Redis, first: int, count: int, cap: int) -> int:
    """As the rtb service does it."""
    store = PingStore(redis, soft=100_000, hard=100_000, has_sip=False)
    now = await now_ms(redis)
    offer = Offer(caps=flat("b1", daily=cap) + flat("g1", concurrency=cap * 2))
    asks = [
        an_ask(now, offer, caller=f"+1310{number:07d}", settings=SETTINGS, uuid=_uuid(now, number))
        for number in range(first, first + count)
    ]
    outcomes = await asyncio.gather(*(store.reserve(ask.to(store)) for ask in asks))
    return sum(isinstance(outcome, Taken) for outcome in outcomes)


def _uuid(now: int, number: int) -> str:
    return uuid7.make(now, SHARD, rand=number.to_bytes(8, "big"))


async def read_then_increment(redis: Redis, _first: int, count: int, cap: int) -> int:
    """As nobody should do it: the control."""

    async def take() -> bool:
        held = await redis.command(SHARD, "HGET", redis_keys.fills(SHARD), "h:b1")
        if int(held or 0) >= cap:
            return False
        await redis.command(SHARD, "HINCRBY", redis_keys.fills(SHARD), "h:b1", 1)
        return True

    return sum(await asyncio.gather(*(take() for _ in range(count))))


WAYS = {"reserve": reserve, "read_then_increment": read_then_increment}


async def main(url: str, way: str, first: int, count: int, cap: int) -> None:
    """Contend."""
    redis = await Redis.open(url, scripts=(RESERVE,), limits=PATIENT)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await WAYS[way](redis, first, count, cap), flush=True)
    await redis.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])))
