"""Data reading: what a buyer group may see of a call.

Owns the beats of a read. Must never show a tag that is not on the key's list.
"""

from services.data import store
from services.data.handlers.desk import Desk, Try
from services.data.rules.nouns import Read, ReadOut, Refused
from services.data.rules.reading import readable, told
from shared.domain.key_settings import DataSharingSettings, Kind
from shared.stores.key_desk import Holder
from shared.stores.keyring import AGAIN, Again


class Reading:
    """Reads tags."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def read(self, asked: Read, attempt: Try) -> ReadOut | Refused | Again:
        """The call's values under the names that were asked for. Cost: one round trip when all is hot."""
        holder = await self._desk.admit(asked.token, Kind.DATA_SHARING, client=attempt.client)
        if not isinstance(holder, Holder):
            return holder
        key, whose, settings = holder.key, asked.whose, holder.key.settings
        assert isinstance(settings, DataSharingSettings)
        seen = await store.find_readable(attempt.access, key, whose=whose)
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        self._desk.used(key.id)
        if seen.state is None:
            return ReadOut(key_id=key.id, whose=whose, values={}, found=False)
        plan = await self._desk.plan(key.company_id, seen.state.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        values = told(readable(plan, seen.state), asked.names, allowed=settings.tag_keys)
        return ReadOut(key_id=key.id, whose=whose, values=values, found=True)
