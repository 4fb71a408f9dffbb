"""Conversions: a buyer posts what a call was worth.

Owns the beats of a post. Must never say SUCCESS before call, conversion, ledger and outbox have committed together, nor count a
value twice.
"""

import hmac
from decimal import Decimal

from msgspec import Struct

from services.data import store
from services.data.handlers.desk import Desk, Overtaken, Try
from services.data.rules.nouns import Converted, Post, Refused
from services.data.rules.posting import judge_post
from shared.domain.call_books import Posted
from shared.domain.calls import CallState
from shared.domain.key_settings import Kind
from shared.domain.keys import Key
from shared.domain.money import rounded
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.settlement import Nearest, Sides, dedupe_s
from shared.stores import call_changes
from shared.stores.call_access import Access, OwnAccess
from shared.stores.call_changes import PostbackRow, Saving, stands_for
from shared.stores.calls import load_nearest
from shared.stores.key_desk import Holder
from shared.stores.keyring import AGAIN, Again
from shared.stores.postgres import Postgres


class Case(Struct, frozen=True, kw_only=True):
    """A post that is taken: whose, onto which call, and with which value."""

    key: Key
    asked: Post
    plan: Plan
    state: CallState
    sides: Sides
    posted: Posted


class Posting:
    """Takes conversions. Errors: Unavailable when Postgres is away: then nothing was acknowledged."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def post(self, asked: Post, attempt: Try) -> Converted | Refused | Again:
        """What becomes of a posted value. Cost: at most two round trips when all is hot."""
        holder = await self._desk.admit(asked.token, Kind.CONVERSION, client=attempt.client)
        if isinstance(holder, Again):
            return holder
        if isinstance(holder, Holder):
            return await self._judged(attempt.access, holder, asked=asked)
        key = self._desk.known(asked.token)
        return await self._kept(attempt.access, key, asked=asked, verdict=holder.reason) if key else holder

    async def _judged(self, access: Access, holder: Holder, *, asked: Post) -> Converted | Refused | Again:
        """One look and its judgement."""
        key = holder.key
        if asked.refused is not None:
            current = await self._desk.is_current(holder, 0)
            return await self._kept(access, key, asked=asked, verdict=asked.refused) if current else AGAIN
        if asked.repeat_key:
            answered = await call_changes.find_answered(access.runs, key.id, value=asked.repeat_key)
            if answered is not None and await self._desk.is_current(holder, 0):
                same = hmac.compare_digest(answered.fingerprint, asked.fingerprint)
                uuid, value = answered.answer.split()
                stands = Decimal(value) if same else Reason.IDEMPOTENCY_MISMATCH
                return await self._kept(access, key, asked=asked, verdict=stands, call_uuid=uuid)
        seen = await store.find_posted_to(access, key, post=asked)
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        if seen.state is None:
            return await self._kept(access, key, asked=asked, verdict=Reason.CALL_NOT_FOUND)
        call = seen.state.call
        plan = await self._desk.plan(key.company_id, call.campaign_id)
        if isinstance(plan, Again):
            return plan
        sides, now_ms = self._desk.books(plan).sides(seen.state), self._desk.clock.now_ms()
        verdict = judge_post(plan, call, sides=sides, post=asked, earlier=seen.values, now_ms=now_ms)
        if not isinstance(verdict, Posted):
            return await self._kept(access, key, asked=asked, verdict=verdict, call_uuid=call.uuid)
        case = Case(key=key, asked=asked, plan=plan, state=seen.state, sides=sides, posted=verdict)
        return await self._booked(access, case)

    async def _booked(self, access: Access, case: Case) -> Converted | Again:
        """A new revision. Where another call of the caller may make it a duplicate, their calls are booked in turn."""
        asked, key, call, value = case.asked, case.key, case.state.call, case.posted.value
        within_s, nearest = dedupe_s(case.plan, case.sides), Nearest()
        runs = access.runs
        if not isinstance(runs, Postgres):
            nearest = await load_nearest(runs, call, within_s=within_s)
        elif within_s:
            async with runs.transaction() as connection:
                return await self._booked(OwnAccess(connection), case)
        books = self._desk.books(case.plan)
        change = books.post(case.state, case.posted, nearest=nearest, key_id=key.id, sides=case.sides)
        answered = stands_for(asked.repeat_key, asked.fingerprint, answer=f"{call.uuid} {value}")
        logged = self._log_row(key, asked, verdict=value)
        if not await access.save(Saving(change=change, logged=logged, answered=answered)):
            return Overtaken(call=call)
        self._desk.used(key.id)
        return Converted(key_id=key.id, call_uuid=call.uuid, value=value, caller=asked.whose.caller)

    async def _kept(
        self, access: Access, key: Key, *, asked: Post, verdict: Reason | Decimal, call_uuid: str = ""
    ) -> Converted | Refused:
        """A post that changes nothing is kept all the same: one that is refused, or a value that stands already."""
        caller = asked.whose.caller
        self._desk.used(key.id)
        row = self._log_row(key, asked, verdict=verdict)
        await call_changes.log_postback(access.runs, key.company_id, row=row, call_uuid=call_uuid)
        if isinstance(verdict, Reason):
            return Refused(reason=verdict, key_id=key.id, caller=caller)
        answered = stands_for(asked.repeat_key, asked.fingerprint, answer=f"{call_uuid} {verdict}")
        await call_changes.save_answered(access.runs, key.id, answered=answered)
        return Converted(key_id=key.id, call_uuid=call_uuid, value=verdict, caller=caller, repeat=True)

    def _log_row(self, key: Key, asked: Post, *, verdict: Reason | Decimal) -> PostbackRow:
        return PostbackRow(
            id=self._desk.new_id(key.shard),
            received_ms=self._desk.clock.now_ms(),
            key_id=key.id,
            kind="conversion",
            caller=asked.whose.caller,
            answer=verdict if isinstance(verdict, Reason) else "SUCCESS",
            detail={} if isinstance(verdict, Reason) else {"value": str(rounded(verdict))},
        )
