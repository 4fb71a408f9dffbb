"""The data service as a process over stores of its own, and calls that are put there without a switch.

Owns the stores' connections, the process, and what is read back of them. Must never send a request of a case.
"""

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from shared.domain.call_events import CallOver, LegNews
from shared.domain.calls import Call, CallState
from shared.domain.keys import Level
from shared.stores.calls import find_call
from shared.stores.moments import moment
from shared.stores.placing import Written
from shared.stores.plans import load_company, load_plan
from tests.services.rtb.bench import Loop
from tests.support.account_store import AccountStore, opened
from tests.support.call_stage import KEYS, CallStage
from tests.support.conversions import SELECT_UNEQUAL, data_service
from tests.support.processes import ServiceProcess

_BEGAN_S = 60  # before its end, or before now
_ANSWERED_MS = 1_000  # after it was dialled


class Company:
    """The company of one case: its campaigns by cid, and its publishers' ids by afid."""

    def __init__(
        self, company_id: int, *, stages: Mapping[str, CallStage], publishers: Mapping[str, int]
    ) -> None:
        self.id = company_id
        self.stages = stages
        self.publishers = publishers


class Bench:
    """One data service, on one Postgres and one Redis."""

    def __init__(self, store: AccountStore, service: ServiceProcess, *, redis_url: str) -> None:
        self.store = store
        self.service = service
        self.redis_url = redis_url

    async def open_company(self, account: dict[str, Any]) -> Company:
        """Store an account, with a stage for each of its campaigns."""
        applied = await self.store.apply(account)
        loaded = await load_company(self.store.postgres, applied.company_id)
        assert loaded is not None
        now_ms = int(1000 * await self.store.postgres.fetchval("SELECT extract(epoch FROM now())"))
        ids = (await self.store.standing(account["company"]["name"])).ids
        stages = {}
        for campaign_id in ids[Level.CAMPAIGN].values():
            plan = await load_plan(self.store.postgres, loaded, campaign_id=campaign_id)
            assert plan is not None
            stages[plan.cid] = CallStage(self.store, plan, now_ms=now_ms)
        publishers = {each.afid: each.id for each in loaded.publishers_by_id.values()}
        return Company(applied.company_id, stages=stages, publishers=publishers)

    async def put(self, company: Company, told: dict[str, Any]) -> dict[str, str]:
        """Put a call there; what may be said of it.

        Shape: {"as": its name, "caller": E.164, "publisher": afid, "campaign": cid, "tags": {}, "buyer": tid of who was
        dialled, "answered": whether, "ended": how long ago (absent: it is live), "talk": seconds, "began": seconds before its
        end or now, "reservation": whether it claimed one}.
        """
        stage = company.stages[told.get("campaign", "auto")]
        now_ms = stage.now_ms
        over_ms = now_ms - told.get("ended", 0) * 1000
        stage.now_ms = over_ms - told.get("began", _BEGAN_S) * 1000
        try:
            call = stage.a_call(
                told["caller"],
                publisher_id=company.publishers[told["publisher"]] if "publisher" in told else 0,
            )
            come = await stage.open(call, **told.get("tags", {}))
            assert come is not None
            state = await _dialled(stage, come.change.state, told) if "buyer" in told else come.change.state
            stage.now_ms = over_ms
            if "ended" in told:
                await _ended(stage, state, told)
        finally:
            stage.now_ms = now_ms
        names = {"": call.uuid, ".key": KEYS.key_of(call.key_seed), ".start": str(call.started_ms // 1000)}
        if told.get("reservation"):
            names[".reservation"] = await self._reserved(call, uuid=stage.new_id(), at_ms=now_ms)
        return {told["as"] + ending: value for ending, value in names.items()}

    async def _reserved(self, call: Call, *, uuid: str, at_ms: int) -> str:
        await self.store.postgres.execute(
            INSERT_RESERVATION, call.company_id, moment(at_ms), uuid, call.uuid, call.campaign_id
        )
        return uuid

    async def later(self, company: Company, *, by_s: int) -> None:
        """Let a company's calls have ended that much longer ago."""
        await self.store.postgres.execute(AGE, company.id, by_s)

    async def tags(self, company: Company, uuid: str) -> Mapping[str, str]:
        """A call's tags."""
        found = await find_call(self.store.postgres, company.id, uuid=uuid)
        assert found is not None
        return found.state.tags

    async def call(self, company: Company, uuid: str) -> dict[str, Any]:
        """What cases say of a call."""
        ((revenue, payout, revision, publisher),) = await self.store.rows(SELECT_CALL, company.id, uuid)
        return {
            "money": [float(revenue), float(payout)],
            "revision": revision,
            "publisher": publisher,
        }

    async def stored(self, company: Company) -> dict[str, Mapping[str, str]]:
        """Tags that wait, by caller, or by `caller of publisher`."""
        rows = await self.store.rows(SELECT_STORED, company.id)
        return {whose: dict(zip(names, values, strict=True)) for whose, names, values in rows}

    async def log(self, company: Company) -> list[str]:
        """What posts were answered, sorted: of one millisecond none is known to be the first."""
        return sorted(answer for (answer,) in await self.store.rows(SELECT_LOG, company.id))

    async def webhooks(self, company: Company) -> int:
        """How many requests are owed to others."""
        ((number,),) = await self.store.rows(COUNT_WEBHOOKS, company.id)
        return int(number)

    async def sums_are_equal(self) -> bool:
        """Whether the figures of each call are the sum of its ledger."""
        return await self.store.rows(SELECT_UNEQUAL) == []


async def _dialled(stage: CallStage, state: CallState, told: dict[str, Any]) -> CallState:
    bid = stage.seat(told["buyer"]).buyer.bid_revenue
    placed = await stage.place(state, told["buyer"], bid=bid)
    assert isinstance(placed, Written)
    if not told.get("answered", True):
        return placed.state
    leg = placed.state.legs[0].uuid
    news = LegNews(leg_uuid=leg, news="answered", at_ms=stage.now_ms + _ANSWERED_MS)
    return await stage.report(placed.state, news)


async def _ended(stage: CallStage, state: CallState, told: dict[str, Any]) -> None:
    for leg in state.legs:
        news = "ended" if leg.answered_ms else "no_answer"
        talk_s = told.get("talk", 30) if leg.answered_ms else None
        report = LegNews(leg_uuid=leg.uuid, news=news, at_ms=stage.now_ms, connected_s=talk_s)
        state = await stage.report(state, report)
    await stage.report(state, CallOver(at_ms=stage.now_ms, hung_up_by="caller"))


INSERT_RESERVATION = """
INSERT INTO pings (company_id, created_at, uuid, call_uuid, campaign_id, key_id, status)
VALUES ($1, $2, $3, $4, $5, 0, 'claimed')
"""
AGE = "UPDATE calls SET ended_at = ended_at - make_interval(secs => $2) WHERE company_id = $1"
SELECT_CALL = """
SELECT c.revenue, c.payout, c.revision, p.afid FROM calls c LEFT JOIN publishers p ON p.id = c.publisher_id
WHERE c.company_id = $1 AND c.uuid = $2
"""
SELECT_STORED = """
SELECT s.caller || coalesce(' of ' || p.afid, ''),
       ARRAY(SELECT key FROM jsonb_each_text(s.tags)), ARRAY(SELECT value FROM jsonb_each_text(s.tags))
FROM stored_tags s LEFT JOIN publishers p ON p.id = s.publisher_id WHERE s.company_id = $1
"""
SELECT_LOG = "SELECT answer FROM postback_log WHERE company_id = $1"
COUNT_WEBHOOKS = "SELECT count(*) FROM outbox WHERE company_id = $1"


@contextmanager
def running_bench(loop: Loop, dsn: str, redis_url: str) -> Iterator[Bench]:
    """A bench whose Redis is warm."""
    stores = AsyncExitStack()
    store = loop.run(stores.enter_async_context(opened(dsn, redis_url)))
    try:
        loop.run(store.warm())
        with data_service(dsn, redis_url) as service:
            yield Bench(store, service, redis_url=redis_url)
    finally:
        loop.run(stores.aclose())
