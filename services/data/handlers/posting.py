"""Conversions: a buyer posts what a call was worth.

Owns the beats of a post. Must never say SUCCESS before call, conversion, ledger and outbox have committed together, nor count a
value twice.
"""

import hmac
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from services.data import store
from services.data.handlers.desk import ATTEMPTS, HURRIED, Desk, Holder
from services.data.rules.nouns import Converted, Post, Refused
from services.data.rules.posting import judge_post
from shared.domain.call_books import Posted
from shared.domain.calls import Call, CallState
from shared.domain.key_settings import Kind
from shared.domain.money import rounded
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.settlement import Nearest, dedupe_s
from shared.errors import Unavailable
from shared.metrics import CONVERSIONS
from shared.stores.call_changes import Answered, PostbackRow, log_postback
from shared.stores.calls import load_nearest
from shared.stores.keyring import AGAIN, Again
from shared.stores.postgres import Connection, Postgres

Runs: TypeAlias = "Postgres | Connection"


class Posting:
    """Takes conversions. Errors: Unavailable when Postgres is away: then nothing was acknowledged."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def post(self, asked: Post, client: str) -> Converted | Refused:
        """What becomes of a posted value. Cost: two round trips when all is hot."""
        for attempt in range(ATTEMPTS):
            outcome = await self._attempt(asked, client, in_turn=attempt >= HURRIED)
            if isinstance(outcome, Refused):
                CONVERSIONS.add("refused", outcome.reason)
                return outcome
            if isinstance(outcome, Converted):
                CONVERSIONS.add("repeat" if outcome.repeat else "converted", "")
                return outcome
        raise Unavailable("call")

    async def _attempt(self, asked: Post, client: str, *, in_turn: bool) -> Converted | Refused | Again:
        holder = await self._desk.admit(asked.token, Kind.CONVERSION, client=client)
        if not isinstance(holder, Holder):
            return holder
        postgres = self._desk.postgres
        if not in_turn:
            return await self._judged(postgres, holder, asked=asked)
        seen = await store.find_posted_to(postgres, holder.key, post=asked)
        async with postgres.transaction() as connection:
            if seen.state is not None:
                await store.lock_call(connection, seen.state)
            return await self._judged(connection, holder, asked=asked)

    async def _judged(self, runs: Runs, holder: Holder, *, asked: Post) -> Converted | Refused | Again:
        """One look and its judgement."""
        key = holder.key
        if asked.refused is not None:
            current = await self._desk.is_current(holder, 0)
            return await self._failed(holder, asked, reason=asked.refused) if current else AGAIN
        if asked.repeat_key:
            answered = await store.find_answered(runs, key, value=asked.repeat_key)
            if answered is not None and await self._desk.is_current(holder, 0):
                return await self._answered(holder, asked, answered=answered)
        seen = await store.find_posted_to(runs, key, post=asked)
        if not await self._desk.is_current(holder, seen.version):
            return AGAIN
        if seen.state is None:
            return await self._failed(holder, asked, reason=Reason.CALL_NOT_FOUND)
        plan = await self._desk.plan(key.company_id, seen.state.call.campaign_id)
        if isinstance(plan, Again):
            return plan
        now_ms = self._desk.clock.now_ms()
        sides = self._desk.books(plan).sides(seen.state)
        verdict = judge_post(
            plan, seen.state.call, sides=sides, post=asked, earlier=seen.values, now_ms=now_ms
        )
        if isinstance(verdict, Reason):
            return await self._failed(holder, asked, reason=verdict, call_uuid=seen.state.call.uuid)
        if isinstance(verdict, Decimal):
            return await self._repeated(holder, asked, call=seen.state.call, value=verdict)
        case = Case(holder=holder, asked=asked, plan=plan, state=seen.state, posted=verdict)
        return await self._booked(runs, case, within_s=dedupe_s(plan, sides))

    async def _booked(self, runs: Runs, case: "Case", *, within_s: int) -> Converted | Again:
        """A new revision. Where another call of the caller may make it a duplicate, their calls are booked in turn."""
        if not within_s:
            return await self._saved(runs, case, nearest=Nearest())
        if isinstance(runs, Postgres):
            async with runs.transaction() as connection:
                return await self._booked(connection, case, within_s=within_s)
        nearest = await load_nearest(runs, case.state.call, within_s=within_s)
        return await self._saved(runs, case, nearest=nearest)

    async def _saved(self, runs: Runs, case: "Case", *, nearest: Nearest) -> Converted | Again:
        asked, call, key = case.asked, case.state.call, case.holder.key
        value = case.posted.value
        change = self._desk.books(case.plan).post(case.state, case.posted, nearest=nearest, key_id=key.id)
        answered = None
        if asked.repeat_key:
            told = f"{call.uuid} {value}"
            answered = Answered(
                value=asked.repeat_key, fingerprint=asked.fingerprint, status=200, answer=told
            )
        logged = self._log_row(case.holder, asked, answer="SUCCESS", value=value)
        if not await store.save_post(runs, change, logged=logged, answered=answered):
            return AGAIN
        self._desk.used(key)
        return Converted(key_id=key.id, call_uuid=call.uuid, value=value, caller=asked.whose.caller)

    async def _repeated(self, holder: Holder, asked: Post, *, call: Call, value: Decimal) -> Converted:
        """A value that a revision of the call had: it stands, and nothing happens."""
        self._desk.used(holder.key)
        row = self._log_row(holder, asked, answer="SUCCESS", value=value)
        await log_postback(self._desk.postgres, holder.key.company_id, row=row, call_uuid=call.uuid)
        return Converted(
            key_id=holder.key.id, call_uuid=call.uuid, value=value, caller=asked.whose.caller, repeat=True
        )

    async def _answered(self, holder: Holder, asked: Post, *, answered: Answered) -> Converted | Refused:
        """The request of an Idempotency-Key again, or another one under it."""
        if not hmac.compare_digest(answered.fingerprint, asked.fingerprint):
            return await self._failed(holder, asked, reason=Reason.IDEMPOTENCY_MISMATCH)
        call_uuid, value = answered.answer.split()
        return Converted(
            key_id=holder.key.id,
            call_uuid=call_uuid,
            value=Decimal(value),
            caller=asked.whose.caller,
            repeat=True,
        )

    async def _failed(self, holder: Holder, asked: Post, *, reason: Reason, call_uuid: str = "") -> Refused:
        """A post that changes nothing is kept all the same."""
        self._desk.used(holder.key)
        row = self._log_row(holder, asked, answer=reason, value=None)
        await log_postback(self._desk.postgres, holder.key.company_id, row=row, call_uuid=call_uuid)
        return Refused(reason=reason, key_id=holder.key.id, caller=asked.whose.caller)

    def _log_row(self, holder: Holder, asked: Post, *, answer: str, value: Decimal | None) -> PostbackRow:
        detail = {} if value is None else {"value": str(rounded(value))}
        return PostbackRow(
            id=self._desk.new_id(holder.key.shard),
            received_ms=self._desk.clock.now_ms(),
            key_id=holder.key.id,
            kind="conversion",
            caller=asked.whose.caller,
            answer=answer,
            detail=detail,
        )


class Case(Struct, frozen=True, kw_only=True):
    """A post that is taken: whose, onto which call, and with which value."""

    holder: Holder
    asked: Post
    plan: Plan
    state: CallState
    posted: Posted
