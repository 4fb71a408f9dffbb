"""The ops port: /livez /readyz /metrics /buildinfo and nothing else.

Owns what an operator's machines ask a process. Must never be reachable from the public port.
"""

import asyncio
import platform
from collections.abc import Awaitable, Callable

from msgspec.json import Encoder

from shared.domain.http import HttpAnswer, HttpRequest
from shared.http_routes import Route
from shared.pulse import Pulse, ringpost_version
from shared.tallies import render

_ENCODER = Encoder()
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Ops:
    """Answers for one process; ready only between the end of its start and the begin of its stop."""

    def __init__(self, service: str, pulse: Pulse, *, ready: Callable[[], Awaitable[bool]]) -> None:
        self.started = False
        self.stopping = False
        self._service = service
        self._pulse = pulse
        self._ready = ready

    @property
    def routes(self) -> tuple[Route, ...]:
        """The port's whole surface."""
        endpoints = {
            "/livez": self.livez,
            "/readyz": self.readyz,
            "/metrics": self.metrics,
            "/buildinfo": self.buildinfo,
        }
        return tuple(
            Route(methods=("GET",), template=path, endpoint=endpoint) for path, endpoint in endpoints.items()
        )

    async def livez(self, _request: HttpRequest) -> HttpAnswer:
        """The event loop turns; nothing else is touched."""
        return _said(200, "ok")

    async def readyz(self, _request: HttpRequest) -> HttpAnswer:
        """Whether requests should be sent here."""
        if self.stopping or not self.started:
            return _said(503, "stopping" if self.stopping else "starting")
        return _said(200, "ready") if await self._ready() else _said(503, "not ready")

    async def metrics(self, _request: HttpRequest) -> HttpAnswer:
        """Prometheus text over all workers of the service; rendered beside the event loop."""
        self._pulse.beat()
        return HttpAnswer(status=200, body=await asyncio.to_thread(render), content_type=_METRICS_TYPE)

    async def buildinfo(self, _request: HttpRequest) -> HttpAnswer:
        """What runs here."""
        told = {"service": self._service, "version": ringpost_version(), "python": platform.python_version()}
        return HttpAnswer(status=200, body=_ENCODER.encode(told))


def _said(status: int, word: str) -> HttpAnswer:
    return HttpAnswer(status=status, body=_ENCODER.encode({"status": word}), outcome=word)
