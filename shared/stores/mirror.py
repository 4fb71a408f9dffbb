"""The hot mirror of committed cap places, as it is read from cap_fills and kept near to it.

Owns the reading of fills as mirror texts, and the script that assigns them without a company's turn: a mirror is only ever
assigned from a newer rev, so neither the order of writers nor a late one can matter. Must never count a place.

Failure policy: Redis away is Unavailable; a cold shard is left as it is, as its rebuild reads the same rows.
"""

import asyncio
from collections.abc import Mapping, Sequence

from asyncpg import Record

from shared.domain.caps import Fill, mirror_text
from shared.stores import redis_keys
from shared.stores.hot_company import parts
from shared.stores.postgres import Connection, Postgres
from shared.stores.prelude import FILLS, hot_script
from shared.stores.redis import Redis

MIRROR = hot_script(__file__, "mirror", FILLS)
_PAIRS = 500

FILL_COLUMNS = "subject, hour_at, hour_n, day_at, day_n, month_at, month_n, hard_n, live_n, rev"
LOAD_FILLS = f"""
SELECT {FILL_COLUMNS} FROM cap_fills WHERE company_id = $1 AND subject = ANY($2::text[])
"""  # noqa: S608 - the columns above


async def load_mirror(connection: Connection, company_id: int, *, subjects: Sequence[str]) -> dict[str, str]:
    """The mirror texts of some of a company's subjects; those without a row are left out."""
    rows = await connection.fetch(LOAD_FILLS, company_id, subjects)
    return {row["subject"]: text_of(row) for row in rows}


LOAD_ALL = f"""
SELECT company_id, {FILL_COLUMNS} FROM cap_fills WHERE company_id = ANY($1::bigint[])
"""  # noqa: S608 - the columns above


async def load_mirrors(connection: Connection, companies: Sequence[int]) -> list[tuple[int, str, str]]:
    """Every mirror text of these companies: company id, subject, text."""
    rows = await connection.fetch(LOAD_ALL, companies)
    return [(row["company_id"], row["subject"], text_of(row)) for row in rows]


LOAD_CHANGED = f"""
SELECT shard, {FILL_COLUMNS} FROM cap_fills JOIN companies ON companies.id = company_id
WHERE changed_at > now() - make_interval(secs => $1)
"""  # noqa: S608 - the columns above


async def refresh(postgres: Postgres, redis: Redis, *, within_s: float) -> int:
    """Assign the mirror of every place that changed lately; how many were behind.

    Errors: Unavailable. Cost: one query, and a script for each 500 rows of a shard.
    """
    by_shard: dict[int, dict[str, str]] = {}
    for row in await postgres.fetch(LOAD_CHANGED, within_s):
        by_shard.setdefault(row["shard"], {})[row["subject"]] = text_of(row)
    counts = await asyncio.gather(
        *(assign(redis, shard, mirror=mirror) for shard, mirror in by_shard.items())
    )
    return sum(counts)


async def assign(redis: Redis, shard: int, *, mirror: Mapping[str, str]) -> int:
    """Write mirror texts where they are newer; how many were, none on a cold shard."""
    assigned = 0
    for some in parts(mirror.items(), _PAIRS):
        args = (redis.run_id_of(shard), *(part for pair in some for part in pair))
        keys = (redis_keys.head(shard), redis_keys.fills(shard))
        reply = await redis.script(MIRROR, shard, keys=keys, args=args)
        assigned += int(reply[1]) if reply[0] == b"ok" else 0
    return assigned


def text_of(row: Record) -> str:
    """The mirror text of a row of FILL_COLUMNS."""
    return mirror_text(
        Fill(
            hour_at=row["hour_at"],
            hour_n=row["hour_n"],
            day_at=row["day_at"],
            day_n=row["day_n"],
            month_at=row["month_at"],
            month_n=row["month_n"],
            hard_n=row["hard_n"],
            live_n=row["live_n"],
            rev=row["rev"],
        )
    )
