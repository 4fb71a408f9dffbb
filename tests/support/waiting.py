"""Waiting for what another task or process does.

Owns the one poll of asynchronous tests. Must never wait without a deadline.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(condition: Callable[[], Awaitable[T]], *, within_s: float = 10.0, what: str) -> T:
    """The condition's value once it is true; fails when that takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        value = await condition()
        if value:
            return value
        assert loop.time() < deadline, f"not within {within_s} s: {what}"
        await give_way()


async def give_way() -> None:
    """Let others work for a moment."""
    waiter = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, waiter.set_result, None)
    await waiter
