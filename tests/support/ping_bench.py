"""A warm shard of a real Redis, and the rtb service's store at it.

Owns the state that a test begins with, and the pings it sends. Must never judge.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.rtb.store import SCRIPTS, ConfirmStore
from shared.domain.keys import RtbSettings
from shared.domain.reservations import Reservation
from shared.domain.routing.subjects import FlatCaps
from shared.pinging.store import SCRIPTS as PING_SCRIPTS
from shared.pinging.store import PingStore
from shared.pinging.store.replies import Judged, Taken
from shared.stores import redis_keys
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits
from shared.stores.reservations import find_reservation
from shared.stores.scripts import Script
from tests.support.asks import VERSION, Offer, an_ask
from tests.support.models import SHARD, Shard
from tests.support.shards import COMPANY, now_ms, put, take

PATIENT = Limits(deadline_ms=30_000, silence_ms=30_000, waiting=5_000)
PUBLISHER, OTHER = 7, 8
PLAIN = RtbSettings()
HOLD = RtbSettings(add_to_caps_on_status_reserved=True)
TEST = RtbSettings(test=True, add_to_caps_on_status_reserved=True)
CAMPAIGN_WIDE = RtbSettings(ping_shield_scope="campaign")
FREE = Offer(buyer_id=1)


def caller(number: int) -> str:
    """One of many callers."""
    return f"+1310555{number:04d}"


class Bench:
    """A warm shard, and a service at it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.store = PingStore(redis, soft=1_000, hard=2_000, has_sip=False)

    async def begin(self, **state: Any) -> None:
        """Start again from this state."""
        await put(self.redis, Shard(epoch="ours", versions={COMPANY: VERSION}, **state))

    async def ping(self, *offers: Offer, late_ms: int = 0, **said: Any) -> Judged:
        """Ping; without offers one buyer takes anybody."""
        now = await now_ms(self.redis)
        return await self.store.reserve(an_ask(now - late_ms, *(offers or (FREE,)), **said).to(self.store))

    async def taken(self, *offers: Offer, **said: Any) -> Taken:
        """Ping and be reserved."""
        outcome = await self.ping(*offers, **said)
        assert isinstance(outcome, Taken), outcome
        return outcome

    async def reserved(self, *offers: Offer, **said: Any) -> Reservation:
        """The same, and the reservation as it can be found."""
        before = (await self.state()).reservations.keys()
        await self.taken(*offers, **said)
        (uuid,) = (await self.state()).reservations.keys() - before
        held = await find_reservation(self.redis, uuid, shard=SHARD)
        assert held is not None
        return held

    async def confirm(
        self, held: Reservation, caps: FlatCaps | None, *, own: RtbSettings = PLAIN, late_ms: int = 0
    ) -> Any:
        """Confirm, the winner having these caps now."""
        sent = await now_ms(self.redis) - late_ms
        return await ConfirmStore(self.redis).confirm(
            held, SHARD, version=VERSION, now_ms=sent, caps=caps, settings=own
        )

    async def later(self, ms: int) -> None:
        """Let time pass."""
        await put(self.redis, (await self.state()).older(ms))

    async def state(self) -> Shard:
        """The whole shard."""
        return await take(self.redis)

    async def last_entry(self) -> tuple[str, list[bytes]]:
        """The newest of the stream."""
        key = redis_keys.events(SHARD)
        ((entry_id, fields),) = await self.redis.command(SHARD, "XREVRANGE", key, "+", "-", "COUNT", 1)
        return entry_id.decode(), fields

    async def ttl_ms(self, key: str) -> int:
        """How long a key still lives."""
        return int(await self.redis.command(SHARD, "PTTL", key))


@asynccontextmanager
async def open_bench(url: str, *, more_scripts: tuple[Script, ...] = ()) -> AsyncIterator[Bench]:
    """A bench that knows nobody."""
    redis = await Redis.open(url, scripts=(*PING_SCRIPTS, *SCRIPTS, *more_scripts), limits=PATIENT)
    bench = Bench(redis)
    await bench.begin()
    yield bench
    await redis.close()
