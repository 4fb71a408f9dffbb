"""Requests to servers of others, which may be slow, broken or hostile.

Owns the HTTP client: where it may connect, how long it waits and how much it reads. Must never follow a redirect, keep a
cookie, heed a proxy of the environment, or tell in an error what the URL was.

Failure policy: whatever goes wrong there is a value, Failed, within the caller's time; only a fault of ours is raised. The
guard judges the address of the very socket that is connected, so that it does not matter what a name led to before.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.domain.addresses import Network, may_reach
from shared.domain.outgoing import Failed, Failure, Message, Reply

REPLY_LIMIT_BYTES = 64 * 1024
_LOOK_UPS_AT_ONCE = 64
_HEADERS = {"User-Agent": "Ringpost", "Accept-Encoding": "identity"}  # a reply is never unpacked

_Asked = tuple[str, int, int]
_AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


class Outbound:
    """One client for many receivers; each request has a connection of its own, so that none meets a stale one."""

    def __init__(self, session: aiohttp.ClientSession, resolver: "Resolver") -> None:
        self._session = session
        self._resolver = resolver

    @classmethod
    def open(cls, allowed: Sequence[Network] = ()) -> Self:
        """Within the loop that will use it. Shape: allowed are networks to connect to although they are not public."""
        resolver = Resolver()
        connector = aiohttp.TCPConnector(
            socket_factory=lambda info: _guarded_socket(info, allowed),
            resolver=resolver,
            use_dns_cache=False,
            force_close=True,
            limit=0,  # how many go at once, the owner of the requests decides
        )
        session = aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # one deadline, in send
            auto_decompress=False,
            trust_env=False,
        )
        return cls(session, resolver)

    async def close(self) -> None:
        """End what is under way."""
        await self._session.close()
        await self._resolver.close()

    async def send(self, message: Message, *, timeout_s: float) -> Reply | Failed:
        """The answer, its body cut at 64 KiB. Units: timeout_s from the name's look-up to the answer's last byte."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(message)
        except TimeoutError:
            return Failed(kind=Failure.TIMEOUT)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failed(kind=_kind(error))

    async def _exchange(self, message: Message) -> Reply:
        sent = self._session.request(
            message.method,
            message.url,
            headers=message.headers,
            data=message.body or None,
            allow_redirects=False,
        )
        async with sent as response:
            body = await _start_of(response)
            response.close()  # what is left unread is not waited for
            return Reply(status=response.status, body=body)


async def _start_of(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < REPLY_LIMIT_BYTES:
        part = await response.content.read(REPLY_LIMIT_BYTES - len(body))
        if not part:
            break
        body += part
    return bytes(body)


class _AddressRefused(OSError):  # noqa: N818 - the decision is its name
    """The guard's no. Shape: always the same text, as the connector reports several of one text as one."""


def _guarded_socket(info: _AddressInfo, allowed: Sequence[Network]) -> socket.socket:
    """The socket that will be connected to this address and no other."""
    family, kind, protocol, _, address = info
    if not may_reach(str(address[0]), allowed):
        raise _AddressRefused("the address is not public")
    return socket.socket(family, kind, protocol)


def _kind(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure.NAME
    if isinstance(error, aiohttp.ClientSSLError):
        return Failure.TLS
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure.ADDRESS if isinstance(error.os_error, _AddressRefused) else Failure.CONNECT
    if isinstance(error, (ValueError, aiohttp.NonHttpUrlClientError)):
        return Failure.INVALID
    broken = (OSError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
    return Failure.BROKEN if isinstance(error, broken) else Failure.PROTOCOL


class Resolver(AbstractResolver):
    """Names by the operating system, in threads of our own: a slow name server holds up nobody but those who ask for the name.

    Shape: whoever asks for a name that is being looked up gets that answer; none is kept.
    """

    def __init__(self) -> None:
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
        del self._asked[asked]
        if not answer.cancelled():
            answer.exception()  # nobody may be waiting for it any more

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
