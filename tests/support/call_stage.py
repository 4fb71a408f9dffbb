"""A call in a stored account, moved by hand: for tests of what is written of calls, without a switch or a service.

Owns the opening of one campaign's books at a time that the test sets. Must never start an engine.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count

from msgspec.structs import replace

from shared.domain import uuid7
from shared.domain.call_books import Books
from shared.domain.call_events import Report, after
from shared.domain.call_keys import CallKeys
from shared.domain.calls import Call, CallState
from shared.domain.keys import Level
from shared.domain.plan import Plan
from shared.domain.routing.evaluation import Evaluation
from shared.domain.routing.seats import Seat
from shared.stores.call_opening import Came, Opened, open_call
from shared.stores.calls import find_call, load_legs
from shared.stores.placing import Full, Moved, NewLeg, Written, place_leg, save_report
from shared.stores.plans import load_company, load_plan
from tests.support.account_store import PEPPER, AccountStore, opened
from tests.support.account_trees import Tree

KEYS = CallKeys(PEPPER.encode())
_draws = count(1)


class CallStage:
    """One campaign and its calls. now_ms is the test's to set."""

    def __init__(self, store: AccountStore, plan: Plan, *, now_ms: int) -> None:
        self.store = store
        self.plan = plan
        self.evaluation = Evaluation(plan)
        self.now_ms = now_ms

    @property
    def books(self) -> Books:
        """The books of now."""
        return Books(self.plan, now_ms=self.now_ms, ids=self.new_id)

    def new_id(self) -> str:
        """A uuid of now."""
        rand = next(_draws).to_bytes(8, "big")
        return uuid7.make(self.now_ms, self.plan.company.shard, rand=rand)

    def seat(self, tid: str) -> Seat:
        """A buyer's first seat."""
        return next(seat for seat in self.evaluation.compiled.seats if seat.buyer.tid == tid)

    def a_call(self, caller: str = "+12125551212", **fields: object) -> Call:
        """A call that is not stored yet."""
        uuid = self.new_id()
        call = Call(
            uuid=uuid,
            company_id=self.plan.company.id,
            started_ms=self.now_ms,
            provider="generic/1",
            provider_call_id=uuid,
            caller=caller,
            number=next(iter(self.plan.numbers), ""),
            campaign_id=self.plan.campaign_id,
        )
        return replace(call, **fields)

    async def open(self, call: Call, **tags: str) -> Opened | None:
        """Store a call."""
        came = Came(call=call, number_tags=tags)
        return await open_call(self.store.postgres, came, hmac_of=KEYS.hmac_of, books=self.books)

    async def place(
        self, state: CallState, tid: str, *, bid: Decimal | None = None
    ) -> Written | Full | Moved:
        """Dial a buyer."""
        new = NewLeg(uuid=self.new_id(), seat=self.seat(tid), bid=bid, at_ms=self.now_ms)
        return await place_leg(self.store.postgres, state, plan=self.plan, books=self.books, new=new)

    async def report(self, state: CallState, report: Report) -> CallState:
        """Keep a report; the call as it is then."""
        written = await save_report(
            self.store.postgres, state, after=after(state, report), plan=self.plan, books=self.books
        )
        assert isinstance(written, Written)
        return written.state

    async def load(self, uuid: str) -> CallState:
        """A call as it is stored."""
        found = await find_call(self.store.postgres, self.plan.company.id, uuid=uuid)
        assert found is not None
        return replace(found.state, legs=await load_legs(self.store.postgres, found.state.call))


@asynccontextmanager
async def call_stage(dsn: str, redis_url: str, tree: Tree) -> AsyncIterator[CallStage]:
    """The tree's account, stored, with its first campaign."""
    async with opened(dsn, redis_url) as store:
        applied = await store.apply(tree)
        company = await load_company(store.postgres, applied.company_id)
        assert company is not None
        standing = await store.standing(tree["company"]["name"])
        campaign_id = next(iter(standing.ids[Level.CAMPAIGN].values()))
        plan = await load_plan(store.postgres, company, campaign_id=campaign_id)
        assert plan is not None
        now_ms = int(1000 * await store.postgres.fetchval("SELECT extract(epoch FROM now())"))
        yield CallStage(store, plan, now_ms=now_ms)
