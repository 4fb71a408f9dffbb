"""Asking buyers: many at once, by one absolute deadline, whatever they do.

Owns the way out to buyers' servers, and what each one may take of it: connections of its host, requests under way, and none at
all while its breaker is open. Must never know what a message says or a reply means: buyer_wire does.

Failure policy: a buyer that is slow, broken, hostile or away is a Failed among the heard, and costs the others nothing. Nothing
of a message is logged, or told in a failure.
"""

from collections.abc import Sequence
from typing import Self

from msgspec import Struct

from shared.dialling import Dialler
from shared.domain.addresses import Network
from shared.domain.trace_context import trace_id_of
from shared.pinging.buyers.asking import PING, POST, Asked, Heard, Manner, Round
from shared.pinging.buyers.pool import Pool, PoolLimits
from shared.pinging.buyers.standing import Standings
from shared.pinging.rules.breaker import BreakerRule

__all__ = ["Asked", "BuyerLimits", "Buyers", "Heard"]

_NAMES_KEPT_S = 5.0
_CONNECTED_WITHIN_S = 3.0


class BuyerLimits(Struct, frozen=True, kw_only=True):
    """What a buyer, a host and all of them may take, in each process. Shape: at_once are requests under way to one buyer."""

    at_once: int = 128
    connections: PoolLimits = PoolLimits()
    breaker: BreakerRule = BreakerRule()


class Buyers:
    """Whom pings ask. Units: deadlines in seconds of the event loop's clock."""

    def __init__(self, pool: Pool, standings: Standings) -> None:
        self._pool = pool
        self._standings = standings

    @classmethod
    def open(cls, limits: BuyerLimits, *, allowed: Sequence[Network] = ()) -> Self:
        """Within the loop that will use it. Shape: allowed are networks to connect to although they are not public."""
        dialler = Dialler(allowed, names_kept_s=_NAMES_KEPT_S, within_s=_CONNECTED_WITHIN_S)
        standings = Standings(limits.breaker, most_under_way=limits.at_once)
        return cls(Pool(dialler, limits.connections), standings)

    async def close(self) -> None:
        """End what is under way."""
        await self._pool.close()

    async def ask(self, asked: Sequence[Asked], *, deadline_s: float, traceparent: str = "") -> list[Heard]:
        """What each buyer said, in the same order, at the deadline at the latest; who had not answered by then is late.

        Shape: traceparent as it came with the ping; an invalid one is not passed on.
        Cost: one timer, no task; a task for each connection that has to be made.
        """
        return await self._round(PING, deadline_s, traceparent=traceparent).ask(asked)

    async def post(self, asked: Asked, *, deadline_s: float, traceparent: str = "") -> Heard:
        """What the winner said to its call; sent once at most."""
        (heard,) = await self._round(POST, deadline_s, traceparent=traceparent).ask((asked,))
        return heard

    def _round(self, manner: Manner, deadline_s: float, *, traceparent: str) -> Round:
        trace = traceparent if traceparent and trace_id_of(traceparent) else ""
        return Round(self._pool, self._standings, manner=manner, deadline_s=deadline_s, traceparent=trace)
