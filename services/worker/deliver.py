"""The deliver job: webhooks of the outbox reach their receivers, each in its own time.

Owns the attempts under way: how many, to whom, and what becomes of them at the stop. Must never wait for a receiver, nor let
one take the places of the others.

Failure policy: an attempt that fails, by the receiver or by a fault of ours, is tried again on the schedule, then dead; what
came of it is kept until Postgres has it, or until its lease runs out and somebody delivers it again.
"""

import asyncio
from collections import Counter
from random import random

from msgspec import Struct

from shared.courier import Attempt, Courier, noted_of
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.metrics import OUTBOX_DEAD, OUTBOX_LAG_SECONDS, OUTBOX_WAITING
from shared.redaction import exception_shape
from shared.stores import outbox
from shared.stores.outbox import Delivery, Noted
from shared.stores.postgres import Postgres

_LOG = get_logger()


class Bulkhead(Struct, frozen=True, kw_only=True):
    """How many attempts may be under way, in all and to one host."""

    at_once: int
    per_host: int


class DeliverJob:
    """Looks for what is due five times a second, and whenever an attempt has ended."""

    name = "deliver"
    interval_s = 0.2

    def __init__(self, postgres: Postgres, courier: Courier, *, bulkhead: Bulkhead) -> None:
        self._postgres = postgres
        self._courier = courier
        self._bulkhead = bulkhead
        self._under_way: dict[asyncio.Task[Attempt], Delivery] = {}
        self._ended: list[Noted] = []

    async def step(self) -> bool:
        """Note what has ended, start what is due, and wait a moment for one of them to end.

        Cost: one transaction, two when an attempt has ended.
        """
        await self._note_ended()
        await self._start_due()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self.interval_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(self._under_way)

    async def close(self, within_s: float) -> None:
        """Let attempts end, at most so long; the others are broken off, and free for another worker at once."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)
        late = {task: delivery.id for task, delivery in self._under_way.items() if not task.done()}
        for task in late:
            del self._under_way[task]
            task.cancel()
        if late:
            await asyncio.wait(late)
        try:
            await self._note_ended()
            await outbox.release(self._postgres, list(late.values()))
        except Unavailable:
            return  # their leases run out

    async def _start_due(self) -> None:
        room = self._bulkhead.at_once - len(self._under_way)
        if room <= 0:
            return
        busy = Counter(delivery.host for delivery in self._under_way.values())
        due = await outbox.lease(self._postgres, busy=busy, per_host=self._bulkhead.per_host, at_most=room)
        loop = asyncio.get_running_loop()
        for delivery in due:
            self._under_way[loop.create_task(self._courier.attempt(delivery))] = delivery

    async def _note_ended(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            noted = noted_of(self._under_way.pop(task), _attempt_of(task), draw=random())  # noqa: S311 - a pause
            self._ended.append(noted)
        await outbox.note(self._postgres, self._ended)
        self._ended.clear()


def _attempt_of(task: asyncio.Task[Attempt]) -> Attempt:
    """What a task found out; a fault of ours counts as an attempt, or it would be repeated without end."""
    error = task.exception()
    if error is None:
        return task.result()
    _LOG.error("webhook_fault", **exception_shape(error))
    return Attempt(outcome="fault", error="fault")


class BacklogJob:
    """Tells each ten seconds how much is owed."""

    name = "backlog"
    interval_s = 10.0

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def step(self) -> bool:
        """One look. Cost: one query."""
        backlog = await outbox.load_backlog(self._postgres)
        OUTBOX_WAITING.set(backlog.waiting)
        OUTBOX_DEAD.set(backlog.dead)
        OUTBOX_LAG_SECONDS.set(backlog.lag_s)
        return False
