"""Campaigns with their routing, numbers, criteria and webhooks, written to Postgres.

Owns the statements that write and delete them. Must never decide what changes.
"""

from collections.abc import Sequence

from shared.domain.account.entities import Campaign, Criterion, Number, Webhook
from shared.domain.account.steps import Step
from shared.domain.keys import Level
from shared.errors import OperatorError
from shared.stores.account.parts import write_conversions, write_json
from shared.stores.account.saving_ids import Ids, Writing

SAVE_CAMPAIGN = """
INSERT INTO campaigns (id, company_id, cid, name, routing_mode, tags, dedupe_seconds, paused, allow_loss,
    no_target_message, fallback_number, sub_id, default_payout, default_revenue, seconds)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, coalesce($8, false), $9, $10, $11, $12,
$13, $14, $15) ON CONFLICT (id) DO UPDATE SET name = $4, routing_mode = $5, tags = $6::jsonb, dedupe_seconds =
$7,
    paused = coalesce($8, campaigns.paused), allow_loss = $9, no_target_message = $10, fallback_number = $11,
    sub_id = $12, default_payout = $13, default_revenue = $14, seconds = $15, updated_at = now()
"""
CLEAR_ROUTES = "DELETE FROM campaign_routes WHERE campaign_id = ANY($1::bigint[])"
SAVE_ROUTE = """
INSERT INTO campaign_routes (campaign_id, position, buyer_id, group_id, priority, weight)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def save_campaigns(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed campaigns with their routing."""
    campaigns: list[Campaign] = [step.new for step in steps]
    await writing.connection.executemany(
        SAVE_CAMPAIGN, [_campaign_row(writing.ids, each) for each in campaigns]
    )
    by_id = {writing.ids.of(Level.CAMPAIGN, each.cid): each for each in campaigns}
    await writing.connection.execute(CLEAR_ROUTES, list(by_id))
    routes = [
        row for campaign_id, each in by_id.items() for row in _routes(writing.ids, campaign_id, campaign=each)
    ]
    await writing.connection.executemany(SAVE_ROUTE, routes)


def _campaign_row(ids: Ids, campaign: Campaign) -> tuple[object, ...]:
    return (
        ids.of(Level.CAMPAIGN, campaign.cid),
        ids.company_id,
        campaign.cid,
        campaign.name,
        campaign.routing.mode,
        write_json(ids.rules(campaign.tags)),
        campaign.dedupe_seconds,
        campaign.paused,
        campaign.allow_loss,
        campaign.no_target_message,
        campaign.fallback_number,
        campaign.sub_id,
        campaign.default_payout,
        campaign.default_revenue,
        campaign.seconds,
    )


def _routes(ids: Ids, campaign_id: int, *, campaign: Campaign) -> list[tuple[int | None, ...]]:
    rows: list[tuple[int | None, ...]] = []
    for row in campaign.routing.buyers:
        rows.append((campaign_id, len(rows), ids.of(Level.BUYER, row.tid), None, row.priority, row.weight))
    for name in campaign.routing.groups:
        rows.append((campaign_id, len(rows), None, ids.of(Level.BUYER_GROUP, name), None, None))
    return rows


SAVE_NUMBER = """
INSERT INTO numbers (company_id, campaign_id, number, publisher_id, rtb_pool, tags)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (number) DO UPDATE SET campaign_id = $2, publisher_id = $4, rtb_pool = $5, tags = $6::jsonb
WHERE numbers.company_id = $1
"""


COUNT_OWN = "SELECT count(*) FROM numbers WHERE company_id = $1 AND number = ANY($2::text[])"


