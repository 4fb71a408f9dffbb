"""Hot copies that are owed to Redis: noted in the transaction of their cause, written before its answer or by
the worker.

Owns the table hot_sync. Must never replay an operation: what is written is today's truth, read and written
under the company's row lock, so that the order of the notes cannot matter.

| kind | subject | what is written |
|---|---|---|
| `version` | | the company's config version, upwards only |
| `list` | a generation id | whether that generation is live |
| `list` | `<generation id> numbers` | the same, and where all its callers stand |
| `list_number` | E.164 | in which lists that caller stands |
| `fills` | `b12` or `g3` | the mirror of its cap places |
| `tags` | E.164 | the tags stored for that caller |

A cold shard (no epoch, or another Redis's) is left as it is: its rebuild may have read before our commit, or
may not come before the next hot copy is asked for, so the rows stay for the worker, and whoever applies is
told Unavailable. A shard that is rebuilt meanwhile is no danger: the rebuild holds the same row locks.

Failure policy: Redis away or cold is Unavailable; nothing is lost, the rows stay.
"""

from collections.abc import Sequence

from shared.stores.hot_company import HotCompany, take_turn
from shared.stores.list_buckets import sync_generations, sync_numbers, sync_numbers_of
from shared.stores.mirror import load_mirror
from shared.stores.postgres import Connection, Postgres
from shared.stores.redis import Redis

VERSION = "version"
LIST = "list"
LIST_NUMBER = "list_number"
FILLS = "fills"
TAGS = "tags"
WITH_NUMBERS = " numbers"
_AT_A_TIME = 2_000

INSERT_NOTES = """
INSERT INTO hot_sync (company_id, kind, subject) SELECT $1, $2, subject FROM unnest($3::text[]) AS subject
"""


async def note(connection: Connection, company_id: int, *subjects: str, kind: str) -> None:
    """Owe Redis these hot copies, in the transaction that changes their truth."""
    if subjects or kind == VERSION:
        await connection.execute(INSERT_NOTES, company_id, kind, subjects or ("",))


FIND_OWING = "SELECT DISTINCT company_id FROM hot_sync WHERE company_id > $1 ORDER BY company_id LIMIT $2"


async def find_owing(postgres: Postgres, *, after: int = 0, limit: int = 1_000) -> list[int]:
    """Companies with something owed, in the order of their ids."""
    return [row["company_id"] for row in await postgres.fetch(FIND_OWING, after, limit)]


async def apply(postgres: Postgres, redis: Redis, *, company_id: int) -> int:
    """Write all that is owed of one company; how many notes that settled.

    Errors: Unavailable when Redis is away or cold: the notes stay. Cost: a transaction for each 2,000 notes.
    """
    settled = 0
    while True:
        some = await _apply_some(postgres, redis, company_id=company_id)
        settled += some
        if some < _AT_A_TIME:
            return settled


TAKE_NOTES = """
DELETE FROM hot_sync WHERE id IN (SELECT id FROM hot_sync WHERE company_id = $1 ORDER BY id LIMIT $2)
RETURNING kind, subject
"""


async def _apply_some(postgres: Postgres, redis: Redis, *, company_id: int) -> int:
    async with postgres.transaction() as connection:
        hot = await take_turn(connection, redis, company_id=company_id)
        if hot is None:
            return 0
        rows = await connection.fetch(TAKE_NOTES, company_id, _AT_A_TIME)
        owed: dict[str, list[str]] = {}
        for kind, subject in sorted({(row["kind"], row["subject"]) for row in rows}):
            owed.setdefault(kind, []).append(subject)
        await _write(connection, hot, owed=owed)
    return len(rows)


async def _write(connection: Connection, hot: HotCompany, *, owed: dict[str, list[str]]) -> None:
    """The version comes last: who loads a plan for it then finds its lists in place."""
    await _write_lists(connection, hot, subjects=owed.get(LIST, ()))
    if LIST_NUMBER in owed:
        await sync_numbers(connection, hot, numbers=owed[LIST_NUMBER])
    if FILLS in owed:
        await hot.set_fills(await load_mirror(connection, hot.company_id, subjects=owed[FILLS]))
    for caller in owed.get(TAGS, ()):
        await _write_tags(connection, hot, caller=caller)
    if VERSION in owed:
        await hot.set_version()


async def _write_lists(connection: Connection, hot: HotCompany, *, subjects: Sequence[str]) -> None:
    for subject in subjects:
        if subject.endswith(WITH_NUMBERS):
            await sync_numbers_of(connection, hot, generation_id=int(subject.removesuffix(WITH_NUMBERS)))
    if subjects:
        await sync_generations(
            connection, hot, generations=[int(each.removesuffix(WITH_NUMBERS)) for each in subjects]
        )


LOAD_TAGS = """
SELECT publisher_id, rev, tags::text AS tags, (extract(epoch FROM expires_at) * 1000)::bigint AS expires_ms,
       (extract(epoch FROM expires_at - now()) * 1000)::bigint AS left_ms
FROM stored_tags WHERE company_id = $1 AND caller = $2 AND expires_at > now()
"""


async def _write_tags(connection: Connection, hot: HotCompany, *, caller: str) -> None:
    rows = await connection.fetch(LOAD_TAGS, hot.company_id, caller)
    texts = {row["publisher_id"]: f"{row['rev']}|{row['expires_ms']}|{row['tags']}" for row in rows}
    await hot.set_tags(caller, texts, ttl_ms=max((row["left_ms"] for row in rows), default=0))
