"""Where a service reads the config version that is in force.

Owns both places: Redis, for what answers without Postgres, and Postgres, for what goes on without Redis. Must never cache.
"""

from typing import Protocol

from shared.errors import Unavailable
from shared.stores import redis_keys
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis


class Versions(Protocol):
    """A place to read config versions from."""

    async def current(self, company_id: int, *, shard: int) -> int:
        """A company's config version now. Errors: Unavailable. Cost: one round trip."""


class RedisVersions:
    """As the shard's head has it. Failure policy: away or cold is Unavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def current(self, company_id: int, *, shard: int) -> int:
        """See Versions; 0 when no version was ever told."""
        head = redis_keys.head(shard)
        epoch, version = await self._redis.command(shard, "HMGET", head, "epoch", f"v:{company_id}")
        if epoch is None or epoch.decode() != self._redis.run_id_of(shard):
            raise Unavailable("redis")
        return int(version or 0)


SELECT_VERSION = "SELECT config_version FROM companies WHERE id = $1"


class PostgresVersions:
    """As the company's own row has it. Failure policy: away is Unavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def current(self, company_id: int, *, shard: int) -> int:
        """See Versions; 0 when the company is gone."""
        return int(await self._postgres.fetchval(SELECT_VERSION, company_id) or 0)
