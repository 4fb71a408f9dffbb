"""Buyers are asked on the event loop that serves in production."""

from collections.abc import AsyncIterator

import pytest
import uvloop
from pytest_asyncio.plugin import LoopFactory

from shared.pinging.buyers import BuyerLimits, Buyers
from tests.services.pinging.scene import opened


def pytest_asyncio_loop_factories() -> dict[str, LoopFactory]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def buyers() -> AsyncIterator[Buyers]:
    """May go to loopback."""
    async with opened(BuyerLimits()) as each:
        yield each
