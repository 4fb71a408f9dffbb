"""From a service to its worker slots.

Owns the assembly: sockets, command, environment, metrics folder. Must never know which services there are.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local.catalogue import Service
from deploy.local.readiness import Readiness
from deploy.local.slot import Slot
from deploy.local.sockets import open_slots
from deploy.local.worker_process import WorkerStarter, command_of

METRICS_DIR = "RINGPOST_METRICS_DIR"
LISTEN_HOST = "RINGPOST_LISTEN_HOST"
LOOPBACK = "127.0.0.1"


class Crews:
    """Makes the slots of services. metrics: the folder for what their workers count."""

    def __init__(self, readiness: Readiness, *, metrics: Path, say: Callable[[str], None]) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self._say = say

    def assemble(
        self, service: Service, environment: Mapping[str, str], *, workers: int, command: tuple[str, ...] = ()
    ) -> tuple[Slot, ...]:
        """The slots of one service, with its ports open. Errors: OperatorError on a taken port."""
        host = environment.get(LISTEN_HOST) or LOOPBACK
        sockets = open_slots(
            service.name, host, port=service.port, ops_port=service.ops_port, workers=workers
        )
        metrics = self._fresh_folder(service.name)
        starter = WorkerStarter(
            command or command_of(service.name),
            {**environment, METRICS_DIR: str(metrics)},
            readiness=self._readiness,
            metrics=metrics,
        )
        return tuple(
            Slot(f"{service.name} worker {number}", each, starter=starter, say=self._say)
            for number, each in enumerate(sockets, start=1)
        )

    def _fresh_folder(self, name: str) -> Path:
        folder = self._metrics / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder
