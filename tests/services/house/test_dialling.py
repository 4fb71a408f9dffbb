"""Names: looked up once for all who ask at the same time, kept as long as they may be, and in nobody's way."""

import asyncio
import socket

import pytest

from shared.dialling import Resolver
from tests.support.waiting import eventually


async def test_who_asks_at_the_same_time_gets_the_same_answer() -> None:
    resolver = Resolver()
    first, second = await asyncio.gather(*[resolver.resolve("localhost", 80) for _ in range(2)])
    assert first is second
    assert await resolver.resolve("localhost", 80) is not first  # none is kept
    await resolver.close()


async def test_an_answer_is_kept_for_its_time() -> None:
    resolver = Resolver(keep_s=0.2)
    first = await resolver.resolve("localhost", 80)
    assert await resolver.resolve("localhost", 80) is first
    assert await resolver.resolve("localhost", 81) is not first

    async def is_looked_up_anew() -> bool:
        return await resolver.resolve("localhost", 80) is not first

    await eventually(is_looked_up_anew, what="the answer is forgotten")
    await resolver.close()


async def test_a_name_that_leads_nowhere_is_not_kept() -> None:
    resolver = Resolver(keep_s=60.0)
    failures = [await failure_of(resolver) for _ in range(2)]
    assert failures[0] is not failures[1]
    await resolver.close()


async def failure_of(resolver: Resolver) -> OSError:
    with pytest.raises(socket.gaierror) as failed:
        await resolver.resolve("no-such-host.invalid", 80)
    return failed.value


async def test_a_bounded_number_of_answers_is_kept() -> None:
    resolver = Resolver(keep_s=60.0)
    answers = [await resolver.resolve("127.0.0.1", port) for port in range(1, 1_002)]
    assert await resolver.resolve("127.0.0.1", 1) is answers[0]
    assert await resolver.resolve("127.0.0.1", 1_001) is not answers[-1]
    await resolver.close()
