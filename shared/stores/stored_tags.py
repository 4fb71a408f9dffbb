"""Tags written before their call: kept for the caller, put on the next call, and used up by it.

Owns the table stored_tags. Must never talk to Redis: each change notes in hot_sync, in its own statement, what is
owed there.

The rules:
- a row is one caller's and one writer's: a publisher's, or (publisher 0) the company's;
- rev is drawn from one sequence while the row is locked, so it grows with each change of a row: the hot copy is assigned where
  it is newer, in any order (tags.lua);
- what a call has used up stays as an empty row until the tags would have run out, so that no late writer and no older Redis can
  bring them back. The expiry of a row never moves back.
"""

from collections.abc import Mapping, Sequence

import msgspec
from asyncpg import Record
from msgspec import Struct

from shared.stores.calls import Fetches
from shared.stores.moments import moment
from shared.stores.postgres import Connection, Postgres

MOST_TAGS = 100
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class HotTags(Struct, frozen=True, kw_only=True):
    """One row as a caller's hash holds it.

    Shape: text is `rev|expires_ms|json`; an empty row is over at once, and only there for its rev.
    Units: until_ms, how long the hash must know it, unix milliseconds.
    """

    text: str
    until_ms: int


class CallerTags(Struct, frozen=True, kw_only=True):
    """One row, with whose it is."""

    company_id: int
    caller: str
    publisher_id: int
    hot: HotTags


class Writing(Struct, frozen=True, kw_only=True):
    """Tags for a caller's next call.

    Shape: publisher_id 0 = the company's; reuse: they are not used up. Units: seconds that they are kept.
    """

    company_id: int
    caller: str
    publisher_id: int = 0
    key_id: int
    tags: Mapping[str, str]
    reuse: bool = False
    seconds: int = 86_400

    @property
    def name(self) -> tuple[str, ...]:
        """Two writings of one name are never kept by one statement."""
        return str(self.company_id), self.caller


class Kept(Struct, frozen=True, kw_only=True):
    """What Redis is owed of one caller: rows by publisher, and the note that says so (0 = nothing is owed)."""

    hot: Mapping[int, HotTags] = {}
    note_id: int = 0


class Used(Struct, frozen=True, kw_only=True):
    """The tags of a new call, and what Redis is owed of those that are used up."""

    tags: Mapping[str, str] = {}
    hot: Mapping[int, HotTags] = {}
    note_id: int = 0


_UNTIL_MS = "(extract(epoch FROM expires_at) * 1000)::bigint"
_HOT = f"""publisher_id, {_UNTIL_MS} AS until_ms,
    format('%s|%s|%s', rev, CASE WHEN tags = '{{}}' THEN 0 ELSE {_UNTIL_MS} END, tags) AS text"""
# Of a caller's tags the newest stay: those of this writing, then as many of the earlier ones as there is room for.
KEEP = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::text::json) AS r
        (company_id bigint, caller text, publisher_id bigint, key_id bigint, tags jsonb, reuse boolean, seconds integer)
), kept AS (
    INSERT INTO stored_tags AS stored (company_id, caller, publisher_id, tags, keep, key_id, expires_at)
    SELECT company_id, caller, publisher_id, tags, reuse, key_id, now() + make_interval(secs => seconds) FROM asked
    ON CONFLICT (company_id, caller, publisher_id) DO UPDATE SET
        tags = (
            SELECT coalesce(jsonb_object_agg(name, value), '{{}}') FROM (
                SELECT key AS name, value, 0 AS age FROM jsonb_each(excluded.tags)
                UNION ALL
                SELECT key, value, 1 FROM jsonb_each(stored.tags)
                WHERE stored.expires_at > now() AND NOT excluded.tags ? key
                ORDER BY age, name LIMIT {MOST_TAGS}
            ) AS merged
        ),
        rev = nextval('stored_tags_rev'), keep = excluded.keep, key_id = excluded.key_id,
        expires_at = greatest(stored.expires_at, excluded.expires_at)
    RETURNING company_id, caller, {_HOT}
), noted AS (
    INSERT INTO hot_sync (company_id, kind, subject) SELECT company_id, 'tags', caller FROM asked
    RETURNING company_id, subject, id
)
SELECT kept.*, noted.id AS note_id FROM kept JOIN noted ON noted.company_id = kept.company_id AND noted.subject = kept.caller
"""  # noqa: S608 - the columns above


async def keep_all(fetches: Fetches, writings: Sequence[Writing]) -> list[Kept]:
    """Keep tags for callers: with those of the same writer that are there, the last value of a name wins, 100 at most stay.

    Shape: one writing a caller. They stay as long as the newest of them; whether they are used up, the newest writing says.
    Errors: Unavailable. Cost: one round trip, durable when it returns.
    """
    found = {
        (row["company_id"], row["caller"]): row
        for row in await fetches.fetch(KEEP, _encode(writings).decode())
    }
    rows = [found[each.company_id, each.caller] for each in writings]
    return [Kept(hot=_hot([row]), note_id=row["note_id"]) for row in rows]


async def keep(fetches: Fetches, writing: Writing) -> Kept:
    """Keep one caller's tags. Errors: Unavailable. Cost: one round trip, durable when it returns."""
    (kept,) = await keep_all(fetches, [writing])
    return kept


