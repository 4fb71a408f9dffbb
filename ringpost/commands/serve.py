"""`ringpost serve SERVICE`: one service under the supervisor, for servers and containers."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import click
from msgspec.structs import replace

from deploy.local.catalogue import SERVICES, Service
from deploy.local.cluster_file import environment, home_of, read_cluster
from deploy.local.crews import Crews
from deploy.local.handover import hand_over, refuse_unknown
from deploy.local.readiness import Readiness
from deploy.local.supervisor import Supervisor
from ringpost.voice import voice
from shared.errors import OperatorError

_PORT, _OPS_PORT = "RINGPOST_PORT", "RINGPOST_OPS_PORT"


@click.command()
@click.argument("service", type=click.Choice(list(SERVICES)))
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Tell the supervisor's events as JSON lines.")
def serve(*, service: str, workers: int, as_json: bool) -> None:
    """Run one service with its workers until SIGTERM.

    SIGHUP replaces the workers one at a time without losing a request. A worker that ends is started again.
    """
    environ = environment()
    refuse_unknown(environ, SERVICES)
    with tempfile.TemporaryDirectory(prefix="ringpost-metrics-") as metrics:
        moved = _with_ports(SERVICES[service], environ)
        asyncio.run(_serve(moved, environ, workers=workers, metrics=Path(metrics), say=voice(as_json)))


async def _serve(
    service: Service, environ: Mapping[str, str], *, workers: int, metrics: Path, say: Callable[[str], None]
) -> None:
    environment_of_it = hand_over(service.name, environ)
    with closing(Readiness()) as readiness:
        slots = Crews(readiness, metrics=metrics, say=say).assemble(
            service, environment_of_it, workers=workers
        )
        supervisor = Supervisor(slots, readiness, say=say)
        await supervisor.run(lambda: say(f"{service.name} is ready (process {os.getpid()})"))
    say(f"{service.name} has stopped")


def _with_ports(service: Service, environ: Mapping[str, str]) -> Service:
    cluster = read_cluster(home_of(environ))
    moved = service.at_offset(cluster.port_offset if cluster else 0)
    return replace(
        moved,
        port=_port(environ, _PORT, otherwise=moved.port),
        ops_port=_port(environ, _OPS_PORT, otherwise=moved.ops_port),
    )


def _port(environ: Mapping[str, str], name: str, *, otherwise: int) -> int:
    text = environ.get(name, "")
    if otherwise == 0 or not text:
        return otherwise
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise OperatorError(f"{name} must be a port")
    return int(text)
