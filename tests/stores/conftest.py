"""Which event loops the store tests run on."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

type_of_loop = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, type_of_loop]:
    """What touches a transport itself runs on both loops: services use uvloop, jobs may use asyncio's own."""
    if item.path.name.startswith("test_redis"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
