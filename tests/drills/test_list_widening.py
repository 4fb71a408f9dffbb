"""Drill: a list's buckets are widened for an upload, under pings. In the middle the worker is killed, or Redis emptied."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from shared.domain.keys import Level
from shared.domain.lists import CallerList
from shared.stores import lists
from shared.stores.hot_company import SCRIPTS, take_turn
from shared.stores.list_widening import find_widening
from tests.support.account_stage import Stage, a_drill_account
from tests.support.account_store import AccountStore, opened
from tests.support.engines import Engine, empty_redis
from tests.support.list_uploads import done, upload
from tests.support.partners import Load, Said, ask, ask_all
from tests.support.waiting import eventually

COMPANY = 1
LISTED = [f"+1213{555 + place // 10_000}{place % 10_000:04d}" for place in range(20_000)]
UPLOADED = [f"+1312{555 + place // 10_000}{place % 10_000:04d}" for place in range(15_000)]
ADDED = "+12132220100"
FREE = [f"+1415555{place:04d}" for place in range(500)]


@pytest.fixture
async def store(redis_stage: Stage) -> AsyncIterator[AccountStore]:
    """The drill's stores, with the account and its list, and no worker that has seen how long it is."""
    worker = redis_stage.worker()
    account = a_drill_account(ttl_seconds=600)
    account["campaigns"][0]["caller_lists"] = [{"name": "suppressed_dnc"}]
    redis_stage.apply(account)
    worker.kill9()
    async with opened(redis_stage.dsn, redis_stage.redis_url, SCRIPTS) as store:
        await add(store, await the_list(store), *LISTED)
        yield store


async def the_list(store: AccountStore) -> CallerList:
    ((entity_id,),) = await store.rows("SELECT entity_id FROM caller_lists")
    found = await lists.find_list(
        store.postgres, COMPANY, level=Level.CAMPAIGN, entity_id=entity_id, name="suppressed_dnc"
    )
    assert found is not None
    return found


async def add(store: AccountStore, to: CallerList, *numbers: str) -> None:
    """As a request does it: in force when this returns."""
    async with store.postgres.transaction() as connection:
        await lists.add_numbers(connection, to, numbers=numbers)
    await store.sync(COMPANY)


class Callers:
    """Pings of callers who are listed and of others who are not, in turn; each told what it is."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._places = count()

    def __call__(self) -> str:
        place = next(self._places)
        who = LISTED[place * 7 % len(LISTED)] if place % 2 else FREE[place % len(FREE)]
        return self._stage.ping(who)


def is_right(said: Said) -> bool:
    """Whether a caller was judged by the list, or the shard was cold and said so."""
    if said.status != 200:
        return said.is_away
    listed = "caller_number=%2B1213" in said.target  # LISTED and ADDED
    return (said.fields.get("reason") == "caller_suppressed") is listed


async def in_the_middle(store: AccountStore, redis_url: str, how: str, stage: Stage) -> bool:
    """Whether the widening is under way; what is to happen then has happened, and no step was taken meanwhile."""
    async with store.postgres.transaction() as connection:
        await take_turn(connection, store.redis, company_id=COMPANY)
        widening = await find_widening(connection, COMPANY)
        if widening is None or not widening.copied_to:
            return False
        assert not widening.flipped, "it was over before anything could happen"
        if how == "killed":
            stage.services["worker"].kill9()
        else:
            empty_redis(redis_url)
    return True


@pytest.mark.parametrize("how", ["killed", "emptied"])
async def test_lists_are_right_while_their_buckets_are_widened(
    redis_stage: Stage, own_redis: Engine, store: AccountStore, how: str
) -> None:
    stage, made = redis_stage, await the_list(store)
    rtb = stage.rtb(2)
    upload_id = await upload(store, made, "\n".join([*UPLOADED, "bad"]))
    async with Load(rtb, Callers(stage)) as load:
        stage.services["worker"].start()

        async def happened() -> bool:
            return await in_the_middle(store, own_redis.url, how, stage)

        await eventually(happened, what="the widening is under way")
        if how == "killed":
            await add(store, made, ADDED)
            assert all(is_right(said) for said in await ask_all(rtb, [stage.ping(ADDED)] * 2))
            await load.goes_on()
            stage.services["worker"].start()

        async def over() -> bool:
            return (await done(store, made, upload_id)).status == "Completed"

        await eventually(over, within_s=40, what="the upload is over")
        await load.goes_on()
    wrong = [said for said in load.said if not is_right(said)]
    assert wrong == []
    assert {said.status for said in load.said} == ({200} if how == "killed" else {200, 503})
    told = await done(store, made, upload_id)
    assert (told.rows_applied, told.rows_rejected) == (15_000, 1)
    assert await store.rows("SELECT list_buckets > 35000 / 60 FROM companies") == [(True,)]
    assert await store.rows("SELECT count(*) FROM list_widenings") == [(0,)]
    for number in (*UPLOADED[::500], LISTED[-1], *([ADDED] if how == "killed" else [])):
        said = await ask(rtb[0], stage.ping(number))
        assert said.fields.get("reason") == "caller_suppressed"
