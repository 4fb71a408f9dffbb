"""How often each postback key was used, and when last.

Owns the table key_uses. Must never count a use twice: whoever saves uses knows which of them are new.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from shared.errors import Unavailable
from shared.stores.moments import moment
from shared.stores.postgres import Connection, Postgres

_PAUSE_S = 1.0


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


class UseCounts:
    """Uses that no row tells of: counted here, saved each second.

    Failure policy: while Postgres is away they wait; a crash loses a second of them.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._counts: dict[int, tuple[int, int]] = {}

    def add(self, key_id: int, now_ms: int) -> None:
        """A key was used once more."""
        uses, _ = self._counts.get(key_id, (0, 0))
        self._counts[key_id] = (uses + 1, now_ms)

    async def run(self) -> None:
        """Save until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(_PAUSE_S)
                await self.save()
        finally:
            await self.save()

    async def save(self) -> None:
        """Bring the table up to date. Cost: one transaction, none when nothing was used."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        uses = [KeyUse(key_id=key, uses=n, last_at=moment(at)) for key, (n, at) in counts.items()]
        try:
            async with self._postgres.transaction() as connection:
                await save_uses(connection, uses)
        except Unavailable:
            for key, (n, at) in counts.items():
                more, later = self._counts.get(key, (0, 0))
                self._counts[key] = (n + more, max(at, later))
