"""One worker: a process of a service on the sockets of its slot.

Owns its start and its end. Must never decide whether it is started again.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.readiness import Readiness
from deploy.local.sockets import SlotSockets
from deploy.local.tied import tied_to_parent
from shared.notify import SOCKET_VARIABLE


class WorkerProcess:
    """A running worker."""

    def __init__(self, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
        self._process = process
        self._ready = ready
        self._ended = asyncio.ensure_future(process.wait())
        self.pid = process.pid

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._ended)

    async def ready(self, within_s: float) -> bool:
        """Whether it becomes ready; False when it ends first, or is late."""
        said = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait((said, self._ended), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        said.cancel()
        return self._ready.is_set() and not self._ended.done()

    async def stop(self, within_s: float) -> None:
        """Let it finish what it is doing; kill it when that takes too long."""
        self._send(signal.SIGTERM)
        await asyncio.wait((self._ended,), timeout=within_s)
        self.kill()
        await self.ended()

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if not self._ended.done():
            self._process.send_signal(number)


class WorkerStarter:
    """Starts workers of one service, all with the same command and environment."""

    def __init__(
        self, command: tuple[str, ...], environment: Mapping[str, str], *, readiness: Readiness, metrics: Path
    ) -> None:
        self._command = command
        self._environment = {**environment, SOCKET_VARIABLE: readiness.address}
        self._readiness = readiness
        self._metrics = metrics

    async def start(self, sockets: SlotSockets) -> WorkerProcess:
        """Start one on a slot's sockets."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *sockets.arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=sockets.descriptors,
            start_new_session=True,  # Ctrl-C is for the supervisor, which lets workers finish
            preexec_fn=tied_to_parent(signal.SIGTERM),
        )
        return WorkerProcess(process, self._readiness.expect(process.pid))

    def clear_up_after(self, worker: WorkerProcess) -> None:
        """Forget an ended worker: its counts stay in the metrics, its gauges go."""
        self._readiness.forget(worker.pid)
        for gauges in self._metrics.glob(f"gauge_live*_{worker.pid}.db"):
            gauges.unlink(missing_ok=True)


def command_of(service: str) -> tuple[str, ...]:
    """How a service's worker is started."""
    return (sys.executable, "-m", f"services.{service}")
