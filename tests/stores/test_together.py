"""What waits at one moment is done in one statement, and each gets his own answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared.errors import Unavailable
from shared.stores.together import Together
from tests.support.waiting import eventually, give_way


class Doer:
    """Answers each item with its double, once it is let go; keeps the groups that it was given."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.away = False

    async def act(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        await self.go.wait()
        if self.away:
            raise Unavailable("postgres")
        if 13 in items:
            raise asyncpg.DataError("thirteen")
        return [2 * item for item in items]


@asynccontextmanager
async def serving(together: Together[int, int]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(together.run())
    await give_way()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def asking(together: Together[int, int], *items: int) -> list[asyncio.Future[int]]:
    return [asyncio.ensure_future(together.ask(item)) for item in items]


async def test_all_of_a_moment_go_together_and_each_gets_his_own_answer() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=2, most=8)
    async with serving(together):
        assert await asyncio.gather(*asking(together, *range(12))) == [2 * each for each in range(12)]
        assert await together.ask(5) == 10
    assert doer.groups == [[*range(8)], [8, 9, 10, 11], [5]]


async def test_what_comes_meanwhile_waits_for_a_free_lane_and_goes_together() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=8)
    async with serving(together):
        doer.go.clear()
        first = asking(together, 1)
        await give_way()
        more = asking(together, 2, 3)
        await give_way()
        more += asking(together, 4)
        await give_way()
        assert doer.groups == [[1]]
        doer.go.set()
        assert await asyncio.gather(*first, *more) == [2, 4, 6, 8]
    assert doer.groups == [[1], [2, 3, 4]]


async def test_only_what_is_alike_goes_together_and_nothing_waits_for_its_like() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=8, alike=lambda item: item % 2)
    async with serving(together):
        assert await asyncio.gather(*asking(together, 1, 2, 3, 4)) == [2, 4, 6, 8]
    assert doer.groups == [[1, 3], [2, 4]]


async def test_what_has_one_name_never_goes_together_and_names_go_in_order() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=8, name=lambda item: (str(item % 10),))
    async with serving(together):
        await asyncio.gather(*asking(together, 4, 14, 3, 24, 1))
    assert doer.groups == [[1, 3, 4], [14], [24]]


async def test_a_statement_that_is_refused_spoils_nobody_elses() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=8)
    async with serving(together):
        one, bad, two = asking(together, 1, 13, 2)
        assert list(await asyncio.gather(one, two)) == [2, 4]
        with pytest.raises(asyncpg.DataError):
            await bad
        assert await together.ask(7) == 14
    assert doer.groups == [[1, 13, 2], [1], [13], [2], [7]]


async def test_while_postgres_is_away_nobody_waits_twice() -> None:
    """Who waits behind a group that fails has waited long enough."""
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=8)
    async with serving(together):
        doer.go.clear()
        asked = asking(together, 1)
        await give_way()
        asked += asking(together, 2, 3)
        await give_way()
        doer.away = True
        doer.go.set()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in told] == [Unavailable] * 3
        assert doer.groups == [[1]]
        doer.away = False
        assert await together.ask(4) == 8


async def test_who_gives_up_is_left_out_and_harms_nobody() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=8)
    async with serving(together):
        doer.go.clear()
        first, beside = asking(together, 1, 2)
        await give_way()
        waiting, gone = asking(together, 3, 4)
        await give_way()
        first.cancel()
        gone.cancel()
        await give_way()
        doer.go.set()
        assert list(await asyncio.gather(beside, waiting)) == [4, 6]
    assert doer.groups == [[1, 2], [3]]


async def test_who_still_waits_at_the_end_is_told() -> None:
    doer = Doer()
    together: Together[int, int] = Together(doer.act, lanes=1, most=2)
    async with serving(together):
        doer.go.clear()
        asked = asking(together, 1, 2, 3)

        async def begun() -> bool:
            return bool(doer.groups)

        await eventually(begun, what="the first group is being done")
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable] * 3
