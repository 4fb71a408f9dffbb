"""How often each postback key was used, and when last.

Owns the table key_uses. Must never count a use twice: whoever saves uses knows which of them are new.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from shared.stores.postgres import Connection


class KeyUse(Struct, frozen=True, kw_only=True):
    """What a key did since it was last counted. Shape: of last_at only the minute is kept."""

    key_id: int
    uses: int
    last_at: datetime


# In the order of the keys, so that two who save at once wait for each other and never in a circle. A key that does not
# exist is left out: it must not hold up what else is saved.
SAVE_USES = """
INSERT INTO key_uses (key_id, last_used_at, uses)
SELECT used.key_id, date_trunc('minute', max(used.last_at)), sum(used.uses)
FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) AS used (key_id, last_at, uses)
JOIN postback_keys ON postback_keys.id = used.key_id
GROUP BY used.key_id ORDER BY used.key_id
ON CONFLICT (key_id) DO UPDATE SET
    last_used_at = greatest(key_uses.last_used_at, excluded.last_used_at), uses = key_uses.uses + excluded.uses
"""


async def save_uses(connection: Connection, uses: Sequence[KeyUse]) -> None:
    """Add uses, in the transaction that stores what they were.

    Shape: a key may stand there several times. Cost: one statement; call it once a transaction, as it locks the keys' rows.
    """
    if uses:
        await connection.execute(
            SAVE_USES,
            [use.key_id for use in uses],
            [use.last_at for use in uses],
            [use.uses for use in uses],
        )
