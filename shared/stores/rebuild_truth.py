"""What a rebuilt shard must hold, read from Postgres.

Owns the reading, for several shards at once. Must never write, nor read anything before the companies are locked: then
whoever applies a change of the same company does so after the rebuild.
"""

from collections.abc import Sequence

from shared.domain.ping_log import PingRow
from shared.stores.mirror import load_mirrors
from shared.stores.pings import load_leases, load_live
from shared.stores.postgres import Connection
from shared.stores.stored_tags import CallerTags, load_all_hot_tags

LEASE_AFTER_MS = 30_000  # a number stays leased so long after its reservation ran out


class Truth:
    """Everything of one shard. Shape: versions by company id; mirror by subject."""

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.mirror: dict[str, str] = {}
        self.stored_tags: list[CallerTags] = []
        self.live: list[PingRow] = []
        self.leases: list[PingRow] = []


# Excludes whoever applies a change of the company, not whoever refers to it.
LOCK_COMPANIES = """
SELECT id, shard, config_version FROM companies WHERE shard = ANY($1::smallint[]) ORDER BY id FOR NO KEY UPDATE
"""


async def load_truth(connection: Connection, shards: Sequence[int], *, now_ms: int) -> dict[int, Truth]:
    """Lock the companies of these shards until the transaction ends, and read what stands of them.

    Shape: by shard, each one there. Cost: five queries.
    """
    truth = {shard: Truth() for shard in shards}
    shard_of: dict[int, int] = {}
    for row in await connection.fetch(LOCK_COMPANIES, shards):
        shard_of[row["id"]] = row["shard"]
        truth[row["shard"]].versions[row["id"]] = row["config_version"]
    companies = list(shard_of)
    if not companies:
        return truth
    for company_id, subject, text in await load_mirrors(connection, companies):
        truth[shard_of[company_id]].mirror[subject] = text
    for stored in await load_all_hot_tags(connection, companies, now_ms=now_ms):
        truth[shard_of[stored.company_id]].stored_tags.append(stored)
    for ping in await load_live(connection, companies, now_ms=now_ms):
        truth[shard_of[ping.company_id]].live.append(ping)
    for ping in await load_leases(connection, companies, since_ms=now_ms - LEASE_AFTER_MS):
        truth[shard_of[ping.company_id]].leases.append(ping)
    return truth
