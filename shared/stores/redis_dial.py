"""Making a connection to Redis, and the look at the server that comes before any use of it.

Owns the handshake (by redis-py: TLS, password or ACL user, database), what a server must be, and the words
for an operator when it is not. Must never show a credential, and never run while a link is in use.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from shared.errors import OperatorError
from shared.stores.redis_link import Link
from shared.stores.scripts import Script

_PATIENCE_S = 1.0
_OLDEST = (7, 0)
_NONSENSE = (AttributeError, LookupError, TypeError, ValueError)  # well-formed replies that no Redis gives


class Greeting(Struct, frozen=True, kw_only=True):
    """What a server says of itself before it is used."""

    run_id: str
    version: str
    eviction: str
    appendonly: bool
    appendfsync: str | None


class DialError(Exception):
    """The server could not be reached or cannot serve yet. The text holds no credential."""


class Address:
    """Where a server is and how to sign in there."""

    def __init__(self, url: str) -> None:
        try:
            self._pool = ConnectionPool.from_url(
                url, protocol=2, client_name="ringpost", retry=Retry(NoBackoff(), 0)
            )
            options = self._pool.connection_kwargs
            self.place = str(
                options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
            )
        except ValueError:  # its text can hold a part of the password
            raise OperatorError(
                "the Redis URL cannot be read: redis://, rediss:// or unix:// is expected"
            ) from None

    def connection(self) -> AbstractConnection:
        """A new connection, not yet opened."""
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    def clean(self, error: BaseException) -> str:
        """An error's text without the password."""
        text = str(error) or f"nothing for {_PATIENCE_S:.0f} s"
        password = self._pool.connection_kwargs.get("password")
        return text.replace(password, "***") if password else text


async def dial(
    address: Address, link: Link, *, scripts: Iterable[Script]
) -> tuple[AbstractConnection, Greeting]:
    """Connects, reads who answers, loads the scripts and hands the transport to the link.

    Shape: the connection must be kept as long as the link lives, then `hang_up`.
    Errors: DialError. Cost: a few round trips; at most one second.
    """
    connection = address.connection()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await connection.connect()  # type: ignore[no-untyped-call]
            greeting = await _greet(connection)
            for script in scripts:
                await _ask(connection, "SCRIPT", "LOAD", script.source)
        _hand_over(connection, link)
    except (RedisError, OSError, TimeoutError) as error:
        await hang_up(connection)
        raise DialError(address.clean(error)) from None
    except _NONSENSE:
        await hang_up(connection)
        raise DialError("what answers there is no Redis") from None
    except BaseException:  # cancelled: leave nothing open
        await hang_up(connection)
        raise
    return connection, greeting


async def hang_up(connection: AbstractConnection) -> None:
    """Closes a connection without waiting for the other side."""
    await connection.disconnect(nowait=True)


def check_greeting(greeting: Greeting, place: str) -> None:
    """Refuses a server on which hot state would be lost. Errors: OperatorError, every problem in one line."""
    problems = []
    if _version(greeting.version) < _OLDEST:
        problems.append(f"version {greeting.version} is older than 7.0")
    if greeting.eviction != "noeviction":
        problems.append(f"maxmemory-policy is {greeting.eviction}, must be noeviction")
    if not greeting.appendonly:
        problems.append("appendonly is no, must be yes")
    elif greeting.appendfsync not in (None, "everysec", "always"):
        problems.append(f"appendfsync is {greeting.appendfsync}, must be everysec")
    if problems:
        raise OperatorError(f"redis at {place} is not set up for Ringpost: {'; '.join(problems)}")


def _hand_over(connection: AbstractConnection, link: Link) -> None:
    # redis-py has no public way to give its transport away; a test holds this to the installed version.
    reader, writer = connection._reader, connection._writer
    if reader is None or writer is None or reader.at_eof() or writer.transport.is_closing():
        raise ConnectionError("the server closed the connection")
    link.take(writer.transport)


async def _greet(connection: AbstractConnection) -> Greeting:
    info = _fields(await _ask(connection, "INFO"))
    if info.get("loading", "0") != "0":
        raise RedisError("it is still loading its data")
    if info.get("role", "master") != "master":
        raise RedisError("it is a read-only replica")
    return Greeting(
        run_id=info["run_id"],
        version=info.get("redis_version", "0"),
        eviction=info.get("maxmemory_policy", "noeviction"),
        appendonly=info.get("aof_enabled", "0") == "1",
        appendfsync=await _appendfsync(connection),
    )


async def _appendfsync(connection: AbstractConnection) -> str | None:
    """None where CONFIG is not allowed, as for a least-privilege user: then nobody can say."""
    try:
        reply = await _ask(connection, "CONFIG", "GET", "appendfsync")
    except (NoPermissionError, ResponseError):
        return None
    return reply[1].decode() if len(reply) > 1 else None


async def _ask(connection: AbstractConnection, *command: str) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


def _fields(info: bytes) -> dict[str, str]:
    lines = info.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
