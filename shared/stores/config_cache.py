"""The account in process memory: keys, companies and plans, never staler than Redis's config version allows.

Owns what is remembered and for how long. A request takes version(company) when it takes the key; a script refuses a
version older than Redis's, and refresh() then drops what config_changes names. Must never answer a refusal of its own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from shared.domain.keys import Key
from shared.domain.plan import Company, Plan
from shared.errors import Unavailable
from shared.stores.plans import load_company, load_plan
from shared.stores.postgres import Postgres

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

_RELOADS = 3


class Bounded(Generic[K, V]):
    """A memory of the most recently used."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._kept: OrderedDict[K, V] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def get(self, name: K) -> V | None:
        """What is kept under a name, None when nothing is."""
        found = self._kept.get(name)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(name)
        return found

    def put(self, name: K, value: V) -> None:
        """Keep it; the longest unused goes when there are too many."""
        self._kept[name] = value
        self._kept.move_to_end(name)
        if len(self._kept) > self._bound:
            self._kept.popitem(last=False)

    def drop(self, unwanted: Callable[[K, V], bool]) -> None:
        """Forget what is unwanted. Cost: O(kept)."""
        for name in [name for name, value in self._kept.items() if unwanted(name, value)]:
            del self._kept[name]


class SingleFlight(Generic[K, V]):
    """Equal loads at once become one. patience: bounds how long a caller waits for it."""

    def __init__(self, patience: Callable[[], AbstractAsyncContextManager[None]] = nullcontext) -> None:
        self._patience = patience
        self._under_way: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def run(self, name: K, load: Callable[[], Awaitable[V]]) -> V:
        """The load's outcome; a caller that gives up does not end it for the others."""
        task = self._under_way.get(name)
        if task is None:
            task = asyncio.ensure_future(_awaited(load))
            self._under_way[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        async with self._patience():
            return await asyncio.shield(task)

    def _ended(self, name: K, task: "asyncio.Task[V]") -> None:
        del self._under_way[name]
        if not task.cancelled():
            task.exception()  # every caller may have given up; the exception has been seen all the same

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)


async def _awaited(load: Callable[[], Awaitable[V]]) -> V:
    return await load()


class CompiledPlan(Generic[T]):
    """A plan, and what its service made of it."""

    __slots__ = ("compiled", "plan")

    def __init__(self, plan: Plan, compiled: T) -> None:
        self.plan = plan
        self.compiled = compiled


SELECT_CHANGES = """
SELECT version, scope, entity_id FROM config_changes WHERE company_id = $1 AND version > $2 ORDER BY version
"""
SELECT_VERSION = "SELECT config_version FROM companies WHERE id = $1"


class ConfigCache(Generic[T]):
    """What this process knows of accounts.

    Errors: Unavailable('postgres') when something must be read and cannot be.
    """

    def __init__(
        self, postgres: Postgres, compile_plan: Callable[[Plan], T], *, keys: int, plans: int
    ) -> None:
        self._postgres = postgres
        self._compile = compile_plan
        self.keys: Bounded[str, Key] = Bounded(keys)
        self.plans: Bounded[int, CompiledPlan[T]] = Bounded(plans)
        self._companies: Bounded[int, Company] = Bounded(plans)
        self._versions: dict[int, int] = {}
        self._flights: SingleFlight[tuple[str, int], object] = SingleFlight(postgres.patience)

    def version(self, company_id: int) -> int:
        """The config version up to which all that is kept of a company is true; 0 when nothing is."""
        return self._versions.get(company_id, 0)

    async def adopt_key(self, key: Key, token: str) -> bool:
        """Keep a key that was just read; False when it is older than what is known: read it again."""
        if not await self._adopt(key.company_id, key.version):
            return False
        self.keys.put(token, key)
        return True

    def known_company(self, company_id: int) -> Company | None:
        """One company, when it is in memory."""
        return self._companies.get(company_id)

    def known_plan(self, company_id: int, campaign_id: int) -> CompiledPlan[T] | None:
        """One campaign's plan, when it is in memory and the company's own."""
        found = self.plans.get(campaign_id)
        return found if found is not None and found.plan.company.id == company_id else None

    async def company(self, company_id: int) -> Company | None:
        """One company; None when it is gone."""
        found = self._companies.get(company_id)
        if found is not None:
            return found
        loaded = await self._flights.run(("company", company_id), lambda: self._load_company(company_id))
        assert loaded is None or isinstance(loaded, Company)
        return loaded

    async def plan(self, company_id: int, campaign_id: int) -> CompiledPlan[T] | None:
        """One campaign's plan, compiled; None when the company has no such campaign."""
        found = self.plans.get(campaign_id)
        if found is not None:
            return found if found.plan.company.id == company_id else None
        name = (f"plan of {company_id}", campaign_id)
        loaded = await self._flights.run(name, lambda: self._load_plan(company_id, campaign_id))
        assert loaded is None or isinstance(loaded, CompiledPlan)
        return loaded

    async def refresh(self, company_id: int) -> None:
        """Drop what has changed since the version kept. Cost: one query, single flight."""
        await self._flights.run(("refresh", company_id), lambda: self._refresh(company_id))

    async def close(self) -> None:
        """End loads that are under way."""
        await self._flights.close()

    async def _load_company(self, company_id: int) -> Company | None:
        for _ in range(_RELOADS):
            company = await load_company(self._postgres, company_id)
            if company is None:
                return None
            if await self._adopt(company_id, company.version):
                self._companies.put(company_id, company)
                return company
        raise Unavailable("postgres")

    async def _load_plan(self, company_id: int, campaign_id: int) -> CompiledPlan[T] | None:
        for _ in range(_RELOADS):
            company = await self.company(company_id)
            plan = (
                None if company is None else await load_plan(self._postgres, company, campaign_id=campaign_id)
            )
            if plan is None:
                return None
            if (
                await self._adopt(company_id, plan.version)
                and self._companies.get(company_id) is plan.company
            ):
                loaded = CompiledPlan(plan, self._compile(plan))
                self.plans.put(campaign_id, loaded)
                return loaded
        raise Unavailable("postgres")

    async def _adopt(self, company_id: int, version: int) -> bool:
        """Whether something read at a version may stand beside what is kept of the company."""
        if company_id not in self._versions:
            self._versions[company_id] = version
        if version > self._versions[company_id]:
            await self.refresh(company_id)
        return version >= self._versions[company_id]

    async def _refresh(self, company_id: int) -> None:
        known = self.version(company_id)
        async with self._postgres.transaction(isolation="repeatable_read", readonly=True) as connection:
            current = await connection.fetchval(SELECT_VERSION, company_id) or known
            rows = await connection.fetch(SELECT_CHANGES, company_id, known)
        by_scope: dict[str, set[int]] = {"company": set(), "campaign": set(), "key": set()}
        for row in rows:
            by_scope[row["scope"]].add(row["entity_id"])
        gap = len({row["version"] for row in rows}) < current - known
        whole = gap or bool(by_scope["company"])
        self.keys.drop(lambda _, key: key.company_id == company_id and (whole or key.id in by_scope["key"]))
        self.plans.drop(
            lambda campaign, kept: (
                kept.plan.company.id == company_id and (whole or campaign in by_scope["campaign"])
            )
        )
        self._companies.drop(lambda company, _: whole and company == company_id)
        self._versions[company_id] = max(current, known)
