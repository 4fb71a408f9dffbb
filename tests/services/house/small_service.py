"""A service of nothing but the house, run as `python -m tests.services.house.small_service`."""

import asyncio
import os
import sys
from collections.abc import Sequence

from msgspec import Struct

from shared.domain.http import HttpAnswer, HttpRequest
from shared.errors import OperatorError, Unavailable
from shared.http_routes import Route
from shared.service_run import Service, main
from shared.service_settings import ServiceSettings


class SmallSettings(ServiceSettings, frozen=True, kw_only=True):
    """Nothing of its own."""


class Elsewhere(Struct, frozen=True, kw_only=True):
    """The settings of no other service."""


class SmallApp:
    """Answers, waits, dies."""

    def __init__(self, _settings: SmallSettings) -> None:
        self._go = asyncio.Event()

    @property
    def routes(self) -> Sequence[Route]:
        """Three endpoints."""
        endpoints = {"/pid": self.pid, "/wait": self.wait, "/go": self.go}
        return [Route(methods=("GET",), template=path, endpoint=call) for path, call in endpoints.items()]

    async def start(self) -> None:
        """Fails as the test's environment says."""
        wanted = os.environ.get("SMALL_FAILS", "")
        if wanted == "operator":
            raise OperatorError("the demo account is missing")
        if wanted == "unavailable":
            raise Unavailable("postgres")
        if wanted == "fault":
            raise ValueError("hidden-password")

    async def ready(self) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Says so."""
        sys.stderr.write("closed\n")

    async def pid(self, _request: HttpRequest) -> HttpAnswer:
        """Which worker answers."""
        return HttpAnswer(status=200, body=str(os.getpid()).encode())

    async def wait(self, _request: HttpRequest) -> HttpAnswer:
        """Answers after /go."""
        await self._go.wait()
        return HttpAnswer(status=200, body=b"waited")

    async def go(self, _request: HttpRequest) -> HttpAnswer:
        """Lets the others go."""
        self._go.set()
        return HttpAnswer(status=200, body=b"go")


if __name__ == "__main__":
    sys.exit(main(Service(name="small", settings=SmallSettings, make_app=SmallApp), known=(Elsewhere,)))
