"""Drill: crowds at one call. Who is overtaken gets his turn, and everybody is answered."""

from collections import Counter
from collections.abc import Sequence

from tests.support.conversions import WRITING_KEY, Conversions, conversions, data_service, post_to
from tests.support.partners import ask_all

CROWD = 100


async def all_are_answered(stage: Conversions, redis_url: str, targets: Sequence[str]) -> None:
    """All at once, by two processes."""
    with data_service(stage.store.dsn, redis_url) as one, data_service(stage.store.dsn, redis_url) as other:
        answers = await ask_all([one, other], targets)
    assert {said.status for said in answers} == {200}, Counter(said.body for said in answers)
    assert await stage.sums_are_equal()


async def test_values_that_come_several_times_are_one_revision_each(
    fresh_database: str, fresh_redis: str
) -> None:
    async with conversions(fresh_database, fresh_redis) as stage:
        (call,) = await stage.answered(1)
        posts = [post_to(call, place % 20 + 1) for place in range(2 * CROWD)]
        await all_are_answered(stage, fresh_redis, posts)
        assert await stage.store.rows("SELECT revision, ledger_entries FROM calls") == [(20, 20)]
        assert await stage.store.rows("SELECT count(*) FROM outbox") == [(20,)]
        assert await stage.store.rows("SELECT count(DISTINCT id) FROM postback_log") == [(2 * CROWD,)]


async def test_where_duplicates_are_looked_for_values_take_turns_too(
    fresh_database: str, fresh_redis: str
) -> None:
    async with conversions(fresh_database, fresh_redis, dedupe_seconds=3600) as stage:
        calls = [*await stage.answered(1), *await stage.answered(1)]
        posts = [post_to(calls[place % 2], place // 2 + 1) for place in range(CROWD)]
        await all_are_answered(stage, fresh_redis, posts)
        paid = await stage.store.rows("SELECT revision, payable, duplicate FROM calls ORDER BY payable")
        assert paid == [(CROWD // 2, False, True), (CROWD // 2, True, False)]


async def test_every_tag_of_a_crowd_is_on_the_call(fresh_database: str, fresh_redis: str) -> None:
    async with conversions(fresh_database, fresh_redis) as stage:
        (call,) = await stage.answered(1)
        write = f"/data_writing?key={WRITING_KEY}&call_uuid={call.uuid}"
        await all_are_answered(stage, fresh_redis, [f"{write}&n{place}=1" for place in range(CROWD)])
        assert await stage.store.rows("SELECT count(*) FROM call_tags") == [(CROWD,)]
        assert await stage.store.rows("SELECT sum(uses) FROM key_uses") == [(CROWD,)], "each try is no use"
