"""Postgres as every store sees it: a pool with a deadline, and one exception when it is away.

Owns the asyncpg pool and the translation of its errors. Must never hold SQL of its own, retry, or keep session
state: nothing is reset between two uses of a connection, so only transaction-level locks and settings fit.

Failure policy: whatever says that the server is away, full, starting, stopping or late becomes
Unavailable('postgres') within the deadline; the next use connects anew. Those who wait for a load are
told sooner (patience.py). Constraint violations pass through to the store that caused them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Any, Literal, Self, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import Pool, PoolConnectionProxy

from shared.errors import OperatorError, Unavailable
from shared.stores.at_hand import AtHand, is_closed
from shared.stores.patience import Answers

T = TypeVar("T")
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
PoolOrConnection: TypeAlias = "Postgres | Connection"
Isolation = Literal["read_committed", "repeatable_read", "serializable"]

_SERVER_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.OperatorInterventionError,  # starting up, shutting down, query cancelled
    asyncpg.ReadOnlySQLTransactionError,  # a failover left us on a replica
)
CANNOT_CONNECT = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    *(ValueError, OverflowError, LookupError),  # a DSN that cannot be read
)
_LINE_BROKEN = (
    OSError,
    TimeoutError,
    asyncio.CancelledError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # the server's last words were read, but not yet the line's end
)
_CLOSE_WITHIN_S = 1.0
_LEAST_S = 0.001  # what is left of a deadline that was waited away
# A prepared statement keeps its plan; which partitions matter is seen when it runs. Left to itself the server plans statements
# on partitioned tables anew for each use, which takes longer than to run them. A plan that is kept must not be one for a table
# that was small when it was made: every statement here finds its rows by a key, so that is how.
_PLAN_ONCE = {
    "plan_cache_mode": "force_generic_plan",
    **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"), "off"),
}


class Postgres:
    """A pool of connections.

    Units: deadline_s bounds one fetch or execute whole, and each command of a transaction.
    """

    def __init__(self, pool: "Pool[asyncpg.Record]", answers: Answers, *, deadline_s: float) -> None:
        self._pool = pool
        self._at_hand = AtHand(pool, most=pool.get_max_size())
        self._answers = answers
        self._deadline_s = deadline_s
        self.queries = 0
        self.failures = 0

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        min_size: int = 1,
        max_size: int = 10,
        pooler: bool = False,
        deadline_s: float = 0.8,
        name: str = "ringpost",
    ) -> Self:
        """Connect min_size times. pooler: pgbouncer stands between, so statements are not cached.

        Errors: OperatorError in one line, without credentials, when the server cannot be used.
        """
        answers = Answers()
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=min_size,
                max_size=max_size,
                timeout=deadline_s,
                command_timeout=deadline_s,
                statement_cache_size=0 if pooler else 200,
                reset=_keep_as_is,
                server_settings={"application_name": name} | ({} if pooler else _PLAN_ONCE),
            )
        except CANNOT_CONNECT as error:
            raise OperatorError(f"Postgres cannot be used: {told(error)}") from None
        return cls(pool, answers, deadline_s=deadline_s)

    async def close(self) -> None:
        """Let running commands end, at most for a moment, then close every connection."""
        try:
            async with asyncio.timeout(min(self._deadline_s, _CLOSE_WITHIN_S)):
                await self._at_hand.close()
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @property
    def size(self) -> int:
        """Connections open now."""
        return self._pool.get_size()

    @property
    def idle(self) -> int:
        """Connections open and not in use."""
        return self._pool.get_idle_size() + self._at_hand.idle

    def patience(self) -> AbstractAsyncContextManager[None]:
        """Around a wait for what another task loads: short while the server is silent. Errors: Unavailable."""
        return self._answers.patience()

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """All rows. Errors: Unavailable. Cost: one round trip."""
        return await self._once(PoolConnectionProxy.fetch, query, args=args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """The first row, None when there is none. Errors: Unavailable. Cost: one round trip."""
        return await self._once(PoolConnectionProxy.fetchrow, query, args=args)

    async def fetchval(self, query: str, *args: object) -> Any:
        """The first row's first column, None without a row. Errors: Unavailable. Cost: one round trip."""
        return await self._once(PoolConnectionProxy.fetchval, query, args=args)

    async def execute(self, query: str, *args: object) -> str:
        """Run one command; its tag, such as `UPDATE 1`. Errors: Unavailable. Cost: one round trip."""
        return await self._once(PoolConnectionProxy.execute, query, args=args)

    @asynccontextmanager
    async def transaction(
        self, *, isolation: Isolation = "read_committed", readonly: bool = False
    ) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Errors: Unavailable; at the commit it leaves open whether the server had applied it.
        Cost: two round trips besides the block's own.
        """
        async with self._borrowed() as connection:
            transaction = connection.transaction(isolation=isolation, readonly=readonly)
            await transaction.start()
            try:
                yield connection
            except BaseException as error:
                if not _line_is_broken(error, connection):
                    await transaction.rollback()
                raise
            await transaction.commit()

    async def _once(self, ask: Callable[..., Awaitable[T]], query: str, *, args: tuple[object, ...]) -> T:
        """One command. Not a context manager: two of those would cost a request more than its pool."""
        self.queries += 1
        left_s, connection = self._deadline_s, self._at_hand.pop()
        if connection is None:
            began_s = monotonic()
            connection = await self._take()
            left_s = max(_LEAST_S, left_s - (monotonic() - began_s))
        try:
            answer = await ask(connection, query, *args, timeout=left_s)
            self._answers.count += 1
            return answer
        except BaseException as error:
            self._note_fault(error, connection)
            raise
        finally:
            await self._at_hand.give(connection)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        self.queries += 1
        connection = await self._take()
        try:
            with self._answers.watch(connection):
                yield connection
        except BaseException as error:
            self._note_fault(error, connection)
            raise
        finally:
            await self._at_hand.give(connection)

    async def _take(self) -> Connection:
        try:
            return await self._at_hand.take(self._deadline_s)
        except (OSError, TimeoutError, *_SERVER_AWAY) as error:
            raise self._away() from error

    def _note_fault(self, error: BaseException, connection: Connection) -> None:
        """A line that broke is ended. Errors: Unavailable when the server is away."""
        if _line_is_broken(error, connection) and not is_closed(connection):
            connection.terminate()  # what is still on its way must not reach the next user
        if _says_away(error, connection):
            raise self._away() from error

    def _away(self) -> Unavailable:
        """What is raised when the server does not answer, counted."""
        self.failures += 1
        return Unavailable("postgres")


def told(error: Exception) -> str:
    """What went wrong, in one line that holds no credentials."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or "the connection was refused"
    if not isinstance(error, asyncpg.PostgresError):  # of the DSN: its text can hold a part of the password
        return "the DSN cannot be read: postgresql://user:password@host:port/database is expected"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _line_is_broken(error: BaseException, connection: Connection) -> bool:
    return isinstance(error, _LINE_BROKEN) or is_closed(connection)


def _says_away(error: BaseException, connection: Connection) -> bool:
    if isinstance(error, asyncpg.InterfaceError):
        return is_closed(connection)
    return isinstance(error, (OSError, TimeoutError, asyncpg.InternalClientError, *_SERVER_AWAY))


async def _keep_as_is(_connection: object) -> None:
    """No reset between uses: it would cost a round trip each, and no one leaves session state behind."""
