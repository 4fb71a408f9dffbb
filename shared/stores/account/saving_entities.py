"""Publishers, buyers, buyer groups and directories, written to Postgres.

Owns the statements that write and delete them. Must never decide what changes.
"""

from collections.abc import Sequence

from shared.domain.account.entities import Buyer, BuyerGroup, Directory, Publisher
from shared.domain.account.steps import Step
from shared.domain.keys import Level
from shared.stores.account.parts import caps_columns, write_bid, write_json
from shared.stores.account.saving_ids import Ids, Writing

SAVE_PUBLISHER = """
INSERT INTO publishers (id, company_id, afid, first_name, last_name, company_name, paused)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, false))
ON CONFLICT (id) DO UPDATE SET first_name = $4, last_name = $5, company_name = $6,
    paused = coalesce($7, publishers.paused), updated_at = now()
"""


async def save_publishers(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed publishers."""
    publishers: list[Publisher] = [step.new for step in steps]
    rows = [
        (
            writing.ids.of(Level.PUBLISHER, each.afid),
            writing.ids.company_id,
            each.afid,
            each.first_name,
            each.last_name,
            each.company_name,
            each.paused,
        )
        for each in publishers
    ]
    await writing.connection.executemany(SAVE_PUBLISHER, rows)


SAVE_BUYER = """
INSERT INTO buyers (id, company_id, tid, name, dba, number, priority, weight, timeout_seconds, send_digits,
paused,
    time_zone, business_hours, cap_concurrency, cap_hard, cap_hourly, cap_daily, cap_monthly, tags,
    tag_prefix, bid)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11, false),
    $12, $13::jsonb, $14, $15, $16, $17, $18, $19::jsonb, $20, $21::jsonb)
ON CONFLICT (id) DO UPDATE SET name = $4, dba = $5, number = $6, priority = $7, weight = $8, timeout_seconds =
$9,
    send_digits = $10, paused = coalesce($11, buyers.paused), time_zone = $12, business_hours = $13::jsonb,
    cap_concurrency = $14, cap_hard = $15, cap_hourly = $16, cap_daily = $17, cap_monthly = $18,
    tags = $19::jsonb, tag_prefix = $20, bid = $21::jsonb, updated_at = now()
"""


async def save_buyers(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed buyers."""
    await writing.connection.executemany(SAVE_BUYER, [_buyer_row(writing.ids, step.new) for step in steps])


def _buyer_row(ids: Ids, buyer: Buyer) -> tuple[object, ...]:
    return (
        ids.of(Level.BUYER, buyer.tid),
        ids.company_id,
        buyer.tid,
        buyer.name,
        buyer.dba,
        buyer.number,
        buyer.priority,
        buyer.weight,
        buyer.timeout_seconds,
        buyer.send_digits,
        buyer.paused,
        buyer.time_zone,
        write_json(buyer.business_hours),
        *caps_columns(buyer.caps),
        write_json(ids.rules(buyer.tags)),
        buyer.tag_prefix,
        write_bid(buyer.bid, ids.rules),
    )


SAVE_GROUP = """
INSERT INTO buyer_groups (id, company_id, name, behavior, priority, weight, paused,
    cap_concurrency, cap_hard, cap_hourly, cap_daily, cap_monthly)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, false), $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE SET behavior = $4, priority = $5, weight = $6,
    paused = coalesce($7, buyer_groups.paused), cap_concurrency = $8, cap_hard = $9, cap_hourly = $10,
    cap_daily = $11, cap_monthly = $12, updated_at = now()
"""
CLEAR_MEMBERS = "DELETE FROM buyer_group_members WHERE group_id = ANY($1::bigint[])"
SAVE_MEMBER = "INSERT INTO buyer_group_members (group_id, buyer_id, position) VALUES ($1, $2, $3)"


async def save_groups(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed groups with their members."""
    groups: list[BuyerGroup] = [step.new for step in steps]
    by_id = {writing.ids.of(Level.BUYER_GROUP, each.name): each for each in groups}
    rows = [
        (
            group_id,
            writing.ids.company_id,
            each.name,
            each.behavior,
            each.priority,
            each.weight,
            each.paused,
            *caps_columns(each.caps),
        )
        for group_id, each in by_id.items()
    ]
    await writing.connection.executemany(SAVE_GROUP, rows)
    await writing.connection.execute(CLEAR_MEMBERS, list(by_id))
    members = [
        (group_id, writing.ids.of(Level.BUYER, tid), position)
        for group_id, each in by_id.items()
        for position, tid in enumerate(each.buyers)
    ]
    await writing.connection.executemany(SAVE_MEMBER, members)


SAVE_DIRECTORY = """
INSERT INTO directories (id, company_id, name) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3) ON CONFLICT (id) DO
NOTHING
"""
CLEAR_ENTRIES = "DELETE FROM directory_entries WHERE directory_id = $1 AND name <> ALL($2::text[])"
SAVE_ENTRY = """
INSERT INTO directory_entries (directory_id, name, number) VALUES ($1, $2, $3)
ON CONFLICT (directory_id, name) DO UPDATE SET number = excluded.number
"""


async def save_directories(writing: Writing, steps: Sequence[Step]) -> None:
    """New and changed directories; an entry keeps its id as long as it keeps its name."""
    directories: list[Directory] = [step.new for step in steps]
    for each in directories:
        directory_id = writing.ids.directories[each.name]
        await writing.connection.execute(SAVE_DIRECTORY, directory_id, writing.ids.company_id, each.name)
        await writing.connection.execute(CLEAR_ENTRIES, directory_id, [entry.name for entry in each.entries])
        entries = [(directory_id, entry.name, entry.number) for entry in each.entries]
        await writing.connection.executemany(SAVE_ENTRY, entries)


DELETE_PUBLISHERS = "DELETE FROM publishers WHERE id = ANY($1::bigint[])"


async def delete_publishers(writing: Writing, steps: Sequence[Step]) -> None:
    """Publishers that no number names any more."""
    await writing.connection.execute(
        DELETE_PUBLISHERS, [writing.ids.of(Level.PUBLISHER, step.name) for step in steps]
    )


DELETE_BUYERS = "DELETE FROM buyers WHERE id = ANY($1::bigint[])"


async def delete_buyers(writing: Writing, steps: Sequence[Step]) -> None:
    """Buyers that no group or campaign names any more."""
    await writing.connection.execute(
        DELETE_BUYERS, [writing.ids.of(Level.BUYER, step.name) for step in steps]
    )


DELETE_GROUPS = "DELETE FROM buyer_groups WHERE id = ANY($1::bigint[])"


async def delete_groups(writing: Writing, steps: Sequence[Step]) -> None:
    """Groups that no campaign names any more."""
    await writing.connection.execute(
        DELETE_GROUPS, [writing.ids.of(Level.BUYER_GROUP, step.name) for step in steps]
    )


DELETE_DIRECTORIES = "DELETE FROM directories WHERE id = ANY($1::bigint[])"


async def delete_directories(writing: Writing, steps: Sequence[Step]) -> None:
    """Directories with their entries."""
    await writing.connection.execute(
        DELETE_DIRECTORIES, [writing.ids.directories[step.name] for step in steps]
    )
