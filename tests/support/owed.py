"""Rows of the outbox as the cause of a webhook writes them.

Owns the insertion for tests. Must never make a payload by hand: firings_of does.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from asyncpg import Record

from shared.clock import Clock
from shared.domain import uuid7
from shared.domain.webhooks import Facts, Firing, Webhook, firings_of
from shared.stores.postgres import Postgres

_chance = count(1)
_webhooks = count(1)
CALLER = "+13105551212"
FACTS = Facts(
    call_uuid="0199c0de-0000-7000-8000-000000000001",
    key_seed="0199c0de-0000-7000-8000-000000000002",
    caller=CALLER,
    called_number="+18445550100",
    publisher_id="pub_a",
    campaign_id="auto",
    duration_s=95,
    revenue=Decimal("25.5"),
    payout=Decimal("12.3449"),
    tags={"age": "42", "note": 'two\r\nlines & "quotes"'},
)


def new_id() -> str:
    """A uuid of now that no other test has."""
    return uuid7.make(Clock().now_ms(), 0, rand=next(_chance).to_bytes(8, "big"))


def a_webhook(url: str, **changes: Any) -> Webhook:
    """A webhook of the trigger end."""
    number = next(_webhooks)
    return Webhook(**{"id": number, "name": f"hook {number}", "trigger": "end", "url": url, **changes})


def fired(*webhooks: Webhook, event_id: str = "", facts: Facts = FACTS) -> tuple[Firing, ...]:
    """What one event fires."""
    return firings_of(
        webhooks, webhooks[0].trigger, facts=facts, tags={}, event_id=event_id or new_id(), ids=new_id
    )


INSERT = """
INSERT INTO outbox (id, company_id, event_id, webhook_id, fire_order, host, trigger, caller, payload, next_at)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::int[], $6::text[], $7::text[], $8::text[],
    $9::jsonb[], $10::timestamptz[])
"""
NEXT_AT = "SELECT now() + make_interval(secs => $1)"


async def owe(
    postgres: Postgres, firings: Sequence[Firing], *, company_id: int = 1, in_s: float = 0.0
) -> list[str]:
    """Put them into the outbox, due after a time; their ids."""
    at = await postgres.fetchval(NEXT_AT, in_s)
    columns = zip(
        *(
            (
                *(each.id, company_id, each.event_id, each.webhook_id, each.fire_order, each.host),
                *(each.trigger, each.caller or None, each.payload.decode(), at),
            )
            for each in firings
        ),
        strict=True,
    )
    await postgres.execute(INSERT, *columns)
    return [each.id for each in firings]


SELECT_ROWS = """
SELECT id::text AS id, status, attempts, last_status, last_error, leased_until, finished_at, next_at,
       extract(epoch FROM next_at - now())::float8 AS in_s
FROM outbox
"""


async def rows(postgres: Postgres) -> Mapping[str, Record]:
    """The outbox by id."""
    return {row["id"]: row for row in await postgres.fetch(SELECT_ROWS)}


async def row(postgres: Postgres, row_id: str) -> Record:
    """One of them."""
    return (await rows(postgres))[row_id]


MAKE_DUE = """
UPDATE outbox SET next_at = now() WHERE status = 'waiting' AND (id = ANY($1::uuid[]) OR cardinality($1::uuid[]) = 0)
"""
LAPSE = "UPDATE outbox SET leased_until = now() WHERE leased_until IS NOT NULL"


async def make_due(postgres: Postgres, *ids: str) -> None:
    """As if the pauses had passed, of these or of all."""
    await postgres.execute(MAKE_DUE, ids)


async def let_leases_run_out(postgres: Postgres) -> None:
    """As if whoever holds them had died half a minute ago."""
    await postgres.execute(LAPSE)
