"""One worker slot: there is always a worker in it, and it changes hands without losing a connection.

Owns the slot's sockets and whoever answers on them. Must never give up on a slot: it waits longer each time.
"""

import asyncio
from collections.abc import Callable

from deploy.local.readiness import answers_ready
from deploy.local.sockets import SlotSockets
from deploy.local.worker_process import WorkerProcess, WorkerStarter

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_ASK_EACH_S = 0.05
_READY_WITHIN_S = 30.0
STOP_WITHIN_S = 12.0  # the drain's 10 s and some


class Slot:
    """Keeps one worker running. say: where the operator is told what happened."""

    def __init__(
        self, name: str, sockets: SlotSockets, *, starter: WorkerStarter, say: Callable[[str], None]
    ) -> None:
        self._name = name
        self._sockets = sockets
        self._starter = starter
        self._say = say
        self._worker: WorkerProcess | None = None
        self._successor: WorkerProcess | None = None
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Start a worker, and another one whenever it ends, until stop."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._worker = await self._starter.start(self._sockets)
            if self._stopping.is_set():  # asked while it was being started
                await self._worker.stop(STOP_WITHIN_S)
            if await self._worker.ready(_READY_WITHIN_S):
                self._ready.set()
                pause_s = _FIRST_PAUSE_S
            code = await self._until_one_dies()
            if not self._stopping.is_set():
                self._say(f"{self._name} ended with {_told(code)}; starting it again")
                await self._pause(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def ready(self) -> None:
        """Returns when the slot's first worker has started and its ops port says that it is ready."""
        await self._ready.wait()
        while not self._stopping.is_set() and not await answers_ready(self._sockets.ops):
            await self._pause(_ASK_EACH_S)

    async def roll(self) -> bool:
        """Put a new worker in; the old one leaves once the new one is ready. False: the old one stays."""
        successor = await self._starter.start(self._sockets)
        try:
            if await successor.ready(_READY_WITHIN_S):
                leaving = [worker for worker in (self._worker, self._successor) if worker is not None]
                self._successor = successor
                await asyncio.gather(*(worker.stop(STOP_WITHIN_S) for worker in leaving))
                return True
        finally:
            if self._successor is not successor and self._worker is not successor:
                successor.kill()
                self._starter.clear_up_after(successor)
        self._say(f"{self._name}: the new worker does not become ready; the old one stays")
        return False

    async def stop(self) -> None:
        """End whoever is in the slot, and give the ports back."""
        self._stopping.set()
        leaving = [worker for worker in (self._worker, self._successor) if worker is not None]
        await asyncio.gather(*(worker.stop(STOP_WITHIN_S) for worker in leaving))
        self._sockets.close()

    def kill(self) -> None:
        """End whoever is in the slot at once."""
        self._stopping.set()
        for worker in (self._worker, self._successor):
            if worker is not None:
                worker.kill()

    async def _until_one_dies(self) -> int:
        """The exit code of a worker that ended without having been relieved."""
        while self._worker is not None:
            code = await self._worker.ended()
            self._starter.clear_up_after(self._worker)
            if self._successor is None:
                return code
            self._worker, self._successor = self._successor, None
        return 0

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
