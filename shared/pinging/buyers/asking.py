"""One round of questions to buyers, all at once, and what was heard by its end.

Owns the round's time: one timer, whatever the number of buyers. Must never wait for one who does not answer in time, nor use
what came late.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from msgspec import Struct

from shared.domain.outgoing import Failed, Failure, Message, Reply
from shared.metrics import BUYER_REQUESTS, BUYER_SECONDS
from shared.pinging.buyers.exchange import Exchange
from shared.pinging.buyers.pool import Pool
from shared.pinging.buyers.request import write_request
from shared.pinging.buyers.standing import Standing, Standings

_EARLY_S = 0.001  # the loop's clock counts whole milliseconds: a timer may come this much before its time
_FAIR_MS = 100
_LATE = Failed(kind=Failure.TIMEOUT)
_INVALID = Failed(kind=Failure.INVALID)
# They say nothing of the buyer: the request was none, or there was no place for it here.
_OURS = frozenset({Failure.INVALID, Failure.BUSY})
_NEVER_SENT = frozenset({*_OURS, Failure.SHUT})
_SECONDS = {kind: BUYER_SECONDS.cell(kind) for kind in ("ping", "post")}


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """One buyer, and what it is asked. Units: timeout_ms of its own; the round's deadline holds as well."""

    buyer_id: int
    message: Message
    timeout_ms: int


class Heard(Struct, frozen=True, kw_only=True, gc=False):
    """What came of asking one buyer. Units: ms from asking to the answer, or to giving up."""

    buyer_id: int
    came: Reply | Failed
    ms: int

    @property
    def is_late(self) -> bool:
        """Whether it did not answer in its time."""
        return isinstance(self.came, Failed) and self.came.kind is Failure.TIMEOUT


class Manner(Struct, frozen=True, kw_only=True):
    """How a kind of request is sent. Units: idle_s as an exchange's."""

    kind: str
    idle_s: float
    may_repeat: bool
    minds_breaker: bool


# A ping is a question: asked twice, it costs nothing. So it may meet a connection that has gone, and is then asked once more.
PING = Manner(kind="ping", idle_s=float("inf"), may_repeat=True, minds_breaker=True)
# A post sells a call: it is sent once. It takes a connection that answered just now, or a new one. Its buyer has bid a moment
# ago, so that its breaker is not asked.
POST = Manner(kind="post", idle_s=1.0, may_repeat=False, minds_breaker=False)


class _Question(Struct, frozen=True, kw_only=True):
    """One who is still to be heard. Units: due_s of the loop's clock. Shape: fair when its time is enough to judge it."""

    place: int
    buyer_id: int
    standing: Standing
    turn: int
    due_s: float
    fair: bool


class Round:
    """The questions of one ping, or the post to its winner. Units: deadline_s of the loop's clock."""

    def __init__(
        self, pool: Pool, standings: Standings, *, manner: Manner, deadline_s: float, traceparent: str
    ) -> None:
        self._pool = pool
        self._standings = standings
        self._manner = manner
        self._deadline_s = deadline_s
        self._traceparent = traceparent
        self._began_s = perf_counter()
        self._heard: dict[int, Heard] = {}
        self._open: dict[Exchange, _Question] = {}
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, asked: Sequence[Asked]) -> list[Heard]:
        """What was heard of each, in their order, by the deadline at the latest."""
        loop = self._pool.loop
        now_s = loop.time()
        for place, each in enumerate(asked):
            self._begin(place, each, now_s=now_s)
        if self._open:
            self._done = loop.create_future()
            self._keep_time()
            try:
                await self._done
            finally:
                self._leave()
        return [self._heard[place] for place in range(len(asked))]

    def _begin(self, place: int, asked: Asked, *, now_s: float) -> None:
        due_s = min(self._deadline_s, now_s + asked.timeout_ms / 1_000)
        if due_s <= now_s:
            self._note(place, asked.buyer_id, came=_LATE)
            return
        request = write_request(asked.message, self._traceparent)
        if request is None:
            self._note(place, asked.buyer_id, came=_INVALID)
            return
        standing = self._standings.of(asked.buyer_id)
        turn = self._standings.admit(standing, int(now_s * 1_000), minds_breaker=self._manner.minds_breaker)
        if isinstance(turn, Failed):
            self._note(place, asked.buyer_id, came=turn)
            return
        exchange = Exchange(request, self, idle_s=self._manner.idle_s, may_repeat=self._manner.may_repeat)
        self._open[exchange] = _Question(
            place=place,
            buyer_id=asked.buyer_id,
            standing=standing,
            turn=turn,
            due_s=due_s,
            fair=(due_s - now_s) * 1_000 >= min(asked.timeout_ms, _FAIR_MS),
        )
        self._pool.begin(exchange)

    def ended(self, exchange: Exchange, came: Reply | Failed) -> None:
        """A buyer was heard, or will not be."""
        question = self._open.pop(exchange)
        now_s = self._pool.loop.time()
        if isinstance(came, Reply) and now_s > question.due_s + _EARLY_S:
            came = _LATE
        self._standings.ended(
            question.standing,
            question.turn,
            now_ms=int(now_s * 1_000),
            well=_is_well(came, fair=question.fair),
        )
        self._note(question.place, question.buyer_id, came=came)
        if not self._open and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _note(self, place: int, buyer_id: int, *, came: Reply | Failed) -> None:
        seconds = perf_counter() - self._began_s
        outcome = came.kind if isinstance(came, Failed) else "answered" if came.is_success else "status"
        BUYER_REQUESTS.add(self._manner.kind, outcome)
        if outcome not in _NEVER_SENT:
            _SECONDS[self._manner.kind].observe(seconds)
        self._heard[place] = Heard(buyer_id=buyer_id, came=came, ms=round(seconds * 1_000))

    def _keep_time(self) -> None:
        loop = self._pool.loop
        now_s = loop.time() + _EARLY_S
        for exchange, question in tuple(self._open.items()):
            if question.due_s <= now_s:
                exchange.give_up()
                self.ended(exchange, _LATE)
        if self._open:
            self._timer = loop.call_at(min(each.due_s for each in self._open.values()), self._keep_time)

    def _leave(self) -> None:
        """Nobody waits for the round any more: all have been heard, or its ping was given up."""
        if self._timer is not None:
            self._timer.cancel()
        now_ms = int(self._pool.loop.time() * 1_000)
        for exchange, question in self._open.items():
            exchange.give_up()
            self._standings.ended(question.standing, question.turn, now_ms=now_ms, well=None)
        self._open.clear()


def _is_well(came: Reply | Failed, *, fair: bool) -> bool | None:
    """Whether a buyer did well; None when nobody can say."""
    if isinstance(came, Reply):
        return came.status < 500
    if came.kind in _OURS or (came.kind is Failure.TIMEOUT and not fair):
        return None
    return False
