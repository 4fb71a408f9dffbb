"""The cluster of `ringpost up`: engines, schema and services of one home.

Owns the order in which they come up and go down. Must never run twice in one home.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from deploy.local.catalogue import SERVICES, Service
from deploy.local.cluster_file import (
    POSTGRES_DSN,
    new_cluster,
    read_cluster,
    with_secrets,
    with_settings,
    write_cluster,
)
from deploy.local.crews import LISTEN_HOST, LOOPBACK, Crews
from deploy.local.demo_receiver import ALLOWED_NETWORKS, LOOPBACK_NETWORKS, PORT, receiving
from deploy.local.engines import Engines
from deploy.local.handover import hand_over, refuse_unknown
from deploy.local.paths import MIGRATIONS
from deploy.local.readiness import Readiness
from deploy.local.sockets import refuse_taken
from deploy.local.supervisor import Supervisor
from shared.stores.schema import prepare

_FOR_PEOPLE = {"RINGPOST_LOG_FORMAT": "text", ALLOWED_NETWORKS: LOOPBACK_NETWORKS}


class LocalCluster:
    """One home's cluster. say: where progress is told."""

    def __init__(self, home: Path, environ: Mapping[str, str], *, say: Callable[[str], None]) -> None:
        self._home = home
        self._environ = environ
        self._say = say
        self._engines = Engines(home, environ, say=say)
        self.services: tuple[Service, ...] = ()
        self.settings: dict[str, str] = {}
        self.receiver_port = PORT

    def start_engines(self, port_offset: int | None) -> None:
        """Bring engines and schema up; `settings` and `services` are known afterwards.

        Errors: OperatorError on a taken port before anything is started, and on whatever does not start.
        """
        refuse_unknown(self._environ, SERVICES)
        cluster = with_secrets(read_cluster(self._home) or new_cluster())
        if port_offset is not None:
            cluster = replace(cluster, port_offset=port_offset)
        self.services = tuple(service.at_offset(cluster.port_offset) for service in SERVICES.values())
        for service in self.services:
            host = self._environ.get(LISTEN_HOST) or LOOPBACK
            refuse_taken(service.name, host, ports=(service.port, service.ops_port))
        self.receiver_port = PORT + cluster.port_offset
        refuse_taken("demo receiver", LOOPBACK, ports=(self.receiver_port,))
        cluster = self._engines.start(cluster)
        write_cluster(self._home, cluster)
        self.settings = with_settings(self._environ, {**_FOR_PEOPLE, **cluster.settings})
        asyncio.run(
            prepare(
                self.settings[POSTGRES_DSN], MIGRATIONS, report=lambda file: self._say(f"migrating {file}")
            )
        )

    def run_services(self, workers: int, when_ready: Callable[[], None]) -> None:
        """Run all services until a signal stops them."""
        with receiving(self.receiver_port, self._say):
            asyncio.run(self._run_services(workers, when_ready))

    def stop_engines(self) -> None:
        """Stop what start_engines started."""
        self._engines.stop()

    async def _run_services(self, workers: int, when_ready: Callable[[], None]) -> None:
        with closing(Readiness()) as readiness:
            crews = Crews(readiness, metrics=self._home / "metrics", say=self._say)
            slots = [
                slot
                for service in self.services
                for slot in crews.assemble(service, hand_over(service.name, self.settings), workers=workers)
            ]
            await Supervisor(slots, readiness, say=self._say).run(when_ready, watch=self._engines.revive)
