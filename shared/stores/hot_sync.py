"""Hot copies that are owed to Redis: noted in the transaction of their cause, written before its answer or by
the worker.

Owns the table hot_sync, in which stored_tags.py too notes what it owes. Must never replay an operation: what is written is
today's truth, read and written under the company's row lock, so that the order of the notes cannot matter.

| kind | subject | what is written |
|---|---|---|
| `version` | | the company's config version, upwards only |
| `list` | a generation id | whether that generation is live |
| `list_number` | E.164, `,` between several | in which lists those callers stand |
| `fills` | `b12` or `g3` | the mirror of its cap places |
| `tags` | E.164 | the tags stored for that caller |

A cold shard (no epoch, or another Redis's) is left as it is: its rebuild may have read before our commit, or
may not come before the next hot copy is asked for, so the rows stay for the worker, and whoever applies is
told Unavailable. A shard that is rebuilt meanwhile is no danger: the rebuild holds the same row locks.

Failure policy: Redis away or cold is Unavailable; nothing is lost, the rows stay.
"""

from collections.abc import Iterable, Sequence

from shared.stores.hot_company import HotCompany, parts, some_at_once, take_turn
from shared.stores.hot_tags import assign
from shared.stores.list_buckets import sync_generations, sync_numbers
from shared.stores.mirror import load_mirror
from shared.stores.postgres import Connection, Postgres
from shared.stores.redis import Redis
from shared.stores.stored_tags import load_hot_tags

VERSION = "version"
LIST = "list"
LIST_NUMBER = "list_number"
FILLS = "fills"
TAGS = "tags"
_AT_A_TIME = 2_000
_LENGTH = 65_536  # of the subjects in one transaction: some 5,000 numbers
_NUMBERS = 100

INSERT_NOTES = """
INSERT INTO hot_sync (company_id, kind, subject) SELECT $1, $2, subject FROM unnest($3::text[]) AS subject
"""


async def note(connection: Connection, company_id: int, *subjects: str, kind: str) -> None:
    """Owe Redis these hot copies, in the transaction that changes their truth."""
    if subjects or kind == VERSION:
        await connection.execute(INSERT_NOTES, company_id, kind, subjects or ("",))


async def note_numbers(connection: Connection, company_id: int, *, numbers: Iterable[str]) -> None:
    """Owe Redis where these callers stand, a hundred a note."""
    await note(
        connection, company_id, *(",".join(some) for some in parts(numbers, _NUMBERS)), kind=LIST_NUMBER
    )


# What another one has locked is being settled there; nobody waits. The loss of a crash is that the worker writes it again.
TAKE_BACK = """
DELETE FROM hot_sync WHERE id IN (SELECT id FROM hot_sync WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED)
"""


async def take_back(postgres: Postgres, ids: Sequence[int]) -> None:
    """Owe these no more: they stand in Redis. Errors: Unavailable. Cost: a transaction that waits for no disk."""
    async with postgres.transaction() as connection:
        await connection.execute("SET LOCAL synchronous_commit = off")
        await connection.execute(TAKE_BACK, ids)


# Whoever wrote tags tells Redis, and takes the note back within 50 ms: only what is older is left over.
FIND_OWING = """
SELECT DISTINCT company_id FROM hot_sync
WHERE company_id > $1 AND (kind <> 'tags' OR created_at < now() - interval '250 milliseconds')
ORDER BY company_id LIMIT $2
"""


async def find_owing(postgres: Postgres, *, after: int = 0, limit: int = 1_000) -> list[int]:
    """Companies with something owed, in the order of their ids."""
    return [row["company_id"] for row in await postgres.fetch(FIND_OWING, after, limit)]


async def apply(postgres: Postgres, redis: Redis, *, company_id: int) -> int:
    """Write all that is owed of one company; how many notes that settled.

    Errors: Unavailable when Redis is away or cold: the notes stay. Cost: a transaction for each 2,000 notes, or 5,000 callers.
    """
    settled = 0
    while some := await _apply_some(postgres, redis, company_id=company_id):
        settled += len(some)
        if len(some) < _AT_A_TIME and sum(map(len, some)) < _LENGTH:
            break
    return settled


# The lock is held for so much and no more: whoever changes a list waits for it.
TAKE_NOTES = """
DELETE FROM hot_sync WHERE id IN (
    SELECT id FROM (
        SELECT id, sum(length(subject)) OVER (ORDER BY id) - length(subject) AS before
        FROM (SELECT id, subject FROM hot_sync WHERE company_id = $1 ORDER BY id LIMIT $2) AS next
    ) AS measured WHERE before < $3)
RETURNING kind, subject
"""


async def _apply_some(postgres: Postgres, redis: Redis, *, company_id: int) -> list[str]:
    async with postgres.transaction() as connection:
        hot = await take_turn(connection, redis, company_id=company_id)
        if hot is None:
            return []
        rows = await connection.fetch(TAKE_NOTES, company_id, _AT_A_TIME, _LENGTH)
        owed: dict[str, list[str]] = {}
        for kind, subject in sorted({(row["kind"], row["subject"]) for row in rows}):
            owed.setdefault(kind, []).append(subject)
        await _write(connection, hot, owed=owed)
    return [row["subject"] for row in rows]


async def _write(connection: Connection, hot: HotCompany, *, owed: dict[str, list[str]]) -> None:
    """Callers come before the generation that goes live with them, and the version last: who loads a plan for it then finds
    its lists in place.
    """
    if LIST_NUMBER in owed:
        numbers = dict.fromkeys(number for subject in owed[LIST_NUMBER] for number in subject.split(","))
        await sync_numbers(connection, hot, numbers=numbers)
    if LIST in owed:
        await sync_generations(connection, hot, generations=[int(each) for each in owed[LIST]])
    if FILLS in owed:
        await hot.set_fills(await load_mirror(connection, hot.company_id, subjects=owed[FILLS]))
    if TAGS in owed:
        await _write_tags(connection, hot, callers=owed[TAGS])
    if VERSION in owed:
        await hot.set_version()


async def _write_tags(connection: Connection, hot: HotCompany, *, callers: Sequence[str]) -> None:
    owed = await load_hot_tags(connection, hot.company_id, callers=callers)
    await some_at_once(
        assign(hot.redis, hot.shard, company_id=hot.company_id, caller=caller, hot=tags)
        for caller, tags in owed.items()
    )
