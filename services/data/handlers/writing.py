"""Data writing: tags reach a live call, a completed one, or wait for the caller's next.

Owns the beats of a write. Must never acknowledge a tag that Postgres does not have.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from services.data import store
from services.data.handlers.desk import ATTEMPTS, HURRIED, Desk, Holder
from services.data.rules.landing import Landing, landing_by_call_key, landing_by_caller, landing_by_uuid
from services.data.rules.nouns import Refused, Write, Written
from services.data.store import Seen
from shared.domain.call_books import CallChange
from shared.domain.call_keys import is_call_key
from shared.domain.calls import CallState
from shared.domain.key_settings import CallDataWritingSettings, Kind
from shared.domain.keys import Level
from shared.domain.reasons import Reason
from shared.domain.routing.profile import kept_texts
from shared.domain.tokens import digest
from shared.errors import Unavailable
from shared.metrics import DATA_WRITES
from shared.stores.call_changes import Runs, save_change
from shared.stores.keyring import AGAIN, Again
from shared.stores.owed_tags import OwedTags
from shared.stores.stored_tags import Writing as Waiting
from shared.stores.stored_tags import keep


class Writing:
    """Writes tags. Units: stored_s that they wait for a call."""

    def __init__(self, desk: Desk, owed_tags: OwedTags, *, pepper: bytes, stored_s: int) -> None:
        self._desk = desk
        self._owed_tags = owed_tags
        self._pepper = pepper
        self._stored_s = stored_s

    async def write(self, asked: Write, client: str) -> Written | Refused:
        """Where the tags went. Cost: two round trips when all is hot, and one to Redis for tags that wait."""
        by_call_key = is_call_key(asked.token)
        for attempt in range(ATTEMPTS):
            in_turn = attempt >= HURRIED
            if by_call_key:
                outcome = await self._by_call_key(asked, client, in_turn=in_turn)
            else:
                outcome = await self._by_key(asked, client, in_turn=in_turn)
            if not isinstance(outcome, Again):
                DATA_WRITES.add(outcome.landed if isinstance(outcome, Written) else "refused")
                return outcome
        raise Unavailable("config")

    async def _by_key(self, asked: Write, client: str, *, in_turn: bool) -> Written | Refused | Again:
        holder = await self._desk.admit(asked.token, Kind.CALL_DATA_WRITING, client=client)
        if not isinstance(holder, Holder):
            return holder
        key, settings = holder.key, holder.key.settings
        assert isinstance(settings, CallDataWritingSettings)
        publisher_id = key.entity_id if key.level is Level.PUBLISHER else 0
        seen = await self._seen(holder, asked, publisher_id=publisher_id)
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        self._desk.used(key)
        landing = _landing(seen, asked, settings=settings, now_ms=self._desk.clock.now_ms())
        if isinstance(landing, Reason):
            return Refused(reason=landing, key_id=key.id, caller=asked.whose.caller)
        tags = kept_texts(asked.tags, settings.tag_prefix)
        if landing == "stored" or seen.state is None:
            return await self._stored(holder, asked, tags=tags, publisher_id=publisher_id)
        call = seen.state.call
        attributed = replace(call, publisher_id=call.publisher_id or publisher_id)
        state = replace(seen.state, call=attributed)
        written = Written(key_id=key.id, whose=asked.whose, landed=landing, tags=tags)
        return await self._onto(state, written, in_turn=in_turn)

    async def _by_call_key(self, asked: Write, client: str, *, in_turn: bool) -> Written | Refused | Again:
        """The call's own key: on that call alone."""
        seen = await store.find_by_call_key(self._desk.postgres, digest(self._pepper, asked.token))
        if seen is None or seen.state is None:
            return await self._desk.unknown(asked.token, client)
        call, whose = seen.state.call, asked.whose
        named = {call.uuid, call.reservation_uuid} if whose.call_uuid else {call.caller}
        if (whose.call_uuid or whose.caller) not in named:
            return Refused(reason=Reason.SCOPE, caller=whose.caller)
        landing = landing_by_call_key(call, now_ms=self._desk.clock.now_ms())
        if isinstance(landing, Reason):
            return Refused(reason=landing, caller=whose.caller)
        written = Written(key_id=0, whose=whose, landed=landing, tags=kept_texts(asked.tags, ""))
        return await self._onto(seen.state, written, in_turn=in_turn)

    async def _seen(self, holder: Holder, asked: Write, *, publisher_id: int) -> Seen:
        """The call that the tags are for; one of another publisher is not there."""
        key, whose, postgres = holder.key, asked.whose, self._desk.postgres
        if not whose.call_uuid:
            return await store.find_writable(postgres, key, caller=whose.caller, publisher_id=publisher_id)
        seen = await store.find_written_to(postgres, key, call_uuid=whose.call_uuid)
        owner = seen.state.call.publisher_id if seen.state else 0
        return replace(seen, state=None) if publisher_id and owner not in {0, publisher_id} else seen

    async def _onto(self, state: CallState, written: Written, *, in_turn: bool) -> Written | Again:
        plan = await self._desk.plan(state.call.company_id, state.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        change = CallChange(
            state=replace(state, tags={**state.tags, **written.tags}),
            tags=written.tags,
            key_id=written.key_id,
        )
        change = self._desk.books(plan).fire(change, "data_appended")
        return written if await self._saved(change, in_turn=in_turn) else AGAIN

    async def _saved(self, change: CallChange, *, in_turn: bool) -> bool:
        """In turn: whoever changes the call now is waited for, so that the next try meets nobody."""
        runs: Runs = self._desk.postgres
        if await save_change(runs, change):
            return True
        if in_turn:
            async with self._desk.postgres.transaction() as connection:
                await store.lock_call(connection, change.state)
        return False

    async def _stored(
        self, holder: Holder, asked: Write, *, tags: Mapping[str, str], publisher_id: int
    ) -> Written:
        """The next ping sees them before this is answered, unless Redis is away."""
        key, settings = holder.key, holder.key.settings
        assert isinstance(settings, CallDataWritingSettings)
        reuse = settings.reuse_tags_on_repeat_calls
        if reuse:
            reuse = (await self._desk.company(key.company_id)).reuse_tags
        waiting = Waiting(
            company_id=key.company_id,
            caller=asked.whose.caller,
            publisher_id=publisher_id,
            key_id=key.id,
            tags=tags,
            reuse=reuse,
            seconds=self._stored_s,
        )
        if tags:
            kept = await keep(self._desk.postgres, waiting)
            await self._owed_tags.tell(key.shard, kept, company_id=key.company_id, caller=asked.whose.caller)
        return Written(key_id=key.id, whose=asked.whose, landed="stored", tags=tags)


def _landing(seen: Seen, asked: Write, *, settings: CallDataWritingSettings, now_ms: int) -> Landing | Reason:
    call = seen.state.call if seen.state else None
    if asked.whose.call_uuid:
        return landing_by_uuid(call, settings, now_ms=now_ms)
    return landing_by_caller(call, settings, now_ms=now_ms)
