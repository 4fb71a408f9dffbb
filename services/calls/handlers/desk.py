"""What all beats of a call need: the stores, the account in memory, the clock, the dice.

Owns the loading of a call with its plan, never staler than Postgres was when the call was read. Must never decide.
"""

from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from shared.clock import Clock
from shared.dice import Dice
from shared.domain import uuid7
from shared.domain.call_books import Books
from shared.domain.calls import CallState
from shared.domain.ping_log import PingRow
from shared.domain.plan import Company
from shared.domain.routing.evaluation import Evaluation
from shared.errors import Unavailable
from shared.pools import Pools
from shared.stores.calls import Found, find_call, load_legs
from shared.stores.config_cache import ConfigCache
from shared.stores.events import Streams
from shared.stores.pings import find_ping
from shared.stores.stream_tail import find_waiting
from shared.stores.versions import PostgresVersions

ATTEMPTS = 8


class Scene(Struct, frozen=True, kw_only=True):
    """A call as it stands, and its campaign."""

    state: CallState
    evaluation: Evaluation


class Desk:
    """Loads scenes. Errors: Unavailable when Postgres is away, or config changes faster than it can be read."""

    def __init__(self, pools: Pools, config: ConfigCache[Evaluation], *, dice: Dice) -> None:
        self.pools = pools
        self.config = config
        self.clock: Clock = pools.clock
        self._dice = dice
        self._versions = PostgresVersions(pools.postgres)
        self._streams = Streams(pools.redis)

    def new_id(self, shard: int) -> str:
        """A uuid of now."""
        return uuid7.make(self.clock.now_ms(), shard, rand=self._dice.eight())

    def books(self, evaluation: Evaluation) -> Books:
        """The books of a campaign's calls, at this moment."""
        plan = evaluation.plan
        return Books(plan, now_ms=self.clock.now_ms(), ids=lambda: self.new_id(plan.company.shard))

    async def scene(self, company_id: int, call_uuid: str) -> Scene | None:
        """A call with its legs, and its plan; None when the company has no such call. Cost: two queries when all is hot."""
        for _ in range(ATTEMPTS):
            found = await find_call(self.pools.postgres, company_id, uuid=call_uuid)
            if found is None:
                return None
            evaluation = await self._evaluation(found)
            if evaluation is not None:
                legs = await load_legs(self.pools.postgres, found.state.call)
                return Scene(state=replace(found.state, legs=legs), evaluation=evaluation)
        raise Unavailable("config")

    async def current_company(self, company_id: int) -> Company | None:
        """A company as it stands now; None when it is gone. Cost: one query when all is hot."""
        for _ in range(ATTEMPTS):
            company = await self.config.company(company_id)
            version = await self._versions.current(company_id, shard=0)
            if company is None or self.config.version(company_id) >= version:
                return company
            await self.config.refresh(company_id)
        raise Unavailable("config")

    async def find_ping(self, uuid: str) -> PingRow | None:
        """A ping, in the log or still on its way there. Cost: one look-up, and a look at the stream."""
        ping = await find_ping(self.pools.postgres, uuid)
        if ping is None and uuid7.is_uuid7(uuid):
            with suppress(Unavailable):
                ping = await find_waiting(self._streams, uuid)
        return ping

    async def _evaluation(self, found: Found) -> Evaluation | None:
        call = found.state.call
        if self.config.version(call.company_id) < found.version:
            await self.config.refresh(call.company_id)
        plan = await self.config.plan(call.company_id, call.campaign_id)
        if plan is None or self.config.version(call.company_id) < found.version:
            return None
        return plan.compiled
