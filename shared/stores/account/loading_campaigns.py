"""Stored campaigns with what stands in them, as an account file would describe them.

Owns the queries that load the campaigns of a company. Must never write.
"""

from collections.abc import Iterable, Mapping, Sequence

from asyncpg import Record

from shared.domain.account.entities import Campaign, Criterion, Number, Routing, Row, Webhook
from shared.stores.account.parts import read_conversions, read_names, read_texts
from shared.stores.postgres import Connection

SELECT_CAMPAIGNS = """
SELECT id, cid, name, routing_mode, tags::text AS tags, dedupe_seconds, paused, allow_loss, no_target_message,
       fallback_number, sub_id, default_payout, default_revenue, seconds
FROM campaigns WHERE company_id = $1 ORDER BY id
"""


async def load_campaigns(connection: Connection, company_id: int) -> dict[int, Campaign]:
    """The campaigns by their internal ids. Cost: five queries."""
    rows = await connection.fetch(SELECT_CAMPAIGNS, company_id)
    routes = await _by_campaign(connection, SELECT_ROUTES, company_id=company_id)
    numbers = await _by_campaign(connection, SELECT_NUMBERS, company_id=company_id)
    criteria = await _by_campaign(connection, SELECT_CRITERIA, company_id=company_id)
    webhooks = await _by_campaign(connection, SELECT_WEBHOOKS, company_id=company_id)
    return {
        row["id"]: Campaign(
            cid=row["cid"],
            name=row["name"],
            routing=_routing(row["routing_mode"], routes.get(row["id"], ())),
            tags=read_texts(row["tags"]),
            dedupe_seconds=row["dedupe_seconds"],
            paused=row["paused"],
            allow_loss=row["allow_loss"],
            no_target_message=row["no_target_message"],
            fallback_number=row["fallback_number"],
            sub_id=row["sub_id"],
            default_payout=row["default_payout"],
            default_revenue=row["default_revenue"],
            seconds=row["seconds"],
            numbers=tuple(_number(each) for each in numbers.get(row["id"], ())),
            conversion_criteria=tuple(_criterion(each) for each in criteria.get(row["id"], ())),
            webhooks=tuple(_webhook(each) for each in webhooks.get(row["id"], ())),
        )
        for row in rows
    }


SELECT_ROUTES = """
SELECT r.campaign_id, r.priority, r.weight, b.tid, g.name AS group_name
FROM campaign_routes r JOIN campaigns c ON c.id = r.campaign_id
    LEFT JOIN buyers b ON b.id = r.buyer_id LEFT JOIN buyer_groups g ON g.id = r.group_id
WHERE c.company_id = $1 ORDER BY r.campaign_id, r.position
"""


def _routing(mode: str, routes: Iterable[Record]) -> Routing:
    rows = list(routes)
    return Routing(
        mode=mode,
        buyers=tuple(
            Row(tid=each["tid"], priority=each["priority"], weight=each["weight"])
            for each in rows
            if each["tid"] is not None
        ),
        groups=tuple(each["group_name"] for each in rows if each["group_name"] is not None),
    )


SELECT_NUMBERS = """
SELECT n.campaign_id, n.number, n.rtb_pool, n.tags::text AS tags, p.afid
FROM numbers n LEFT JOIN publishers p ON p.id = n.publisher_id WHERE n.company_id = $1 ORDER BY n.id
"""


def _number(row: Record) -> Number:
    return Number(
        number=row["number"], publisher=row["afid"], rtb_pool=row["rtb_pool"], tags=read_names(row["tags"])
    )


SELECT_CRITERIA = """
SELECT campaign_id, name, side, kind, tags::text AS tags, eval_order, dedupe_seconds,
       conversions::text AS conversions
FROM conversion_criteria WHERE company_id = $1 ORDER BY id
"""


def _criterion(row: Record) -> Criterion:
    return Criterion(
        name=row["name"],
        side=row["side"],
        kind=row["kind"],
        tags=read_texts(row["tags"]),
        eval_order=row["eval_order"],
        dedupe_seconds=row["dedupe_seconds"],
        conversions=read_conversions(row["conversions"]),
    )


SELECT_WEBHOOKS = """
SELECT campaign_id, name, trigger, url, method, headers::text AS headers, body, tags::text AS tags,
fire_order,
       dedupe_seconds
FROM webhooks WHERE company_id = $1 ORDER BY id
"""


def _webhook(row: Record) -> Webhook:
    return Webhook(
        name=row["name"],
        trigger=row["trigger"],
        url=row["url"],
        method=row["method"],
        headers=read_names(row["headers"]),
        body=row["body"],
        tags=read_texts(row["tags"]),
        fire_order=row["fire_order"],
        dedupe_seconds=row["dedupe_seconds"],
    )


async def _by_campaign(
    connection: Connection, query: str, *, company_id: int
) -> Mapping[int, Sequence[Record]]:
    found: dict[int, list[Record]] = {}
    for row in await connection.fetch(query, company_id):
        found.setdefault(row["campaign_id"], []).append(row)
    return found
