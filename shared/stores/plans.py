"""How a company and a campaign's plan are read from Postgres.

Owns the loading of shared/domain/plan.py's Structs, in one snapshot with the config version they are true for.
Must never cache: shared/stores/config_cache.py does. Writes nothing.
"""

import msgspec
from asyncpg import Record

from shared.domain.asks import compile_bid
from shared.domain.lists import Effect, effect_of
from shared.domain.plan import (
    Buyer,
    Company,
    Group,
    InboundNumber,
    ListIds,
    Plan,
    Publisher,
    Route,
)
from shared.domain.schedule import Block
from shared.stores.account.parts import read_bid, read_caps
from shared.stores.plan_causes import load_criteria, load_webhooks, read_rules
from shared.stores.postgres import Connection, Postgres

_blocks = msgspec.json.Decoder(tuple[Block, ...]).decode
_names = msgspec.json.Decoder(dict[str, str]).decode
_features = msgspec.json.Decoder(dict[str, bool]).decode

SELECT_COMPANY = """
SELECT id, shard, config_version, time_zone, list_buckets, features::text AS features FROM companies WHERE id = $1
"""
SELECT_PUBLISHERS = "SELECT id, afid, paused FROM publishers WHERE company_id = $1"
SELECT_CIDS = "SELECT id, cid FROM campaigns WHERE company_id = $1"
SELECT_NUMBER_CAMPAIGNS = "SELECT number, campaign_id FROM numbers WHERE company_id = $1"


async def load_company(postgres: Postgres, company_id: int) -> Company | None:
    """One company with what its campaigns share; None when it is gone. Cost: one snapshot, five queries."""
    async with postgres.transaction(isolation="repeatable_read", readonly=True) as connection:
        row = await connection.fetchrow(SELECT_COMPANY, company_id)
        if row is None:
            return None
        publishers = [
            Publisher(id=found["id"], afid=found["afid"], paused=found["paused"])
            for found in await connection.fetch(SELECT_PUBLISHERS, company_id)
        ]
        cids = await connection.fetch(SELECT_CIDS, company_id)
        numbers = await connection.fetch(SELECT_NUMBER_CAMPAIGNS, company_id)
        lists = await _lists(connection, "company", ids=[company_id])
    features = _features(row["features"])
    return Company(
        id=row["id"],
        shard=row["shard"],
        version=row["config_version"],
        time_zone=row["time_zone"],
        list_buckets=row["list_buckets"],
        real_time_bidding=features.get("real_time_bidding", True),
        reuse_tags=features.get("reuse_tags", True),
        lists=lists.get(company_id, ListIds()),
        publishers={publisher.afid: publisher for publisher in publishers},
        publishers_by_id={publisher.id: publisher for publisher in publishers},
        campaigns_by_cid={found["cid"]: found["id"] for found in cids},
        campaigns_by_number={found["number"]: found["campaign_id"] for found in numbers},
    )


SELECT_CAMPAIGN = """
SELECT id, cid, routing_mode, paused, allow_loss, default_payout, default_revenue, seconds, tags::text AS tags,
       dedupe_seconds, no_target_message, fallback_number
FROM campaigns WHERE id = $1 AND company_id = $2
"""
SELECT_VERSION = "SELECT config_version FROM companies WHERE id = $1"
SELECT_NUMBERS = """
SELECT id, number, rtb_pool, publisher_id, tags::text AS tags FROM numbers WHERE campaign_id = $1 ORDER BY id
"""


async def load_plan(postgres: Postgres, company: Company, *, campaign_id: int) -> Plan | None:
    """One campaign of the company with all it is judged by; None when it has none such.

    Shape: version is the config version of this snapshot; it may be newer than the company's. Cost: one snapshot.
    """
    async with postgres.transaction(isolation="repeatable_read", readonly=True) as connection:
        row = await connection.fetchrow(SELECT_CAMPAIGN, campaign_id, company.id)
        if row is None:
            return None
        version = await connection.fetchval(SELECT_VERSION, company.id)
        routes = await _routes(connection, campaign_id)
        groups = await _groups(connection, [route.group_id for route in routes if route.group_id])
        wanted = {route.buyer_id for route in routes if route.buyer_id}
        wanted.update(member for group in groups.values() for member in group.members)
        buyers = await _buyers(connection, sorted(wanted), zone=company.time_zone)
        criteria = await load_criteria(connection, campaign_id)
        webhooks = await load_webhooks(connection, campaign_id)
        lists = await _lists(connection, "campaign", ids=[campaign_id])
        numbers = await connection.fetch(SELECT_NUMBERS, campaign_id)
    return Plan(
        company=company,
        version=version,
        campaign_id=row["id"],
        cid=row["cid"],
        by_bid=row["routing_mode"] == "bid",
        paused=row["paused"],
        allow_loss=row["allow_loss"],
        default_payout=row["default_payout"],
        default_revenue=row["default_revenue"],
        seconds=row["seconds"],
        rules=read_rules(row["tags"]),
        lists=lists.get(campaign_id, ListIds()),
        routes=routes,
        buyers=buyers,
        groups=groups,
        criteria=criteria,
        numbers={found["number"]: _number(found) for found in numbers},
        webhooks=webhooks,
        dedupe_seconds=row["dedupe_seconds"],
        no_target_message=row["no_target_message"],
        fallback_number=row["fallback_number"] or "",
    )


