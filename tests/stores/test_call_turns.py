"""Who has the turn at a call changes it; whoever else wanted to looks again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.domain.call_books import CallChange
from shared.domain.calls import Call, CallState
from shared.errors import Unavailable
from shared.stores.call_changes import Saving, save_change
from shared.stores.call_turns import Turns
from shared.stores.postgres import Postgres
from tests.support.conversions import Conversions, conversions
from tests.support.engines import Engine
from tests.support.waiting import eventually

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
async def stage(fresh_database: str, fresh_redis: str) -> AsyncIterator[Conversions]:
    async with conversions(fresh_database, fresh_redis) as stage:
        yield stage


async def a_state(stage: Conversions) -> CallState:
    (call,) = await stage.answered(1)
    return CallState(call=call)


def tagged(state: CallState, name: str) -> CallChange:
    return CallChange(state=state, tags={name: "1"})


async def test_a_change_from_beside_waits_and_is_not_written(stage: Conversions) -> None:
    state, postgres = await a_state(stage), stage.store.postgres

    async def one_waits() -> bool:
        return bool(await postgres.fetchval(WAITING) == 1)

    async with Turns(postgres).take(state.call) as connection:
        beside = asyncio.ensure_future(save_change(postgres, Saving(change=tagged(state, "beside"))))
        await eventually(one_waits, what="the other waits")
        assert await save_change(connection, Saving(change=tagged(state, "mine")))
    assert not await beside
    assert await stage.store.rows("SELECT name FROM call_tags") == [("mine",)]


async def test_turns_of_several_processes_follow_one_another(stage: Conversions) -> None:
    state, said = await a_state(stage), list[str]()

    async def take(turns: Turns, who: str) -> None:
        async with turns.take(state.call) as connection:
            said.append(who)
            await connection.fetchval("SELECT pg_sleep(0.01)")
            said.append(who)

    ours, theirs = Turns(stage.store.postgres), Turns(stage.store.postgres)
    await asyncio.gather(take(ours, "a"), take(ours, "b"), take(theirs, "c"), take(theirs, "d"))
    assert said[::2] == said[1::2]
    assert sorted(said[::2]) == ["a", "b", "c", "d"]


async def test_a_turn_that_failed_is_over(stage: Conversions) -> None:
    state, turns = await a_state(stage), Turns(stage.store.postgres)
    with pytest.raises(ZeroDivisionError):
        async with turns.take(state.call):
            raise ZeroDivisionError
    async with turns.take(state.call) as connection:
        assert await save_change(connection, Saving(change=tagged(state, "next")))


async def test_nobody_waits_in_line_for_a_server_that_is_silent(own_postgres: Engine) -> None:
    postgres = await Postgres.open(own_postgres.url, max_size=2, deadline_s=0.3)
    call = Call(uuid="", company_id=1, started_ms=0, provider="generic/1", provider_call_id="", campaign_id=1)
    turns, told = Turns(postgres), list[str]()

    async def take(who: str) -> None:
        with pytest.raises(Unavailable):
            async with turns.take(call):
                pytest.fail("nobody answers")
        told.append(who)

    own_postgres.pause()
    try:
        await asyncio.gather(take("first"), *(take("in line") for _ in range(5)))
    finally:
        own_postgres.resume()
        await postgres.close()
    assert told == ["in line"] * 5 + ["first"]
