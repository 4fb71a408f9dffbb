"""The desk that every request of the data service passes: whose key is this, and is what we know of it current?

Owns what is known of a key's company. Must never ask Redis: this service goes on without it.
"""

from msgspec import Struct

from services.data.rules.nouns import Refused
from shared.clock import Clock
from shared.dice import Dice
from shared.domain import uuid7
from shared.domain.call_books import Books
from shared.domain.calls import Call
from shared.domain.keys import Kind
from shared.domain.plan import Company, Plan
from shared.errors import Unavailable
from shared.stores.call_access import Access
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.key_uses import UseCounts
from shared.stores.keyring import AGAIN, Again, Denied, Keyring


class Try(Struct, frozen=True, kw_only=True):
    """One try of a request. Shape: client is from whom it came; access is its own once it has its turn."""

    client: str
    access: Access


class Overtaken(Again, frozen=True, kw_only=True):
    """Somebody else changed the call meanwhile."""

    call: Call


class Desk(KeyDesk):
    """Admits requests, and knows their company. Errors: Unavailable when the key, a plan or the version cannot be read."""

    def __init__(self, keyring: Keyring[Plan], *, uses: UseCounts, clock: Clock, dice: Dice) -> None:
        super().__init__(keyring, uses=uses, clock=clock)
        self._dice = dice

    async def admit(self, token: str, kind: Kind, *, client: str) -> Holder | Refused | Again:
        """A key that may do this kind of thing. Cost: nothing when hot; a version read before a refusal."""
        holder = await self.holder(token, kind, client=client)
        return Refused(reason=holder.reason, key_id=holder.key_id) if isinstance(holder, Denied) else holder

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
