"""A stored account on real engines, for tests of what is written and of what Redis then holds.

Owns the opening of both stores for one test. Must never start an engine.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from shared.domain.account.reading import read_account
from shared.domain.account.standing import Standing
from shared.domain.lists import bucket_of
from shared.stores import hot_sync, redis_keys
from shared.stores.account.applying import AccountError, Applied, Order, apply_account, plan_account
from shared.stores.account.bid_templates import load_bid_templates
from shared.stores.account.loading import load_standing
from shared.stores.keys import Vault
from shared.stores.postgres import Postgres
from shared.stores.redis import SHARDS, Redis
from shared.stores.redis_link import Limits
from shared.stores.sealing import Sealer
from tests.support.account_trees import Tree

PEPPER = "pepper-of-the-tests"
ENCRYPTION_KEY = "key-encryption-key-of-the-tests-0123456789"
VAULT = Vault(pepper=PEPPER.encode(), sealer=Sealer([ENCRYPTION_KEY]))
_PATIENT = Limits(deadline_ms=2_000, silence_ms=4_000, waiting=4_096)


class AccountStore:
    """Postgres and a Redis whose shards serve."""

    def __init__(self, dsn: str, postgres: Postgres, redis: Redis) -> None:
        self.dsn = dsn
        self.postgres = postgres
        self.redis = redis

    async def apply(self, tree: Tree, *, prune: bool = False, vault: Vault = VAULT) -> Applied:
        """Make the stored account as a tree says."""
        return await apply_account(self.postgres, vault, order=order_of(tree, prune=prune))

    async def plan(self, tree: Tree, *, prune: bool = False) -> list[str]:
        """The lines of a plan."""
        planned = await plan_account(self.postgres, VAULT, order=order_of(tree, prune=prune))
        return [step.line() for step in planned.steps]

    async def problems(self, tree: Tree, *, prune: bool = False) -> dict[str, str]:
        """Why a tree is refused, by path; empty when it was applied."""
        try:
            await self.apply(tree, prune=prune)
        except AccountError as refused:
            return {each.path: each.text for each in refused.problems}
        return {}

    async def standing(self, name: str = "Acme") -> Standing:
        """The stored account."""
        async with self.postgres.transaction(readonly=True) as connection:
            return await load_standing(connection, name)

    async def sync(self, company_id: int) -> int:
        """Write what is owed to Redis."""
        return await hot_sync.apply(self.postgres, self.redis, company_id=company_id)

    async def warm(self) -> None:
        """Make every shard serve, as a rebuild would."""
        for shard in range(SHARDS):
            key = redis_keys.head(shard)
            await self.redis.command(shard, "HSET", key, "epoch", self.redis.run_id_of(shard))

    async def head(self, shard: int) -> dict[str, str]:
        """A shard's head."""
        return await self.hash(shard, redis_keys.head(shard))

    async def hash(self, shard: int, key: str) -> dict[str, str]:
        """One hash."""
        flat = [part.decode() for part in await self.redis.command(shard, "HGETALL", key)]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def lists_of(self, company_id: int, number: str) -> set[int]:
        """The lists on which Redis says a caller stands, as the scripts read it."""
        row = await self.postgres.fetchrow(SELECT_HOME, company_id)
        assert row is not None
        shard, buckets = row["shard"], row["list_buckets"]
        bucket, field = bucket_of(number, buckets)
        key = redis_keys.bucket(shard, company_id, buckets=buckets, number=bucket)
        generations = (await self.hash(shard, key)).get(field, "")
        head = await self.head(shard)
        names = (head.get(f"g:{generation}", "") for generation in generations.split(","))
        return {int(name) for name in names if name}

    async def rows(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        """Rows as tuples."""
        return [tuple(row) for row in await self.postgres.fetch(query, *args)]

    async def version(self, company_id: int = 1) -> int:
        """The config version in Postgres."""
        version: int = await self.postgres.fetchval(SELECT_VERSION, company_id)
        return version

    async def changes(self, company_id: int, after: int) -> set[tuple[str, int]]:
        """What must be loaded anew since a version."""
        return {(row[0], row[1]) for row in await self.rows(SELECT_CHANGES, company_id, after)}


SELECT_HOME = "SELECT shard, list_buckets FROM companies WHERE id = $1"
SELECT_VERSION = "SELECT config_version FROM companies WHERE id = $1"
SELECT_CHANGES = "SELECT scope, entity_id FROM config_changes WHERE company_id = $1 AND version > $2"


def order_of(tree: object, *, prune: bool = False) -> Order:
    """What apply is given."""
    account, problems = read_account(tree, load_bid_templates())
    return Order(account=account, problems=tuple(problems), actor="operator:tests", prune=prune)


@asynccontextmanager
async def opened(dsn: str, redis_url: str, scripts: Sequence[Any] = ()) -> AsyncIterator[AccountStore]:
    """Both stores, closed at the end."""
    postgres = await Postgres.open(dsn, max_size=4, deadline_s=10.0, name="tests")
    redis = await Redis.open(redis_url, scripts=scripts, limits=_PATIENT)
    try:
        yield AccountStore(dsn, postgres, redis)
    finally:
        await redis.close()
        await postgres.close()
