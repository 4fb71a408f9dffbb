"""Background work of a process: every task has an owner, and none dies unseen.

Owns tasks from their start to their end. Must never know what they do.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from shared.logs import get_logger
from shared.redaction import exception_shape

_LOG = get_logger()


def stop_process(_chore: str) -> None:
    """Half a process is worse than none: drain and end, and whoever runs us starts us anew."""
    signal.raise_signal(signal.SIGTERM)


class Chores:
    """Runs the `run()` of background classes; one that ends by itself is a fault, told to `on_death`."""

    def __init__(self, on_death: Callable[[str], None] = stop_process) -> None:
        self._on_death = on_death
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin one; it runs until `stop`."""
        task = asyncio.get_running_loop().create_task(run(), name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def stop(self) -> None:
        """End all, the youngest first, each before the next."""
        while self._tasks:
            task = self._tasks.pop()
            task.cancel()
            await asyncio.wait([task])

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if task in self._tasks:
            _LOG.error("chore_died", chore=task.get_name(), **(exception_shape(error) if error else {}))
            self._on_death(task.get_name())
