"""The tag expiry job: stored tags that ran out leave their table.

Owns the rhythm. Must never touch Redis: there they fall away by themselves.
"""

from shared.stores.postgres import Postgres
from shared.stores.stored_tags import expire_tags

_BATCH = 1_000


class TagExpiryJob:
    """Deletes what ran out, every ten seconds."""

    name = "tag_expiry"
    interval_s = 10.0

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def step(self) -> bool:
        """Delete a batch. Cost: one statement."""
        return await expire_tags(self._postgres, limit=_BATCH) == _BATCH
