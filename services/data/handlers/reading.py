"""Data reading: what a buyer group may see of a call.

Owns the beats of a read. Must never show a tag that is not on the key's list.
"""

from services.data import store
from services.data.handlers.desk import ATTEMPTS, Desk, Holder
from services.data.rules.nouns import Read, ReadOut, Refused
from services.data.rules.reading import readable, told
from shared.domain.key_settings import DataSharingSettings, Kind
from shared.errors import Unavailable
from shared.metrics import DATA_READS
from shared.stores.keyring import AGAIN, Again


class Reading:
    """Reads tags."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def read(self, asked: Read, client: str) -> ReadOut | Refused:
        """The call's values under the names that were asked for. Cost: one round trip when all is hot."""
        for _ in range(ATTEMPTS):
            outcome = await self._attempt(asked, client)
            if isinstance(outcome, Refused):
                DATA_READS.add("refused")
                return outcome
            if isinstance(outcome, ReadOut):
                DATA_READS.add("found" if outcome.found else "none")
                return outcome
        raise Unavailable("config")

    async def _attempt(self, asked: Read, client: str) -> ReadOut | Refused | Again:
        holder = await self._desk.admit(asked.token, Kind.DATA_SHARING, client=client)
        if not isinstance(holder, Holder):
            return holder
        key, whose = holder.key, asked.whose
        settings = key.settings
        assert isinstance(settings, DataSharingSettings)
        seen = await store.find_readable(
            self._desk.postgres, key, caller=whose.caller, call_uuid=whose.call_uuid
        )
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        self._desk.used(key)
        if seen.state is None:
            return ReadOut(key_id=key.id, whose=whose, values={}, found=False)
        plan = await self._desk.plan(key.company_id, seen.state.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        values = told(readable(plan, seen.state), asked.names, allowed=settings.tag_keys)
        return ReadOut(key_id=key.id, whose=whose, values=values, found=True)
