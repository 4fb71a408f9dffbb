"""How background jobs run: each in its own rhythm, none able to stop another.

Owns the jobs' tasks from start to stop. Must never know what a job does.

Failure policy: a job whose store is away says so once, and tries again with jittered pauses; a job with a fault is
logged and goes on after a pause; at the stop every job finishes its round, within a limit.
"""

import asyncio
from collections.abc import Sequence
from random import uniform
from typing import Protocol

from shared.errors import Unavailable
from shared.logs import get_logger
from shared.metrics import JOB_RUNS
from shared.redaction import exception_shape

_LOG = get_logger()
_AWAY_PAUSE_S = 0.5
_FAULT_PAUSE_S = 2.0


class Job(Protocol):
    """One kind of background work."""

    @property
    def name(self) -> str:
        """What logs and metrics call it."""

    @property
    def interval_s(self) -> float:
        """Time between two rounds."""

    async def step(self) -> bool:
        """One round; True when there is more to do at once. Errors: Unavailable ends the round only."""


class Shift:
    """One job, round after round."""

    def __init__(self, job: Job, stopping: asyncio.Event) -> None:
        self._job = job
        self._stopping = stopping
        self._away = False

    async def run(self) -> None:
        """Work until told to stop; a round under way is finished. Errors: whatever is a fault of the job."""
        while not self._stopping.is_set():
            try:
                more = await self._job.step()
            except Unavailable as error:
                self._note_away(error.what)
                pause_s = max(self._job.interval_s, _AWAY_PAUSE_S) * uniform(0.5, 1.0)  # noqa: S311 - a pause
            else:
                self._note_done()
                pause_s = 0.0 if more else self._job.interval_s * uniform(0.9, 1.0)  # noqa: S311 - a pause
            await wait_or_stop(self._stopping, pause_s)

    def _note_away(self, what: str) -> None:
        JOB_RUNS.add(self._job.name, "away")
        if not self._away:
            _LOG.warning("job_waits", job=self._job.name, away=what)
        self._away = True

    def _note_done(self) -> None:
        JOB_RUNS.add(self._job.name, "done")
        if self._away:
            _LOG.info("job_goes_on", job=self._job.name)
        self._away = False


class Crew:
    """All jobs of a process."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin them all."""
        loop = asyncio.get_running_loop()
        self._keepers = [loop.create_task(self._keep(job), name=job.name) for job in self._jobs]

    async def stop(self, within_s: float) -> None:
        """Let each finish its round; what takes longer than the limit is cancelled, as a crash would."""
        self._stopping.set()
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=within_s)
            for keeper in late:
                _LOG.warning("job_cut_off", job=keeper.get_name())
                keeper.cancel()
            await asyncio.wait(self._keepers)

    async def _keep(self, job: Job) -> None:
        """Begin a job anew when it ended with a fault."""
        while not self._stopping.is_set():
            shift = asyncio.get_running_loop().create_task(Shift(job, self._stopping).run())
            try:
                await asyncio.wait([shift])
            finally:
                shift.cancel()
            error = None if shift.cancelled() else shift.exception()
            if error is not None:
                JOB_RUNS.add(job.name, "fault")
                _LOG.error("job_fault", job=job.name, **exception_shape(error))
                await wait_or_stop(self._stopping, _FAULT_PAUSE_S)


async def wait_or_stop(stopping: asyncio.Event, pause_s: float) -> None:
    """Wait, but not beyond the call to stop."""
    if pause_s <= 0:
        await asyncio.sleep(0)
        return
    try:
        async with asyncio.timeout(pause_s):
            await stopping.wait()
    except TimeoutError:
        return
