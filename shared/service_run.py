"""A service's process from its start to its last answer.

Owns the order of start and stop, signals and exit codes. Must never know what a service does.
"""

import argparse
import asyncio
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import aiohttp
import uvloop
from aiohttp.http import HttpRequestParser
from msgspec import Struct

from shared.chores import Chores
from shared.errors import OperatorError, SettingsError, Unavailable
from shared.http_limits import Deadlines
from shared.http_listener import Listener
from shared.http_routes import Route
from shared.log_lines import RequestLog
from shared.logs import configure_logs, get_logger
from shared.notify import tell_ready
from shared.ops import Ops
from shared.pulse import LoopLag, Pulse
from shared.redaction import exception_shape
from shared.server import Rules, Server
from shared.service_settings import ServiceSettings
from shared.settings import read_settings
from shared.sockets import bound, inherited

S = TypeVar("S", bound=ServiceSettings)
_LOG = get_logger()
_OPS_DRAIN_S = 0.5
_YOUNG_OBJECTS = 20_000


class App(Protocol):
    """What a service's composition root builds."""

    @property
    def routes(self) -> Sequence[Route]:
        """The public surface; read after `start`, empty for a service without one."""

    async def start(self) -> None:
        """Open pools, start background work. Errors: Unavailable and OperatorError end the process."""

    async def ready(self) -> bool:
        """Whether requests should be sent here; asked by /readyz."""

    async def close(self) -> None:
        """Undo `start` in reverse, after the last answer."""


class Service(Struct, Generic[S], frozen=True, kw_only=True):
    """A service as its `__main__` names it."""

    name: str
    settings: type[S]
    make_app: Callable[[S], App]
    public: bool = True


class Sockets(Struct, frozen=True, kw_only=True):
    """File descriptors handed over by a supervisor; -1 is none."""

    fd: int = -1
    ops_fd: int = -1


def main(service: Service[Any], *, known: Iterable[type[Struct]] = ()) -> int:
    """`python -m services.<name> [--fd N --ops-fd M]`: run until SIGTERM; the exit code."""
    options = argparse.ArgumentParser(description=f"the {service.name} service")
    options.add_argument("--fd", type=int, default=-1, help="listening socket of the public port")
    options.add_argument("--ops-fd", type=int, default=-1, help="listening socket of the ops port")
    chosen = options.parse_args()
    return run_service(service, Sockets(fd=chosen.fd, ops_fd=chosen.ops_fd), env=os.environ, known=known)


def run_service(
    service: Service[S], sockets: Sockets, *, env: Mapping[str, str], known: Iterable[type[Struct]] = ()
) -> int:
    """Run until SIGTERM or SIGINT. Errors: what an operator can mend is a line on stderr and exit code 1."""
    try:
        _insist_on_c_parser()
        settings = read_settings(service.settings, env, known=known)
        configure_logs(service.name, level=settings.log_level, as_text=settings.log_format == "text")
        sys.excepthook = _tell_end
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(Process(service, settings, sockets=sockets).run())
    except SettingsError as error:
        for problem in error.problems:
            _complain(service.name, problem)
    except (OperatorError, Unavailable) as error:
        _complain(service.name, str(error))
    return 1


class Process:
    """One worker: ops port, app, public port, and the same in reverse."""

    def __init__(self, service: Service[S], settings: S, *, sockets: Sockets) -> None:
        self._service = service
        self._settings = settings
        self._sockets = sockets
        self._stop = asyncio.Event()
        self._exit_code = 0
        level = settings.log_level
        self._log = RequestLog(as_text=settings.log_format == "text", enabled=level in {"debug", "info"})
        self._pulse = Pulse(self._log)
        self._chores = Chores(self._chore_died)

    async def run(self) -> int:
        """Start, serve, stop; the exit code. Errors: as App.start."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_loop_fault)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        app = self._service.make_app(self._settings)
        ops = Ops(self._service.name, self._pulse, ready=app.ready)
        ops_listener = await self._open_ops(ops)
        self._chores.start("log", self._log.run)
        self._chores.start("pulse", self._pulse.run)
        self._chores.start("loop lag", LoopLag().run)
        try:
            await app.start()
            try:
                await self._serve(app, ops)
            finally:
                await app.close()
        finally:
            await ops_listener.drain(_OPS_DRAIN_S)
            await self._chores.stop()
            self._pulse.beat()
            self._log.close()
        return self._exit_code

    async def _serve(self, app: App, ops: Ops) -> None:
        listener = await self._open_public(app) if self._service.public else None
        gc.collect()
        gc.freeze()  # what lives until the end is not walked again
        gc.set_threshold(_YOUNG_OBJECTS, 20, 20)  # requests leave few cycles behind: look for them less often
        ops.started = True
        tell_ready()
        _LOG.info("started", pid=os.getpid())
        await self._stop.wait()
        ops.stopping = True
        _LOG.info("stopping", pid=os.getpid())
        if listener is not None:
            await asyncio.sleep(self._settings.drain_notice_s)
            await listener.drain(self._settings.drain_s)

    async def _open_public(self, app: App) -> Listener:
        settings = self._settings
        rules = Rules(
            trusted_proxies=settings.trusted_proxies,
            require_https=settings.require_https,
            in_flight_limit=settings.in_flight_limit,
            body_limit_bytes=settings.body_limit_bytes,
            query_limit_bytes=settings.query_limit_bytes,
        )
        deadlines = Deadlines(
            header_s=settings.header_deadline_s, body_s=settings.body_deadline_s, idle_s=settings.keep_alive_s
        )
        server = Server(service=self._service.name, routes=tuple(app.routes), rules=rules, log=self._log)
        return await self._open(server, deadlines, fd=self._sockets.fd, port=settings.port)

    async def _open_ops(self, ops: Ops) -> Listener:
        quiet = RequestLog(enabled=False)
        server = Server(service=self._service.name, routes=ops.routes, rules=Rules(), log=quiet)
        return await self._open(server, Deadlines(), fd=self._sockets.ops_fd, port=self._settings.ops_port)

    async def _open(self, server: Server, deadlines: Deadlines, *, fd: int, port: int) -> Listener:
        sock = inherited(fd) if fd >= 0 else bound(self._settings.listen_host, port)
        listener = Listener(server, deadlines, query_bytes=self._settings.query_limit_bytes)
        await listener.open(sock)
        self._chores.start("sweep", listener.run)
        self._pulse.watch(server, listener)
        return listener

    def _chore_died(self, _name: str) -> None:
        self._exit_code = 1
        self._stop.set()


def _tell_loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio has to complain of, without the representation of any object."""
    error = context.get("exception")
    _LOG.error("loop_fault", said=context.get("message", ""), **(exception_shape(error) if error else {}))


def _tell_end(_kind: type[BaseException], *told: Any) -> None:
    """The end of a process by a fault, without the fault's text."""
    _LOG.critical("ended_by_fault", **exception_shape(told[0]))


def _insist_on_c_parser() -> None:
    version = tuple(map(int, re.findall(r"\d+", aiohttp.__version__)[:3]))
    if version < (3, 14, 4) or HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise OperatorError("aiohttp 3.14.4 or later with its C parser is required")


def _complain(service: str, text: str) -> None:
    sys.stderr.write(f"{service}: {text}\n")
