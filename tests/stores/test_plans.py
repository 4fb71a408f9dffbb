"""How a company and a plan are read from their rows."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from shared.domain.caps import Caps
from shared.domain.plan import (
    Buyer,
    Company,
    ConversionEntry,
    Criterion,
    Group,
    InboundNumber,
    ListIds,
    Plan,
    Publisher,
    Route,
)
from shared.domain.schedule import Block
from shared.stores.plans import load_company, load_plan
from shared.stores.postgres import Postgres
from tests.support.accounts import a_campaign, a_company, barrier_at, changed, insert, insert_bare
from tests.support.plans import rules


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(postgres_dsn, max_size=4, deadline_s=20)
    yield pool
    await pool.close()


async def loaded_company(postgres: Postgres, company_id: int) -> Company:
    company = await load_company(postgres, company_id)
    assert company is not None
    return company


async def loaded_plan(postgres: Postgres, company_id: int, campaign_id: int) -> Plan:
    plan = await load_plan(postgres, await loaded_company(postgres, company_id), campaign_id=campaign_id)
    assert plan is not None
    return plan


async def test_a_company_comes_with_what_its_campaigns_share(postgres: Postgres) -> None:
    company_id = await a_company(
        postgres,
        shard=9,
        time_zone="America/Chicago",
        list_buckets=128,
        features='{"real_time_bidding": false, "reuse_tags": true}',
    )
    other = await a_company(postgres)
    one = await insert(postgres, "publishers", company_id=company_id, afid="a")
    two = await insert(postgres, "publishers", company_id=company_id, afid="b", paused=True)
    await insert(postgres, "publishers", company_id=other, afid="c")
    campaign = await a_campaign(postgres, company_id, cid="camp")
    await a_campaign(postgres, other)
    number = f"+1800{company_id:07d}"
    await insert(postgres, "numbers", company_id=company_id, campaign_id=campaign, number=number)
    lists = {
        name: await insert(
            postgres, "caller_lists", company_id=company_id, level="company", entity_id=company_id, name=name
        )
        for name in ("suppressed_dnc", "accepted", "vip", "Suppressed2")
    }
    publishers = [Publisher(id=one, afid="a"), Publisher(id=two, afid="b", paused=True)]
    assert await loaded_company(postgres, company_id) == Company(
        id=company_id,
        shard=9,
        version=1,
        time_zone="America/Chicago",
        list_buckets=128,
        real_time_bidding=False,
        lists=ListIds(deny=(lists["suppressed_dnc"], lists["Suppressed2"]), admit=(lists["accepted"],)),
        publishers={publisher.afid: publisher for publisher in publishers},
        publishers_by_id={publisher.id: publisher for publisher in publishers},
        campaigns_by_cid={"camp": campaign},
        campaigns_by_number={number: campaign},
    )


async def test_a_bare_company_has_its_defaults(postgres: Postgres) -> None:
    company = await loaded_company(postgres, await a_company(postgres))
    assert (company.real_time_bidding, company.lists, company.publishers) == (True, ListIds(), {})
    assert company.time_zone == "America/New_York"


async def test_who_is_gone_is_none(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    foreign = await a_campaign(postgres, await a_company(postgres))
    company = await loaded_company(postgres, company_id)
    assert await load_company(postgres, 10**12) is None
    assert await load_plan(postgres, company, campaign_id=10**12) is None
    assert await load_plan(postgres, company, campaign_id=foreign) is None


async def test_a_bare_campaign_has_its_defaults(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id, cid="bare")
    assert await loaded_plan(postgres, company_id, campaign_id) == Plan(
        company=await loaded_company(postgres, company_id), version=1, campaign_id=campaign_id, cid="bare"
    )


async def test_a_campaign_comes_with_its_money_rules_and_lists(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(
        postgres,
        company_id,
        routing_mode="bid",
        paused=True,
        allow_loss=True,
        default_payout=Decimal("12.5"),
        default_revenue=Decimal(40),
        seconds=90,
        tags='["caller_state in NY,NJ", "age > 60"]',
    )
    list_id = await insert(
        postgres,
        "caller_lists",
        company_id=company_id,
        level="campaign",
        entity_id=campaign_id,
        name="accepted",
    )
    plan = await loaded_plan(postgres, company_id, campaign_id)
    assert (plan.by_bid, plan.paused, plan.allow_loss, plan.seconds) == (True, True, True, 90)
    assert (plan.default_payout, plan.default_revenue) == (Decimal("12.5"), Decimal(40))
    assert plan.rules == rules("caller_state in NY,NJ", "age > 60")
    assert plan.lists == ListIds(admit=(list_id,))


async def test_a_buyer_comes_whole(postgres: Postgres) -> None:
    company_id = await a_company(postgres, time_zone="America/Chicago")
    hours = (
        '[{"day_of_week": 1, "work_day": true, "time_open": 900, "time_close": 1700, "inverted": false},'
        ' {"day_of_week": 2, "inverted": true}]'
    )
    whole = await insert(
        postgres,
        "buyers",
        company_id=company_id,
        tid="whole",
        name="Whole",
        dba="Whole Inc",
        number="sip:a@b",
        priority=-2,
        weight=5,
        paused=True,
        time_zone="Asia/Tokyo",
        business_hours=hours,
        cap_concurrency=0,
        cap_hard=1,
        cap_hourly=2,
        cap_daily=3,
        cap_monthly=4,
        tags='["age > 60"]',
        bid='{"revenue": "25.50"}',
    )
    bare = await insert(postgres, "buyers", company_id=company_id, tid="bare", number="+1")
    asked = await insert(
        postgres,
        "buyers",
        company_id=company_id,
        tid="asked",
        number="[number]",
        tag_prefix="x_",
        bid='{"url": "https://x.example", "output_map": {"bid": "a[0]"}, "post": {"url": "https://x.example/p"}}',
    )
    denied = await insert(
        postgres, "caller_lists", company_id=company_id, level="buyer", entity_id=whole, name="suppressed"
    )
    campaign_id = await a_campaign(postgres, company_id)
    for position, buyer_id in enumerate((whole, bare, asked)):
        await insert_bare(
            postgres, "campaign_routes", campaign_id=campaign_id, position=position, buyer_id=buyer_id
        )
    buyers = (await loaded_plan(postgres, company_id, campaign_id)).buyers
    assert buyers[whole] == Buyer(
        id=whole,
        tid="whole",
        name="Whole",
        dba="Whole Inc",
        number="sip:a@b",
        priority=-2,
        weight=5,
        paused=True,
        time_zone="Asia/Tokyo",
        hours=(Block(day_of_week=1, time_open=900, time_close=1700), Block(day_of_week=2, inverted=True)),
        caps=Caps(concurrency=0, hard=1, hourly=2, daily=3, monthly=4),
        rules=rules("age > 60"),
        lists=ListIds(deny=(denied,)),
        bid_revenue=Decimal("25.50"),
    )
    assert buyers[bare] == Buyer(id=bare, tid="bare", number="+1", time_zone="America/Chicago")
    assert buyers[asked].bid_revenue is None
    asking = buyers[asked].asking
    assert asking is not None
    assert (asking.number_from, asking.tag_prefix) == ("number", "x_")
    assert asking.ping.outputs["bid"] == (("a", 0),)
    assert asking.post is not None
    assert asking.post.text.url == "https://x.example/p"


async def test_routes_keep_their_order_and_groups_bring_their_members(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    one, two, three = [
        await insert(postgres, "buyers", company_id=company_id, tid=tid, number="+1") for tid in "abc"
    ]
    group = await insert(
        postgres,
        "buyer_groups",
        company_id=company_id,
        name="all",
        behavior="simultaneously",
        priority=3,
        weight=4,
        paused=True,
        cap_daily=7,
    )
    for position, buyer_id in enumerate((three, one)):
        await insert_bare(
            postgres, "buyer_group_members", group_id=group, buyer_id=buyer_id, position=position
        )
    campaign_id = await a_campaign(postgres, company_id)
    routes = [Route(group_id=group, priority=9), Route(buyer_id=two, weight=8), Route(buyer_id=one)]
    for position, route in enumerate(routes):
        await insert_bare(
            postgres,
            "campaign_routes",
            campaign_id=campaign_id,
            position=position,
            buyer_id=route.buyer_id or None,
            group_id=route.group_id or None,
            priority=route.priority,
            weight=route.weight,
        )
    plan = await loaded_plan(postgres, company_id, campaign_id)
    assert plan.routes == tuple(routes)
    assert plan.groups == {
        group: Group(
            id=group,
            name="all",
            simultaneous=True,
            priority=3,
            weight=4,
            paused=True,
            caps=Caps(daily=7),
            members=(three, one),
        )
    }
    assert plan.buyers.keys() == {one, two, three}


async def test_criteria_come_in_eval_order(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    last = await insert(
        postgres,
        "conversion_criteria",
        company_id=company_id,
        campaign_id=campaign_id,
        name="last",
        kind="postback",
        side="payable",
        eval_order=2,
        conversions='[{"payout_modifier": "*0.8", "postback_timeout_seconds": 60}]',
    )
    first = await insert(
        postgres,
        "conversion_criteria",
        company_id=company_id,
        campaign_id=campaign_id,
        name="first",
        kind="timer",
        side="receivable",
        eval_order=1,
        tags='["age > 60"]',
        conversions='[{"seconds": 90, "revenue": "30.00", "payout": "20.1234"}, {"seconds": 120}]',
    )
    assert (await loaded_plan(postgres, company_id, campaign_id)).criteria == (
        Criterion(
            id=first,
            pays_publisher=False,
            bills_buyer=True,
            timer=True,
            rules=rules("age > 60"),
            entries=(
                ConversionEntry(seconds=90, revenue=Decimal("30.00"), payout=Decimal("20.1234")),
                ConversionEntry(seconds=120),
            ),
        ),
        Criterion(
            id=last,
            pays_publisher=True,
            bills_buyer=False,
            timer=False,
            entries=(ConversionEntry(payout_modifier="*0.8", postback_timeout_seconds=60),),
        ),
    )


async def test_numbers_come_in_the_order_of_their_making(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    publisher = await insert(postgres, "publishers", company_id=company_id, afid="a")
    later, earlier = f"+1801{company_id:07d}", f"+1800{company_id:07d}"
    row = {"company_id": company_id, "campaign_id": campaign_id}
    first = await insert(postgres, "numbers", **row, number=later, rtb_pool=True, tags='{"source": "tv"}')
    second = await insert(postgres, "numbers", **row, number=earlier, publisher_id=publisher)
    numbers = (await loaded_plan(postgres, company_id, campaign_id)).numbers
    assert list(numbers.values()) == [
        InboundNumber(id=first, number=later, rtb_pool=True, tags={"source": "tv"}),
        InboundNumber(id=second, number=earlier, publisher_id=publisher),
    ]


async def test_a_plan_is_of_one_moment(postgres: Postgres, postgres_dsn: str) -> None:
    """A change that is committed while it is being read is seen in no part of it."""
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    company = await loaded_company(postgres, company_id)
    async with barrier_at(postgres_dsn, "conversion_criteria") as barrier:
        loading = asyncio.ensure_future(load_plan(postgres, company, campaign_id=campaign_id))
        await barrier.reached()
        number = f"+1802{company_id:07d}"
        await insert(postgres, "numbers", company_id=company_id, campaign_id=campaign_id, number=number)
        await changed(postgres, company_id)
        await barrier.lift()
        plan = await loading
    assert plan is not None
    assert (plan.version, plan.numbers) == (1, {})
    plan = await loaded_plan(postgres, company_id, campaign_id)
    assert (plan.version, set(plan.numbers)) == (2, {number})


async def test_a_load_costs_one_use_of_the_pool(postgres: Postgres) -> None:
    company_id = await a_company(postgres)
    campaign_id = await a_campaign(postgres, company_id)
    company = await loaded_company(postgres, company_id)
    before = postgres.queries
    await load_plan(postgres, company, campaign_id=campaign_id)
    assert postgres.queries - before == 1
