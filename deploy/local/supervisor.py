"""The supervisor: services' workers on one machine, from the first start to the last drained request.

Owns the slots of every service it was given and the signals. Must never answer a request.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence

from deploy.local.readiness import Readiness
from deploy.local.slot import Slot

_WATCH_EACH_S = 0.3


class Supervisor:
    """Runs slots. SIGHUP rolls them one at a time; SIGTERM or SIGINT stops, a second one kills."""

    def __init__(self, slots: Sequence[Slot], readiness: Readiness, *, say: Callable[[str], None]) -> None:
        self._slots = slots
        self._readiness = readiness
        self._say = say
        self._stop_asked = asyncio.Event()
        self._roll_asked = asyncio.Event()

    async def run(self, when_ready: Callable[[], None], watch: Callable[[], None] = lambda: None) -> None:
        """Until a signal stops it. watch is called a few times a second, for what else must be kept running.

        Errors: whatever fails in here, as an exception group, after all workers have been stopped.
        """
        self._readiness.open()
        self._handle_signals()
        try:
            async with asyncio.TaskGroup() as tasks:
                for slot in self._slots:
                    tasks.create_task(slot.run())
                duties = [
                    tasks.create_task(duty)
                    for duty in (self._announce(when_ready), self._roll(), _each(watch))
                ]
                await self._stop_asked.wait()
                for duty in duties:
                    duty.cancel()
                await self._stop_slots()
        finally:
            await self._stop_slots()

    async def _stop_slots(self) -> None:
        await asyncio.gather(*(slot.stop() for slot in self._slots))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._roll_asked.set)

    def _asked_to_stop(self) -> None:
        if self._stop_asked.is_set():
            self._say("killing what is left")
            for slot in self._slots:
                slot.kill()
        else:
            self._say("stopping")
            self._stop_asked.set()

    async def _announce(self, when_ready: Callable[[], None]) -> None:
        await asyncio.gather(*(slot.ready() for slot in self._slots))
        when_ready()

    async def _roll(self) -> None:
        while True:
            await self._roll_asked.wait()
            self._roll_asked.clear()
            self._say("rolling restart")
            rolled = [await slot.roll() for slot in self._slots]
            self._say(f"rolling restart done: {sum(rolled)} of {len(rolled)} workers are new")


async def _each(watch: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_WATCH_EACH_S)
        watch()
