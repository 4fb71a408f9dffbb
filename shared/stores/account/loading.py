"""A stored account, as its file would describe it.

Owns the queries that load a company whole. Must never write, nor read a token.
"""

from collections.abc import Mapping, Sequence

import msgspec
from asyncpg import Record

from shared.domain.account.entities import (
    Account,
    Buyer,
    BuyerGroup,
    CallerList,
    Company,
    Directory,
    Entry,
    Publisher,
)
from shared.domain.account.postback_keys import THE_COMPANY
from shared.domain.account.settling import rewritten
from shared.domain.account.standing import NOTHING, ListName, Standing
from shared.domain.keys import Features, Level
from shared.stores.account.loading_campaigns import load_campaigns
from shared.stores.account.loading_keys import load_postback_keys
from shared.stores.account.parts import read_bid, read_blocks, read_caps, read_texts
from shared.stores.postgres import Connection

_features = msgspec.json.Decoder(Features).decode

SELECT_COMPANY = """
SELECT id, name, time_zone, currency, features::text AS features, shard, api_key_hmac FROM companies WHERE
name = $1
"""


async def load_standing(connection: Connection, name: str) -> Standing:
    """A company by its name; NOTHING when there is none such. Cost: a dozen queries."""
    row = await connection.fetchrow(SELECT_COMPANY, name)
    if row is None:
        return NOTHING
    company_id: int = row["id"]
    publishers = await connection.fetch(SELECT_PUBLISHERS, company_id)
    buyers = await connection.fetch(SELECT_BUYERS, company_id)
    groups = await connection.fetch(SELECT_GROUPS, company_id)
    campaigns = await load_campaigns(connection, company_id)
    directories, directory_ids = await _directories(connection, company_id)
    ids: dict[Level, Mapping[str, int]] = {
        Level.COMPANY: {THE_COMPANY: company_id},
        Level.PUBLISHER: {each["afid"]: each["id"] for each in publishers},
        Level.BUYER: {each["tid"]: each["id"] for each in buyers},
        Level.BUYER_GROUP: {each["name"]: each["id"] for each in groups},
        Level.CAMPAIGN: {each.cid: key for key, each in campaigns.items()},
    }
    names = {level: {key: each for each, key in known.items()} for level, known in ids.items()}
    keys = await load_postback_keys(
        connection, company_id, names=names, directories={each: name for name, each in directory_ids.items()}
    )
    lists = await _Lists.load(connection, company_id, names=names)
    account = Account(
        company=_company(row, lists.of(Level.COMPANY, THE_COMPANY)),
        publishers=tuple(_publisher(each) for each in publishers),
        buyers=tuple(_buyer(each, lists.of(Level.BUYER, each["tid"])) for each in buyers),
        buyer_groups=tuple(_group(each) for each in groups),
        campaigns=tuple(
            msgspec.structs.replace(each, caller_lists=lists.of(Level.CAMPAIGN, each.cid))
            for each in campaigns.values()
        ),
        directories=directories,
        postback_keys=tuple(each.key for each in keys.values()),
    )
    standing = Standing(
        company_id=company_id,
        shard=row["shard"],
        ids=ids,
        directory_ids=directory_ids,
        list_ids=lists.ids,
        full_lists=lists.full,
        key_ids={name: each.id for name, each in keys.items()},
        digests={name: each.digest for name, each in keys.items()},
        api_key_digest=row["api_key_hmac"] or b"",
    )
    named = rewritten(account, lambda level, internal: standing.name_of(level, internal) or internal)
    return msgspec.structs.replace(standing, account=named)


def _company(row: Record, lists: tuple[CallerList, ...]) -> Company:
    return Company(
        name=row["name"],
        time_zone=row["time_zone"],
        currency=row["currency"],
        features=_features(row["features"]),
        shard=row["shard"],
        caller_lists=lists,
    )


SELECT_PUBLISHERS = """
SELECT id, afid, first_name, last_name, company_name, paused FROM publishers WHERE company_id = $1 ORDER BY id
"""


