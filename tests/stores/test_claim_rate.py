"""The claim-rate shield on a real Redis: what is counted, when it judges, and what it only counts."""

from collections.abc import AsyncIterator

import pytest

from shared.domain.keys import RtbSettings
from shared.pinging.store.replies import Judged, Nobody, Taken
from shared.stores import redis_keys
from shared.stores.claims import SCRIPTS as CLAIM_SCRIPTS
from shared.stores.claims import claim
from shared.stores.finishes import FINISHED, count_expired
from tests.support.models import SHARD
from tests.support.ping_bench import Bench, caller, open_bench
from tests.support.shards import now_ms

KEY, OTHER_KEY = 10, 11
LOW = RtbSettings(claim_percent_threshold=12.5, claim_percent_minimum=80, blocked_inbound_percent=50)
KEPT_AWAY = Nobody(verdicts="R", shadow="")


@pytest.fixture
async def bench(fresh_redis: str) -> AsyncIterator[Bench]:
    async with open_bench(fresh_redis, more_scripts=(FINISHED, *CLAIM_SCRIPTS)) as bench:
        yield bench


async def finished(bench: Bench, *, claimed: int, expired: int, minutes_ago: int = 1) -> None:
    """So many in one minute."""
    minute = await now_ms(bench.redis) // 60_000 - minutes_ago
    fields = (f"c{minute}", str(claimed), f"x{minute}", str(expired))
    await bench.redis.command(SHARD, "HSET", redis_keys.finishes(SHARD, KEY), *fields)


async def ping(bench: Bench, own: RtbSettings = LOW, *, who: int = 3, flags: str = "b") -> Judged:
    """One of those that are drawn."""
    return await bench.ping(settings=own, flags=flags, caller=caller(who))


@pytest.mark.parametrize(
    ("claimed", "expired", "is_low"), [(9, 71, True), (10, 70, False), (9, 70, False), (0, 80, True)]
)
async def test_a_key_is_judged_by_its_share_once_enough_have_finished(
    bench: Bench, claimed: int, expired: int, is_low: bool
) -> None:
    await finished(bench, claimed=claimed, expired=expired)
    judged = await ping(bench)
    assert judged == KEPT_AWAY if is_low else isinstance(judged, Taken)


async def test_who_is_not_drawn_and_who_repeats_are_never_kept_away(bench: Bench) -> None:
    held = await bench.reserved(settings=LOW, caller=caller(3))
    await finished(bench, claimed=0, expired=100)
    assert await ping(bench) == held
    assert await ping(bench, who=4) == KEPT_AWAY
    assert isinstance(await ping(bench, who=4, flags=""), Taken)


async def test_the_hour_is_the_sixty_minutes_before_this_one(bench: Bench) -> None:
    await finished(bench, claimed=0, expired=100, minutes_ago=61)
    assert isinstance(await ping(bench), Taken)
    await bench.begin()
    await finished(bench, claimed=0, expired=100, minutes_ago=60)
    assert await ping(bench) == KEPT_AWAY
    await bench.begin()
    await finished(bench, claimed=0, expired=100, minutes_ago=0)
    assert isinstance(await ping(bench), Taken), "this minute's are judged in the next one"


async def test_sums_are_folded_once_a_minute_and_old_minutes_forgotten(bench: Bench) -> None:
    name = redis_keys.finishes(SHARD, KEY)
    await finished(bench, claimed=0, expired=100, minutes_ago=70)
    await finished(bench, claimed=1, expired=99, minutes_ago=5)
    assert await ping(bench) == KEPT_AWAY
    fields = {field.decode() for field in await bench.redis.command(SHARD, "HKEYS", name)}
    minute = await now_ms(bench.redis) // 60_000
    assert fields <= {"at", "c", "x", *(f"{kind}{minute - n}" for kind in "cx" for n in (4, 5, 6))}
    await bench.redis.command(SHARD, "HSET", name, "x", "0", "c", "100", "at", minute)
    assert isinstance(await ping(bench), Taken), "the sums are believed until the minute is over"


async def test_a_shadow_shield_only_counts(bench: Bench) -> None:
    await finished(bench, claimed=0, expired=100)
    own = RtbSettings(
        **{name: getattr(LOW, name) for name in LOW.__struct_fields__} | {"shadow": ("claim_rate",)}
    )
    judged = await ping(bench, own)
    assert isinstance(judged, Taken)
    assert judged.shadow == "q"


async def test_claims_and_what_ran_out_are_counted_by_key(bench: Bench) -> None:
    held = await bench.reserved(settings=LOW)
    for again in (True, False):
        assert await claim(bench.redis, SHARD, held=held, mirror={}) is again
    tried = await bench.reserved(settings=RtbSettings(test=True), caller=caller(9))
    await claim(bench.redis, SHARD, held=tried, mirror={})
    await count_expired(bench.redis, SHARD, counts={KEY: 3, OTHER_KEY: 40})
    await count_expired(bench.redis, SHARD, counts={KEY: 2})
    own, other = (redis_keys.finishes(SHARD, key) for key in (KEY, OTHER_KEY))
    assert (await bench.state()).finishes == {own: {"c": 1, "x": 5}, other: {"x": 40}}
    assert 0 < await bench.ttl_ms(own) <= 62 * 60_000


async def test_more_keys_than_go_into_one_script(bench: Bench) -> None:
    await count_expired(bench.redis, SHARD, counts=dict.fromkeys(range(1, 101), 1))
    assert len((await bench.state()).finishes) == 100
