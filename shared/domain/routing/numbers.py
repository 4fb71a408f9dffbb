"""Which inbound numbers a ping may be handed, in the order in which they are tried.

Owns the choice of numbers up to the script's look at the caller. Must never judge whether one is free.
"""

from shared.domain.plan import Plan

_TRIED = 8


class Pool:
    """A campaign's numbers for reservations.

    Shape: a number given to a publisher is handed out for that publisher only.
    """

    def __init__(self, plan: Plan) -> None:
        self._numbers = [number for number in plan.numbers.values() if number.rtb_pool]
        self._by_publisher: dict[int, tuple[str, ...]] = {}
        self._turned: dict[tuple[int, int], str] = {}

    def for_caller(self, caller: str, publisher_id: int) -> str:
        """Numbers from hash(caller) onwards, at most 8, comma between."""
        own = self._of(publisher_id)
        if not own:
            return ""
        start = int(caller[-9:]) % len(own)
        turned = self._turned.get((publisher_id, start))
        if turned is None:
            ring = (own + own)[start : start + min(_TRIED, len(own))]
            turned = self._turned[publisher_id, start] = ",".join(ring)
        return turned

    def for_anonymous(self, publisher_id: int) -> str:
        """The whole pool, for a lease."""
        return ",".join(self._of(publisher_id))

    def _of(self, publisher_id: int) -> tuple[str, ...]:
        own = self._by_publisher.get(publisher_id)
        if own is None:
            own = tuple(n.number for n in self._numbers if n.publisher_id in {0, publisher_id})
            self._by_publisher[publisher_id] = own
        return own
