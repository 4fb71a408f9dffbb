"""Who holds a key that may, for services that ask Postgres: is what memory knows of it what a look found?

Owns the look at the key and the comparison with the config version that a look at an entity or a call found. Must never ask
Redis: these services go on without it.
"""

from msgspec import Struct

from shared.clock import Clock
from shared.dice import Dice
from shared.domain import uuid7
from shared.domain.call_books import Books
from shared.domain.keys import Key, Kind
from shared.domain.plan import Company, Plan
from shared.domain.routing.evaluation import Evaluation
from shared.errors import Unavailable
from shared.stores.key_uses import UseCounts
from shared.stores.keyring import AGAIN, Again, Denied, Keyring


class Holder(Struct, frozen=True, kw_only=True):
    """A key that may, and the config version that all that memory knows of its company is true for."""

    key: Key
    version: int


class KeyDesk:
    """Admits keys, and knows their company. Errors: Unavailable when the key, a plan or the config version cannot be read."""

    def __init__(
        self, keyring: Keyring[Plan] | Keyring[Evaluation], *, uses: UseCounts, clock: Clock, dice: Dice
    ) -> None:
        self.clock = clock
        self._keyring = keyring
        self._uses = uses
        self._dice = dice

    async def holder(self, token: str, kind: Kind, *, client: str) -> Holder | Denied | Again:
        """A key that may do this kind of thing. Cost: nothing when hot; a version read before a refusal."""
        key = await self._keyring.key(token, kind, client=client)
        if isinstance(key, Key):
            return Holder(key=key, version=self._keyring.config.version(key.company_id))
        return key

    def known(self, token: str) -> Key | None:
        """A key that is in memory, whatever it may do."""
        return self._keyring.known(token)

    async def is_current(self, holder: Holder, seen_version: int) -> bool:
        """Whether a key is what the company's row, at the moment of a look, says. Shape: 0 = the look did not tell."""
        if seen_version == 0:
            return await self._keyring.is_current(holder.key, holder.version)
        if seen_version <= holder.version:
            return True
        await self._keyring.config.refresh(holder.key.company_id)
        return False

    def used(self, key_id: int) -> None:
        """The key has been used once more. Shape: 0 = a call's own key, which nobody counts."""
        if key_id:
            self._uses.add(key_id, self.clock.now_ms())

    async def company(self, company_id: int) -> Company:
        """A key's company."""
        company = await self._keyring.config.company(company_id)
        if company is None:
            raise Unavailable("config")
        return company

    async def plan(self, company_id: int, campaign_id: int) -> Plan | Again:
        """A call's campaign. Cost: nothing when hot."""
        plan = self._keyring.config.known_plan(company_id, campaign_id)
        plan = plan or await self._keyring.config.plan(company_id, campaign_id)
        return plan.plan if plan is not None else AGAIN

    def books(self, plan: Plan) -> Books:
        """The books of a campaign's calls, at this moment."""
        return Books(plan, now_ms=self.clock.now_ms(), ids=lambda: self.new_id(plan.company.shard))

    def new_id(self, shard: int) -> str:
        """A uuid of now."""
        return uuid7.make(self.clock.now_ms(), shard, rand=self._dice.eight())
