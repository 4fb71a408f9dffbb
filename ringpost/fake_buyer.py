"""A buyer to try things with: it bids, or behaves as badly as it is told to.

Owns its port on loopback. Must never be reachable from outside, nor say a number or a query that it was sent.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import uuid4

from aiohttp import web
from msgspec import Struct

from ringpost.fake_bids import Wish, bid_of, read_wish, write_bid
from shared.errors import OperatorError

_HOST = "127.0.0.1"
_AT_ONCE = 2_000
_HUGE_BYTES = 10 * 1024 * 1024
_PART_BYTES = 65_536
_LONGEST_S = 600.0  # of one that hangs
_DRIP_S = 1.0
_PAGE = b"<!doctype html><title>Sorry</title><p>We are down for maintenance."


class Manners(Struct, frozen=True, kw_only=True):
    """How it bids when it is told nothing else."""

    bid: Decimal = Decimal("25.00")
    number: str = "+18885550123"


class FakeBuyer:
    """Answers each request as its path and query wish. Shape: at most 2,000 requests at once, then 503."""

    def __init__(self, manners: Manners, say: Callable[[str], None]) -> None:
        self._manners = manners
        self._say = say
        self._under_way = 0
        self._badly: Mapping[str, Callable[[web.BaseRequest, Wish], Awaitable[web.StreamResponse]]] = {
            "slow": self._slow,
            "hang": self._hang,
            "reset": self._reset,
            "drip": self._drip,
            "huge": self._huge,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        wish = read_wish(request.path, request.query.items())
        if isinstance(wish, str):
            self._say(f"{request.method}: {wish}")
            return web.Response(status=404, text=wish + "\n")
        if self._under_way >= _AT_ONCE:
            return web.Response(status=503)
        self._say(f"{request.method} {wish.shape} {wish.behaviour}")
        self._under_way += 1
        try:
            return await self._badly.get(wish.behaviour, self._plainly)(request, wish)
        finally:
            self._under_way -= 1

    async def _plainly(self, _request: web.BaseRequest, wish: Wish) -> web.StreamResponse:
        if wish.behaviour == "redirect":
            return web.Response(status=302, headers={"Location": wish.value})
        if wish.behaviour == "html":
            return web.Response(body=_PAGE, content_type="text/html")
        body = self._body(wish)
        status = int(wish.value) if wish.behaviour == "status" else 200
        kind = "application/xml" if wish.behaviour == "xml" else "application/json"
        body = body[: len(body) // 2] if wish.behaviour == "badjson" else body
        return web.Response(status=status, body=body, content_type=kind)

    def _body(self, wish: Wish) -> bytes:
        bid = bid_of(wish, self._manners.bid)
        return write_bid(wish, bid, number=self._manners.number, uuid=str(uuid4()))

    async def _slow(self, request: web.BaseRequest, wish: Wish) -> web.StreamResponse:
        await asyncio.sleep(int(wish.value) / 1_000)
        return await self._plainly(request, wish)

    async def _hang(self, request: web.BaseRequest, wish: Wish) -> web.StreamResponse:
        await asyncio.sleep(_LONGEST_S)
        return await self._reset(request, wish)

    async def _reset(self, request: web.BaseRequest, _wish: Wish) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _drip(self, request: web.BaseRequest, wish: Wish) -> web.StreamResponse:
        body = self._body(wish)
        return await self._streamed(request, (body[at : at + 1] for at in range(len(body))), pause_s=_DRIP_S)

    async def _huge(self, request: web.BaseRequest, _wish: Wish) -> web.StreamResponse:
        parts = (bytes(_PART_BYTES) for _ in range(_HUGE_BYTES // _PART_BYTES))
        return await self._streamed(request, parts, pause_s=0.0)

    async def _streamed(
        self, request: web.BaseRequest, parts: Iterator[bytes], *, pause_s: float
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
            await asyncio.sleep(pause_s)
        return response


@asynccontextmanager
async def fake_buyer(port: int, manners: Manners, *, say: Callable[[str], None]) -> AsyncIterator[int]:
    """Listen until the block ends; its port. Shape: port 0 takes a free one. Errors: OperatorError when it is taken."""
    server = web.Server(FakeBuyer(manners, say).answer, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError:
            raise OperatorError(f"port {port} is taken") from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
