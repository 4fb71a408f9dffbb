"""Calls that a buyer has answered, and a data service to post what they were worth.

Owns the account of the drills on conversions, and the sums that must be equal afterwards. Must never post anything.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

from shared.domain.call_events import LegNews
from shared.domain.calls import Call
from shared.stores.placing import Written
from tests.support.account_store import PEPPER
from tests.support.call_stage import CallStage, call_stage
from tests.support.processes import ServiceProcess, running_service

CONVERSION_KEY = "conversion-key-of-the-drills"
WRITING_KEY = "writing-key-of-the-drills"
READING_KEY = "reading-key-of-the-drills"
ACCOUNT: dict[str, Any] = {
    "company": {"name": "Drills"},
    "buyers": [{"tid": "one", "number": "+18005550111"}],
    "buyer_groups": [{"name": "All", "buyers": ["one"]}],
    "campaigns": [
        {
            "cid": "auto",
            "routing": {"buyers": [{"tid": "one"}]},
            "numbers": [{"number": "+18445550100"}],
            "conversion_criteria": [{"name": "sale", "kind": "postback", "payout_modifier": "*0.8"}],
            "webhooks": [{"name": "sold", "trigger": "converted", "url": "https://hooks.example.com/sold"}],
        }
    ],
    "postback_keys": [
        {"name": "post", "kind": "conversion", "on": {"buyer": "one"}, "token": CONVERSION_KEY},
        {"name": "write", "kind": "call_data_writing", "on": "company", "token": WRITING_KEY},
        {
            "name": "read",
            "kind": "data_sharing",
            "on": {"buyer_group": "All"},
            "tag_keys": ["zip"],
            "token": READING_KEY,
        },
    ],
}


class Conversions(CallStage):
    """Calls, and what is stored of their money."""

    async def answered(self, number: int) -> list[Call]:
        """So many live calls, each of a caller of its own."""
        return [await self._answered(f"+1212555{place:04d}") for place in range(number)]

    async def _answered(self, caller: str) -> Call:
        opened = await self.open(self.a_call(caller))
        assert opened is not None
        placed = await self.place(opened.change.state, "one")
        assert isinstance(placed, Written)
        news = LegNews(leg_uuid=placed.state.legs[0].uuid, news="answered", at_ms=self.now_ms)
        return (await self.report(placed.state, news)).call

    async def sums_are_equal(self) -> bool:
        """Whether the figures of each call are the sum of its ledger."""
        return await self.store.rows(SELECT_UNEQUAL) == []

    async def revenue(self) -> Decimal:
        """Of all calls."""
        (row,) = await self.store.rows("SELECT coalesce(sum(revenue), 0) FROM calls")
        return Decimal(row[0])

    async def worth(self) -> Mapping[str, Decimal]:
        """Revenue by call."""
        rows = await self.store.rows("SELECT uuid::text, revenue FROM calls")
        return {row[0]: row[1] for row in rows}


SELECT_UNEQUAL = """
SELECT c.uuid, c.revenue, c.payout FROM calls c
LEFT JOIN ledger l ON l.company_id = c.company_id AND l.call_started_at = c.started_at AND l.call_uuid = c.uuid
GROUP BY c.started_at, c.uuid
HAVING c.revenue <> coalesce(sum(l.revenue_change), 0) OR c.payout <> coalesce(sum(l.payout_change), 0)
"""


@asynccontextmanager
async def conversions(dsn: str, redis_url: str, **fields: object) -> AsyncIterator[Conversions]:
    """The account, stored. Shape: fields change its campaign."""
    (campaign,) = ACCOUNT["campaigns"]
    async with call_stage(dsn, redis_url, {**ACCOUNT, "campaigns": [{**campaign, **fields}]}) as stage:
        yield Conversions(stage.store, stage.plan, now_ms=stage.now_ms)


@contextmanager
def data_service(dsn: str, redis_url: str) -> Iterator[ServiceProcess]:
    """The data service on these stores."""
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
    }
    with running_service("data", environment) as service:
        yield service


def post_to(call: Call, value: object) -> str:
    """The target of a conversion."""
    return f"/postbacks/{CONVERSION_KEY}?call_uuid={call.uuid}&value={value}"
