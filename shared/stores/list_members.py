"""Which caller lists a caller stands on, as Postgres has it.

Owns the look-up for calls, which must be judged when Redis is away, too. Pings ask Redis.
"""

from shared.stores.postgres import Postgres

LOAD_LISTS_OF = """
SELECT l.id FROM caller_list_numbers n JOIN caller_lists l ON l.generation_id = n.generation_id
WHERE n.company_id = $1 AND n.number = $2 AND (n.expires_at IS NULL OR n.expires_at > now())
"""


async def load_lists_of(postgres: Postgres, company_id: int, *, caller: str) -> frozenset[int]:
    """The ids of the lists that a caller stands on; an anonymous one is on none. Cost: one query."""
    if not caller:
        return frozenset()
    rows = await postgres.fetch(LOAD_LISTS_OF, company_id, caller)
    return frozenset(row["id"] for row in rows)
