"""Start webhooks: asked while the caller hears it ring, their answers put on the call as tags.

Owns the waiting for them: all at once, one deadline; who is late is heard before the next decision. Must never hold a call up
longer, nor lose a webhook: one that is not delivered here is the worker's.
"""

import asyncio
from collections.abc import Sequence
from random import random

from services.calls.handlers.desk import ATTEMPTS, Desk, Scene
from services.calls.rules.replies import reply_tags
from shared.courier import Courier, noted_of
from shared.domain.call_books import CallChange
from shared.domain.calls import Call
from shared.domain.webhooks import Firing
from shared.errors import Unavailable
from shared.stores import outbox
from shared.stores.call_changes import Saving, save_change
from shared.stores.calls import find_call
from shared.stores.outbox import Delivery

_MOST_AT_ONCE = 1_000


class Greeting:
    """Asks start webhooks. Units: wait_s that a call waits for their answers, 0 = it does not."""

    def __init__(self, desk: Desk, courier: Courier, *, wait_s: float) -> None:
        self._desk = desk
        self._courier = courier
        self._wait_s = wait_s
        self._under_way: set[asyncio.Task[None]] = set()

    async def greet(self, scene: Scene, firings: Sequence[Firing]) -> Scene:
        """The call once its start webhooks have answered, or the wait is over. Errors: Unavailable."""
        room = max(0, _MOST_AT_ONCE - len(self._under_way))
        asked = [self._start(scene.state.call, firing) for firing in firings[:room]]
        if not asked or not self._wait_s:
            return scene
        await asyncio.wait(asked, timeout=self._wait_s)
        call = scene.state.call
        return await self._desk.scene(call.company_id, call.uuid) or scene

    async def close(self) -> None:
        """Give up what is under way: its lease runs out, and the worker delivers it."""
        late = list(self._under_way)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _start(self, call: Call, firing: Firing) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._ask(call, firing), name="start webhook")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _ask(self, call: Call, firing: Firing) -> None:
        """One attempt; one that fails, or that cannot be noted, is the worker's, under the same id."""
        delivery = Delivery(
            id=firing.id,
            company_id=call.company_id,
            webhook_id=firing.webhook_id,
            host=firing.host,
            attempts=0,
            payload=firing.payload,
        )
        attempt = await self._courier.attempt(delivery)
        try:
            if attempt.outcome == "delivered":
                await self._keep(call, reply_tags(attempt.body))
            noted = noted_of(delivery, attempt, draw=random())  # noqa: S311 - a pause
            await outbox.note(self._desk.pools.postgres, [noted])
        except Unavailable:
            return

    async def _keep(self, call: Call, tags: dict[str, str]) -> None:
        """Put tags on the call as it stands now; one that is over has no decision left to see them."""
        for _ in range(ATTEMPTS if tags else 0):
            found = await find_call(self._desk.pools.postgres, call.company_id, uuid=call.uuid)
            if found is None or found.state.call.ended_ms:
                return
            if await save_change(
                self._desk.pools.postgres, Saving(change=CallChange(state=found.state, tags=tags))
            ):
                return
