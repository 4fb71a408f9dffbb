"""The stores as operator commands use them: patiently, and closed when the command ends.

Owns their opening from the environment. Must never keep one open beyond a command.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from deploy.local.cluster_file import POSTGRES_DSN, REDIS_URL
from ringpost.operator_settings import required
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.redis_link import Limits

_PATIENT = Limits(deadline_ms=3_000, silence_ms=5_000, waiting=4_096)


@asynccontextmanager
async def open_postgres(environ: Mapping[str, str]) -> AsyncIterator[Postgres]:
    """Errors: OperatorError when it is not configured or does not answer."""
    postgres = await Postgres.open(
        required(environ, POSTGRES_DSN), min_size=1, max_size=4, deadline_s=15.0, name="ringpost-cli"
    )
    try:
        yield postgres
    finally:
        await postgres.close()


@asynccontextmanager
async def open_redis(environ: Mapping[str, str]) -> AsyncIterator[Redis]:
    """Errors: OperatorError when it is not configured or does not answer."""
    redis = await Redis.open(required(environ, REDIS_URL), limits=_PATIENT)
    try:
        yield redis
    finally:
        await redis.close()
