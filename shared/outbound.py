"""Requests to servers of others, which may be slow, broken or hostile.

Owns the HTTP client: where it may connect, how long it waits and how much it reads. Must never follow a redirect, keep a
cookie, heed a proxy of the environment, or tell in an error what the URL was.

Failure policy: whatever goes wrong there is a value, Failed, within the caller's time; only a fault of ours is raised. The
guard of shared/dialling.py judges each connection's address.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

import aiohttp

from shared.dialling import AddressRefused, Resolver, guarded_socket
from shared.domain.addresses import Network
from shared.domain.outgoing import Failed, Failure, Message, Reply

REPLY_LIMIT_BYTES = 64 * 1024
_HEADERS = {"User-Agent": "Ringpost", "Accept-Encoding": "identity"}  # a reply is never unpacked


class Outbound:
    """One client for many receivers; each request has a connection of its own, so that none meets a stale one."""

    def __init__(self, session: aiohttp.ClientSession, resolver: Resolver) -> None:
        self._session = session
        self._resolver = resolver

    @classmethod
    def open(cls, allowed: Sequence[Network] = ()) -> Self:
        """Within the loop that will use it. Shape: allowed are networks to connect to although they are not public."""
        resolver = Resolver()
        connector = aiohttp.TCPConnector(
            socket_factory=lambda info: guarded_socket(info, allowed),
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


def _kind(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure.NAME
    if isinstance(error, aiohttp.ClientSSLError):
        return Failure.TLS
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure.ADDRESS if isinstance(error.os_error, AddressRefused) else Failure.CONNECT
    if isinstance(error, (ValueError, aiohttp.NonHttpUrlClientError)):
        return Failure.INVALID
    broken = (OSError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
    return Failure.BROKEN if isinstance(error, broken) else Failure.PROTOCOL