# Who waits for a row sees it as it is then: of two calls at once one gets the tags.
USE_UP = f"""
WITH stored AS MATERIALIZED (
    SELECT publisher_id, tags, keep FROM stored_tags
    WHERE company_id = $1 AND caller = $2 AND publisher_id IN (0, $3) AND expires_at > now() AND tags <> '{{}}'
    ORDER BY publisher_id FOR NO KEY UPDATE
), used AS (
    UPDATE stored_tags SET tags = '{{}}', rev = nextval('stored_tags_rev')
    WHERE company_id = $1 AND caller = $2 AND publisher_id IN (SELECT publisher_id FROM stored WHERE NOT keep)
    RETURNING {_HOT}
), noted AS (
    INSERT INTO hot_sync (company_id, kind, subject) SELECT $1, 'tags', $2 WHERE EXISTS (SELECT FROM used) RETURNING id
)
SELECT publisher_id, stored.tags::text AS tags, until_ms, text, id AS note_id
FROM stored LEFT JOIN used USING (publisher_id) LEFT JOIN noted ON true ORDER BY publisher_id
"""  # noqa: S608 - the columns above


async def use_up(connection: Connection, company_id: int, *, caller: str, publisher_id: int) -> Used:
    """The tags that wait for a call, in the call's first transaction: the company's and its publisher's own, whose win.

    Shape: caller "" has none; publisher_id 0 = no publisher. What is not to be reused is used up.
    Cost: one round trip, none for an anonymous caller.
    """
    if not caller:
        return Used()
    rows = await connection.fetch(USE_UP, company_id, caller, publisher_id)
    tags: dict[str, str] = {}
    for row in rows:
        tags.update(_decode(row["tags"]))
    used = [row for row in rows if row["text"] is not None]
    return Used(tags=tags, hot=_hot(used), note_id=used[0]["note_id"] if used else 0)


LOAD_OF_CALLERS = f"""
SELECT caller, {_HOT} FROM stored_tags WHERE company_id = $1 AND caller = ANY($2::text[]) AND expires_at > now()
"""  # noqa: S608 - the columns above


async def load_hot_tags(
    connection: Connection, company_id: int, *, callers: Sequence[str]
) -> dict[str, dict[int, HotTags]]:
    """What Redis should hold of these callers. Shape: by caller and publisher, those with none left out."""
    found: dict[str, dict[int, HotTags]] = {}
    for row in await connection.fetch(LOAD_OF_CALLERS, company_id, callers):
        found.setdefault(row["caller"], {}).update(_hot([row]))
    return found


LOAD_OF_COMPANIES = f"""
SELECT company_id, caller, {_HOT} FROM stored_tags WHERE company_id = ANY($1::bigint[]) AND expires_at > $2
"""  # noqa: S608 - the columns above


async def load_all_hot_tags(
    connection: Connection, companies: Sequence[int], *, now_ms: int
) -> list[CallerTags]:
    """The same of whole companies, for a rebuild."""
    return [
        CallerTags(
            company_id=row["company_id"],
            caller=row["caller"],
            publisher_id=row["publisher_id"],
            hot=_hot_of(row),
        )
        for row in await connection.fetch(LOAD_OF_COMPANIES, companies, moment(now_ms))
    ]


# A minute after their end: then no clock takes them for live.
EXPIRE = """
DELETE FROM stored_tags WHERE (company_id, caller, publisher_id) IN (
    SELECT company_id, caller, publisher_id FROM stored_tags WHERE expires_at < now() - interval '1 minute'
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""


async def expire_tags(postgres: Postgres, *, limit: int) -> int:
    """Delete tags that ran out; how many rows. Cost: one statement."""
    tag = await postgres.execute(EXPIRE, limit)
    return int(tag.removeprefix("DELETE "))


def _hot(rows: Sequence[Record]) -> dict[int, HotTags]:
    return {row["publisher_id"]: _hot_of(row) for row in rows}


def _hot_of(row: Record) -> HotTags:
    return HotTags(text=row["text"], until_ms=row["until_ms"])
