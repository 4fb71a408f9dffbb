"""What waits at one moment, done in one statement: a statement costs Postgres more than a row.

Owns the queue, and the lanes that empty it. Must never hold an item back when a lane is free, nor do one twice.

Failure policy: when a group fails because Postgres is away, all that waits behind it is told so too. When a
statement of several is refused, each is tried alone, so that one cannot spoil another's.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

import asyncpg

from shared.errors import Unavailable

A = TypeVar("A")
B = TypeVar("B")
Act: TypeAlias = Callable[[Sequence[A]], Awaitable[Sequence[B]]]
_REFUSED = (asyncpg.PostgresError, asyncpg.InterfaceError)


class Together(Generic[A, B]):
    """Does what is asked for by several tasks in groups.

    Shape: act answers a group in its order. Only what is alike goes together; what has the same name never does. A group
    goes in the order of names, so that two groups that lock rows do not wait for each other in a circle.
    """

    def __init__(
        self,
        act: Act[A, B],
        *,
        lanes: int,
        most: int,
        alike: Callable[[A], Hashable] | None = None,
        name: Callable[[A], tuple[str, ...]] | None = None,
    ) -> None:
        self._act = act
        self._lanes = lanes
        self._most = most
        self._alike = alike
        self._name = name
        self._waiting: deque[_Waiting[A, B]] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._woken = 0

    async def ask(self, item: A) -> B:
        """The answer to one item. Errors: Unavailable, or what its statement was refused with."""
        waiting: _Waiting[A, B] = _Waiting(item)
        self._waiting.append(waiting)
        if self._idle and len(self._waiting) > self._woken * self._most:
            self._woken += 1
            self._idle.pop().set_result(None)
        return await waiting.answer

    async def run(self) -> None:
        """Empty the queue until cancelled."""
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._lanes):
                    lanes.create_task(self._lane())
        finally:
            self._give_up()

    async def _lane(self) -> None:
        while True:
            if not self._waiting:
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle  # whoever else asks in the same tick comes along
                self._woken -= 1
            group = self._take()
            if group:
                await self._do(group)

    def _take(self) -> "list[_Waiting[A, B]]":
        """The first that waits, and what may go with it."""
        group: list[_Waiting[A, B]] = []
        left: list[_Waiting[A, B]] = []
        names: set[tuple[str, ...]] = set()
        while self._waiting and len(group) < self._most:
            each = self._waiting.popleft()
            if each.answer.done():  # nobody waits for it any more
                continue
            if group and not self._may_join(each.item, group[0].item, names=names):
                left.append(each)
                continue
            group.append(each)
            if self._name:
                names.add(self._name(each.item))
        self._waiting.extendleft(reversed(left))
        return group

    def _may_join(self, item: A, first: A, *, names: set[tuple[str, ...]]) -> bool:
        if self._alike and self._alike(item) != self._alike(first):
            return False
        return self._name is None or self._name(item) not in names

    async def _do(self, group: "list[_Waiting[A, B]]") -> None:
        name = self._name
        if name and len(group) > 1:
            group.sort(key=lambda each: name(each.item))
        try:
            answers = await self._act([each.item for each in group])
            for each, answer in zip(group, answers, strict=True):
                each.settle(answer)
        except Unavailable:
            self._give_up()
        except _REFUSED as refused:
            if len(group) == 1:
                group[0].fail(refused)
            for each in group if len(group) > 1 else ():
                await self._do([each])
        finally:
            for each in group:
                each.fail(
                    Unavailable("postgres")
                )  # what has no answer yet: Postgres is away, or this lane ends

    def _give_up(self) -> None:
        while self._waiting:
            self._waiting.popleft().fail(Unavailable("postgres"))


class _Waiting(Generic[A, B]):
    """An item, and who waits for its answer."""

    def __init__(self, item: A) -> None:
        self.item = item
        self.answer: asyncio.Future[B] = asyncio.get_running_loop().create_future()

    def settle(self, answer: B) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
