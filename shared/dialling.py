"""Connections to servers of others: what a name leads to, which address may be met, and who the server is.

Owns names, the guard and TLS. Must never connect to an address that the guard has not judged, nor tell in an error what it was.

The guard judges the address of the very socket that is connected, so that it does not matter what a name led to before.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohappyeyeballs import start_connection
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.domain.addresses import Network, may_reach
from shared.domain.outgoing import Failed, Failure

_LOOK_UPS_AT_ONCE = 64
_NAMES_KEPT = 1_000
_NEXT_ADDRESS_AFTER_S = 0.25  # RFC 8305

_Asked = tuple[str, int, int]
_AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Speaker = TypeVar("Speaker", bound=asyncio.Protocol)


class AddressRefused(OSError):  # noqa: N818 - the decision is its name
    """The guard's no. Shape: always the same text, as several of one text are reported as one."""


def guarded_socket(info: _AddressInfo, allowed: Sequence[Network]) -> socket.socket:
    """The socket that will be connected to this address and no other."""
    family, kind, protocol, _, address = info
    if not may_reach(str(address[0]), allowed):
        raise AddressRefused("the address is not public")
    return socket.socket(family, kind, protocol)


class Resolver(AbstractResolver):
    """Names by the operating system, in threads of our own: a slow name server holds up nobody but those who ask for the name.

    Shape: whoever asks for a name that is being looked up gets that answer; a good one is kept for keep_s, of at most so many
    names.
    """

    def __init__(self, *, keep_s: float = 0.0) -> None:
        self._keep_s = keep_s
        self._threads = ThreadPoolExecutor(_LOOK_UPS_AT_ONCE, thread_name_prefix="names")
        self._asked: dict[_Asked, asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(  # type: ignore[override] # the connector names the family, too
        self, host: str, port: int = 0, *, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Errors: OSError."""
        asked = (host, port, int(family))
        answer = self._asked.get(asked)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._asked[asked] = loop.run_in_executor(self._threads, _look_up, asked)
            answer.add_done_callback(lambda done: self._note(asked, done))
        return await asyncio.shield(answer)

    def _note(self, asked: _Asked, answer: asyncio.Future[list[ResolveResult]]) -> None:
        failed = answer.cancelled() or answer.exception() is not None  # nobody may be waiting for it any more
        if failed or not self._keep_s or len(self._asked) > _NAMES_KEPT:
            del self._asked[asked]
        else:
            asyncio.get_running_loop().call_later(self._keep_s, self._asked.pop, asked)

    async def close(self) -> None:
        """Take no more; a look-up under way is left to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(asked: _Asked) -> list[ResolveResult]:
    host, port, family = asked
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]


class Dialler:
    """Opens guarded connections, with TLS where the address says https."""

    def __init__(self, allowed: Sequence[Network], *, names_kept_s: float, within_s: float) -> None:
        self._allowed = allowed
        self._within_s = within_s
        self._resolver = Resolver(keep_s=names_kept_s)
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])

    async def dial(
        self, speaker: Callable[[], Speaker], *, host: str, port: int, secure: bool
    ) -> Speaker | Failed:
        """Who speaks on the new connection. Errors: Failed says why there is none, after within_s at the latest."""
        try:
            async with asyncio.timeout(self._within_s):
                found = await self._resolver.resolve(host, port)
                return await self._connect(speaker, found, server=host if secure else None)
        except (
            OSError,
            ValueError,
            RuntimeError,
        ) as error:  # uvloop raises the last for a socket that has gone
            return Failed(kind=_why(error))

    async def _connect(
        self, speaker: Callable[[], Speaker], found: Sequence[ResolveResult], *, server: str | None
    ) -> Speaker:
        connected = await start_connection(
            [_info(each) for each in found],
            happy_eyeballs_delay=_NEXT_ADDRESS_AFTER_S,
            socket_factory=lambda info: guarded_socket(info, self._allowed),
        )
        try:
            _, made = await asyncio.get_running_loop().create_connection(
                speaker, sock=connected, ssl=self._tls if server else None, server_hostname=server
            )
        except BaseException:
            connected.close()
            raise
        return made

    async def close(self) -> None:
        """Look up no more names."""
        await self._resolver.close()


def _info(found: ResolveResult) -> _AddressInfo:
    host, port, family = found["host"], found["port"], found["family"]
    address = (host, port, 0, 0) if family == socket.AF_INET6 else (host, port)
    return family, socket.SOCK_STREAM, found["proto"], "", address


def _why(error: Exception) -> Failure:
    if isinstance(error, AddressRefused):
        return Failure.ADDRESS
    if isinstance(error, (socket.gaierror, ValueError)) and not isinstance(error, ssl.SSLError):
        return Failure.NAME
    return Failure.TLS if isinstance(error, ssl.SSLError) else Failure.CONNECT