async def save_numbers(writing: Writing, steps: Sequence[Step]) -> None:
    """New, changed and moved numbers."""
    rows = []
    for step in steps:
        number: Number = step.new
        publisher_id = writing.ids.of(Level.PUBLISHER, number.publisher) if number.publisher else None
        campaign_id = writing.ids.of(Level.CAMPAIGN, step.home[0])
        tags = write_json(number.tags)
        rows.append((writing.ids.company_id, campaign_id, number.number, publisher_id, number.rtb_pool, tags))
    await writing.connection.executemany(SAVE_NUMBER, rows)
    if await writing.connection.fetchval(
        COUNT_OWN, writing.ids.company_id, [step.name for step in steps]
    ) < len(steps):
        raise OperatorError("another company took one of these numbers meanwhile")


SAVE_CRITERION = """
INSERT INTO conversion_criteria
    (company_id, campaign_id, name, side, kind, tags, eval_order, dedupe_seconds, conversions)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9::jsonb)
ON CONFLICT (campaign_id, name) DO UPDATE SET side = $4, kind = $5, tags = $6::jsonb, eval_order = $7,
    dedupe_seconds = $8, conversions = $9::jsonb
"""


async def save_criteria(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed conversion criteria."""
    rows = []
    for step in steps:
        each: Criterion = step.new
        rows.append(
            (
                writing.ids.company_id,
                writing.ids.of(Level.CAMPAIGN, step.home[0]),
                each.name,
                each.side,
                each.kind,
                write_json(writing.ids.rules(each.tags)),
                each.eval_order,
                each.dedupe_seconds,
                write_conversions(each.conversions),
            )
        )
    await writing.connection.executemany(SAVE_CRITERION, rows)


SAVE_WEBHOOK = """
INSERT INTO webhooks
    (company_id, campaign_id, name, trigger, url, method, headers, body, tags, fire_order, dedupe_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9::jsonb, $10, $11)
ON CONFLICT (campaign_id, name) DO UPDATE SET trigger = $4, url = $5, method = $6, headers = $7::jsonb, body =
$8,
    tags = $9::jsonb, fire_order = $10, dedupe_seconds = $11
"""


async def save_webhooks(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed webhooks."""
    rows = []
    for step in steps:
        each: Webhook = step.new
        rows.append(
            (
                writing.ids.company_id,
                writing.ids.of(Level.CAMPAIGN, step.home[0]),
                each.name,
                each.trigger,
                each.url,
                each.method,
                write_json(each.headers),
                each.body,
                write_json(writing.ids.rules(each.tags)),
                each.fire_order,
                each.dedupe_seconds,
            )
        )
    await writing.connection.executemany(SAVE_WEBHOOK, rows)


DELETE_CAMPAIGN = "DELETE FROM campaigns WHERE id = $1"


async def delete_campaigns(writing: Writing, steps: Sequence[Step]) -> None:
    """Campaigns, with their routing and what else still stands in them."""
    gone = [(writing.ids.of(Level.CAMPAIGN, step.name),) for step in steps]
    await writing.connection.executemany(DELETE_CAMPAIGN, gone)


DELETE_NUMBER = "DELETE FROM numbers WHERE company_id = $1 AND number = $2"


async def delete_numbers(writing: Writing, steps: Sequence[Step]) -> None:
    """Tracked numbers."""
    await writing.connection.executemany(
        DELETE_NUMBER, [(writing.ids.company_id, step.name) for step in steps]
    )


DELETE_CRITERION = "DELETE FROM conversion_criteria WHERE campaign_id = $1 AND name = $2"


async def delete_criteria(writing: Writing, steps: Sequence[Step]) -> None:
    """Conversion criteria."""
    gone = [(writing.ids.of(Level.CAMPAIGN, step.home[0]), step.name) for step in steps]
    await writing.connection.executemany(DELETE_CRITERION, gone)


DELETE_WEBHOOK = "DELETE FROM webhooks WHERE campaign_id = $1 AND name = $2"


async def delete_webhooks(writing: Writing, steps: Sequence[Step]) -> None:
    """Webhooks."""
    gone = [(writing.ids.of(Level.CAMPAIGN, step.home[0]), step.name) for step in steps]
    await writing.connection.executemany(DELETE_WEBHOOK, gone)
