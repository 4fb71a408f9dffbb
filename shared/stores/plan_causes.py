"""What a call of a campaign can cause: money by its criteria, requests by its webhooks.

Owns their loading into the plan's Structs. Must never cache. Writes nothing.
"""

import msgspec

from shared.domain.plan import ConversionEntry, Criterion
from shared.domain.tags import Rule, read_rule
from shared.domain.webhooks import Webhook
from shared.stores.postgres import Connection

_texts = msgspec.json.Decoder(list[str]).decode
_entries = msgspec.json.Decoder(tuple[ConversionEntry, ...]).decode
_names = msgspec.json.Decoder(dict[str, str]).decode

SELECT_CRITERIA = """
SELECT id, side, kind, dedupe_seconds, tags::text AS tags, conversions::text AS conversions
FROM conversion_criteria WHERE campaign_id = $1 ORDER BY eval_order, id
"""


async def load_criteria(connection: Connection, campaign_id: int) -> tuple[Criterion, ...]:
    """A campaign's criteria groups, in eval_order."""
    return tuple(
        Criterion(
            id=row["id"],
            pays_publisher=row["side"] != "receivable",
            bills_buyer=row["side"] != "payable",
            timer=row["kind"] == "timer",
            rules=read_rules(row["tags"]),
            entries=_entries(row["conversions"]),
            dedupe_seconds=row["dedupe_seconds"],
        )
        for row in await connection.fetch(SELECT_CRITERIA, campaign_id)
    )


SELECT_WEBHOOKS = """
SELECT id, name, trigger, url, method, headers::text AS headers, body, tags::text AS tags, fire_order, dedupe_seconds
FROM webhooks WHERE campaign_id = $1 ORDER BY fire_order, id
"""


async def load_webhooks(connection: Connection, campaign_id: int) -> tuple[Webhook, ...]:
    """A campaign's webhooks, in fire_order."""
    return tuple(
        Webhook(
            id=row["id"],
            name=row["name"],
            trigger=row["trigger"],
            url=row["url"],
            method=row["method"],
            headers=_names(row["headers"]),
            body=row["body"],
            rules=read_rules(row["tags"]),
            fire_order=row["fire_order"],
            dedupe_seconds=row["dedupe_seconds"],
        )
        for row in await connection.fetch(SELECT_WEBHOOKS, campaign_id)
    )


def read_rules(text: str) -> tuple[Rule, ...]:
    """Rules as they are stored: a JSON list of texts."""
    return tuple(read_rule(rule) for rule in _texts(text))