SELECT_ROUTES = """
SELECT buyer_id, group_id, priority, weight FROM campaign_routes WHERE campaign_id = $1 ORDER BY position
"""


async def _routes(connection: Connection, campaign_id: int) -> tuple[Route, ...]:
    return tuple(
        Route(
            buyer_id=row["buyer_id"] or 0,
            group_id=row["group_id"] or 0,
            priority=row["priority"],
            weight=row["weight"],
        )
        for row in await connection.fetch(SELECT_ROUTES, campaign_id)
    )


SELECT_GROUPS = """
SELECT g.id, g.name, g.behavior, g.priority, g.weight, g.paused,
       g.cap_concurrency, g.cap_hard, g.cap_hourly, g.cap_daily, g.cap_monthly,
       array(SELECT m.buyer_id FROM buyer_group_members m WHERE m.group_id = g.id ORDER BY m.position) AS members
FROM buyer_groups g WHERE g.id = ANY($1::bigint[])
"""


async def _groups(connection: Connection, ids: list[int]) -> dict[int, Group]:
    return {
        row["id"]: Group(
            id=row["id"],
            name=row["name"],
            simultaneous=row["behavior"] == "simultaneously",
            priority=row["priority"],
            weight=row["weight"],
            paused=row["paused"],
            caps=read_caps(row),
            members=tuple(row["members"]),
        )
        for row in (await connection.fetch(SELECT_GROUPS, ids) if ids else [])
    }


SELECT_BUYERS = """
SELECT id, tid, name, dba, number, priority, weight, paused, time_zone, business_hours::text AS business_hours,
       cap_concurrency, cap_hard, cap_hourly, cap_daily, cap_monthly, tags::text AS tags, bid::text AS bid,
       tag_prefix, timeout_seconds, send_digits
FROM buyers WHERE id = ANY($1::bigint[])
"""


async def _buyers(connection: Connection, ids: list[int], *, zone: str) -> dict[int, Buyer]:
    lists = await _lists(connection, "buyer", ids=ids)
    return {
        row["id"]: _buyer(row, lists.get(row["id"], ListIds()), zone=zone)
        for row in await connection.fetch(SELECT_BUYERS, ids)
    }


def _buyer(row: Record, lists: ListIds, *, zone: str) -> Buyer:
    bid = read_bid(row["bid"])
    return Buyer(
        id=row["id"],
        tid=row["tid"],
        name=row["name"],
        dba=row["dba"],
        number=row["number"],
        priority=row["priority"],
        weight=row["weight"],
        paused=row["paused"],
        time_zone=row["time_zone"] or zone,
        hours=_blocks(row["business_hours"]),
        caps=read_caps(row),
        rules=read_rules(row["tags"]),
        lists=lists,
        bid_revenue=None if bid is None else bid.revenue,
        asking=compile_bid(bid, number=row["number"], tag_prefix=row["tag_prefix"]),
        timeout_seconds=row["timeout_seconds"],
        send_digits=row["send_digits"],
    )


SELECT_LISTS = """
SELECT entity_id, id, name FROM caller_lists WHERE level = $1 AND entity_id = ANY($2::bigint[]) ORDER BY id
"""


async def _lists(connection: Connection, level: str, *, ids: list[int]) -> dict[int, ListIds]:
    """The lists in effect of each entity of a level."""
    deny: dict[int, list[int]] = {}
    admit: dict[int, list[int]] = {}
    for row in await connection.fetch(SELECT_LISTS, level, ids):
        effect = effect_of(row["name"])
        if effect is not Effect.NONE:
            of_entity = deny if effect is Effect.DENY else admit
            of_entity.setdefault(row["entity_id"], []).append(row["id"])
    return {
        entity: ListIds(deny=tuple(deny.get(entity, ())), admit=tuple(admit.get(entity, ())))
        for entity in deny.keys() | admit.keys()
    }


def _number(row: Record) -> InboundNumber:
    return InboundNumber(
        id=row["id"],
        number=row["number"],
        rtb_pool=row["rtb_pool"],
        publisher_id=row["publisher_id"] or 0,
        tags=_names(row["tags"]),
    )
