"""Data writing: tags reach a live call, a completed one, or wait for the caller's next.

Owns the beats of a write. Must never acknowledge a tag that Postgres does not have.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from services.data import store
from services.data.handlers.desk import Desk, Overtaken, Try
from services.data.rules.landing import landing_by_call_key, landing_by_caller, landing_by_uuid
from services.data.rules.nouns import Refused, Whose, Write, Written
from shared.domain.call_books import CallChange
from shared.domain.call_keys import is_call_key
from shared.domain.calls import CallState
from shared.domain.key_settings import CallDataWritingSettings, Kind
from shared.domain.keys import Key, Level
from shared.domain.reasons import Reason
from shared.domain.routing.profile import kept_texts
from shared.domain.tokens import digest
from shared.stores.call_access import Access
from shared.stores.call_changes import Saving
from shared.stores.key_desk import Holder
from shared.stores.keyring import AGAIN, Again
from shared.stores.owed_tags import OwedTags
from shared.stores.stored_tags import Writing as Waiting


class Writing:
    """Writes tags. Units: stored_s that they wait for a call."""

    def __init__(self, desk: Desk, owed_tags: OwedTags, *, pepper: bytes, stored_s: int) -> None:
        self._desk = desk
        self._owed_tags = owed_tags
        self._pepper = pepper
        self._stored_s = stored_s

    async def write(self, asked: Write, attempt: Try) -> Written | Refused | Again:
        """Where the tags went. Cost: at most two round trips when all is hot, and one to Redis for tags that wait."""
        by = self._by_call_key if is_call_key(asked.token) else self._by_key
        outcome = await by(asked, attempt)
        if not isinstance(outcome, Again):
            self._desk.used(outcome.key_id)
        return outcome

    async def _by_key(self, asked: Write, attempt: Try) -> Written | Refused | Again:
        holder = await self._desk.admit(asked.token, Kind.CALL_DATA_WRITING, client=attempt.client)
        if not isinstance(holder, Holder):
            return holder
        key, settings = holder.key, holder.key.settings
        assert isinstance(settings, CallDataWritingSettings)
        publisher_id = key.entity_id if key.level is Level.PUBLISHER else 0
        seen = await store.find_writable(attempt.access, key, whose=asked.whose, publisher_id=publisher_id)
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        landing_by = landing_by_uuid if asked.whose.call_uuid else landing_by_caller
        call, now_ms = seen.state.call if seen.state else None, self._desk.clock.now_ms()
        landing = landing_by(call, settings, now_ms=now_ms)
        if isinstance(landing, Reason):
            return Refused(reason=landing, key_id=key.id, caller=asked.whose.caller)
        tags = kept_texts(asked.tags, settings.tag_prefix)
        if landing == "stored" or seen.state is None or call is None:
            caller = asked.whose.caller
            waiting = await self._waiting(key, caller, tags=tags, publisher_id=publisher_id)
            return await self._stored(attempt.access, holder, whose=asked.whose, waiting=waiting)
        state = replace(seen.state, call=replace(call, publisher_id=call.publisher_id or publisher_id))
        written = Written(key_id=key.id, whose=asked.whose, landed=landing, tags=tags)
        return await self._onto(attempt.access, state, written=written)

    async def _by_call_key(self, asked: Write, attempt: Try) -> Written | Refused | Again:
        """The call's own key: on that call alone."""
        seen = await store.find_by_call_key(attempt.access.runs, digest(self._pepper, asked.token))
        if seen is None or seen.state is None:
            return await self._by_key(asked, attempt)
        call, whose = seen.state.call, asked.whose
        named = {call.uuid, call.reservation_uuid} if whose.call_uuid else {call.caller}
        if (whose.call_uuid or whose.caller) not in named:
            return Refused(reason=Reason.SCOPE, caller=whose.caller)
        landing = landing_by_call_key(call, now_ms=self._desk.clock.now_ms())
        if isinstance(landing, Reason):
            return Refused(reason=landing, caller=whose.caller)
        written = Written(key_id=0, whose=whose, landed=landing, tags=kept_texts(asked.tags, ""))
        return await self._onto(attempt.access, seen.state, written=written)

    async def _onto(self, access: Access, state: CallState, *, written: Written) -> Written | Again:
        if not written.tags:
            return written
        plan = await self._desk.plan(state.call.company_id, state.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        tagged = replace(state, tags={**state.tags, **written.tags})
        change = CallChange(state=tagged, tags=written.tags, key_id=written.key_id)
        change = self._desk.books(plan).fire(change, "data_appended")
        saved = await access.save(Saving(change=change))
        return written if saved else Overtaken(call=state.call)

    async def _stored(self, access: Access, holder: Holder, *, whose: Whose, waiting: Waiting) -> Written:
        """The next ping sees them before this is answered, unless Redis is away."""
        if waiting.tags:
            kept = await access.keep(waiting)
            await self._owed_tags.tell(
                holder.key.shard, kept, company_id=waiting.company_id, caller=waiting.caller
            )
        return Written(key_id=waiting.key_id, whose=whose, landed="stored", tags=waiting.tags)

    async def _waiting(self, key: Key, caller: str, *, tags: Mapping[str, str], publisher_id: int) -> Waiting:
        settings = key.settings
        assert isinstance(settings, CallDataWritingSettings)
        reuse = settings.reuse_tags_on_repeat_calls and (await self._desk.company(key.company_id)).reuse_tags
        return Waiting(
            company_id=key.company_id,
            caller=caller,
            publisher_id=publisher_id,
            key_id=key.id,
            tags=tags,
            reuse=reuse,
            seconds=self._stored_s,
        )
