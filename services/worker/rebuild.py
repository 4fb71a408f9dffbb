"""The rebuild job: shards that Redis lost are written anew at once.

Owns when to rebuild. Must never decide what a shard holds: shared/stores/rebuild.py does.
"""

from services.worker.holds import HoldsJob
from shared.logs import get_logger
from shared.stores.rebuild import Rebuild

_LOG = get_logger()


class RebuildJob:
    """Rebuilds what the sweep found cold."""

    name = "rebuild"
    interval_s = 0.2

    def __init__(self, rebuild: Rebuild, holds: HoldsJob) -> None:
        self._rebuild = rebuild
        self._holds = holds

    async def step(self) -> bool:
        """Rebuild all cold shards, those that another worker has in hand left out. Cost: nothing when none is cold."""
        if not self._holds.cold:
            return False
        rebuilt = await self._rebuild.rebuild(sorted(self._holds.cold))
        self._holds.cold -= frozenset(rebuilt)
        if rebuilt:
            _LOG.info("shards_rebuilt", shards=len(rebuilt), still_cold=len(self._holds.cold))
        return False