def _publisher(row: Record) -> Publisher:
    return Publisher(
        afid=row["afid"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        company_name=row["company_name"],
        paused=row["paused"],
    )


SELECT_BUYERS = """
SELECT id, tid, name, dba, number, priority, weight, timeout_seconds, send_digits, paused, time_zone,
       business_hours::text AS business_hours, cap_concurrency, cap_hard, cap_hourly, cap_daily, cap_monthly,
       tags::text AS tags, tag_prefix, bid::text AS bid
FROM buyers WHERE company_id = $1 ORDER BY id
"""


def _buyer(row: Record, lists: tuple[CallerList, ...]) -> Buyer:
    return Buyer(
        tid=row["tid"],
        name=row["name"],
        dba=row["dba"],
        number=row["number"],
        priority=row["priority"],
        weight=row["weight"],
        timeout_seconds=row["timeout_seconds"],
        send_digits=row["send_digits"],
        paused=row["paused"],
        time_zone=row["time_zone"],
        business_hours=read_blocks(row["business_hours"]),
        caps=read_caps(row),
        tags=read_texts(row["tags"]),
        tag_prefix=row["tag_prefix"],
        caller_lists=lists,
        bid=read_bid(row["bid"]),
    )


SELECT_GROUPS = """
SELECT g.id, g.name, g.behavior, g.priority, g.weight, g.paused,
       g.cap_concurrency, g.cap_hard, g.cap_hourly, g.cap_daily, g.cap_monthly,
       array(SELECT b.tid FROM buyer_group_members m JOIN buyers b ON b.id = m.buyer_id
             WHERE m.group_id = g.id ORDER BY m.position) AS buyers
FROM buyer_groups g WHERE g.company_id = $1 ORDER BY g.id
"""


def _group(row: Record) -> BuyerGroup:
    return BuyerGroup(
        name=row["name"],
        buyers=tuple(row["buyers"]),
        behavior=row["behavior"],
        caps=read_caps(row),
        priority=row["priority"],
        weight=row["weight"],
        paused=row["paused"],
    )


SELECT_DIRECTORIES = "SELECT id, name FROM directories WHERE company_id = $1 ORDER BY id"
SELECT_ENTRIES = """
SELECT e.directory_id, e.name, e.number
FROM directory_entries e JOIN directories d ON d.id = e.directory_id WHERE d.company_id = $1 ORDER BY e.id
"""


async def _directories(
    connection: Connection, company_id: int
) -> tuple[tuple[Directory, ...], dict[str, int]]:
    rows = await connection.fetch(SELECT_DIRECTORIES, company_id)
    entries: dict[int, list[Entry]] = {row["id"]: [] for row in rows}
    for each in await connection.fetch(SELECT_ENTRIES, company_id):
        entries[each["directory_id"]].append(Entry(name=each["name"], number=each["number"]))
    directories = tuple(Directory(name=row["name"], entries=tuple(entries[row["id"]])) for row in rows)
    return directories, {row["name"]: row["id"] for row in rows}


SELECT_LISTS = """
SELECT l.id, l.level, l.entity_id, l.name, l.expires_after_seconds,
       EXISTS (SELECT FROM caller_list_numbers n WHERE n.generation_id = l.generation_id) AS holds
FROM caller_lists l WHERE l.company_id = $1 ORDER BY l.id
"""


class _Lists:
    """A company's caller lists, without their numbers."""

    def __init__(self, rows: Sequence[Record], names: Mapping[Level, Mapping[int, str]]) -> None:
        self.ids: dict[ListName, int] = {}
        self._lists: dict[tuple[Level, str], list[CallerList]] = {}
        full = set()
        for row in rows:
            level = Level(row["level"])
            entity = names[level].get(row["entity_id"], "")
            self.ids[level, entity, row["name"]] = row["id"]
            if row["holds"]:
                full.add((level, entity, row["name"]))
            found = CallerList(name=row["name"], expires_after_seconds=row["expires_after_seconds"])
            self._lists.setdefault((level, entity), []).append(found)
        self.full = frozenset(full)

    @classmethod
    async def load(
        cls, connection: Connection, company_id: int, *, names: Mapping[Level, Mapping[int, str]]
    ) -> "_Lists":
        """All of them."""
        return cls(await connection.fetch(SELECT_LISTS, company_id), names)

    def of(self, level: Level, entity: str) -> tuple[CallerList, ...]:
        """Those of one entity."""
        return tuple(self._lists.get((level, entity), ()))
