"""Which inbound numbers a ping may be handed, in the order in which they are tried.

Owns the choice of numbers up to the script's look at the caller. Must never judge whether one is free.
"""

from shared.domain.plan import Plan

_TRIED = 32
_RINGS_KEPT = 1_024


class Pool:
    """A campaign's numbers for reservations.

    Shape: a number given to a publisher is handed out for that publisher only.
    """

    def __init__(self, plan: Plan) -> None:
        pool = [number for number in plan.numbers.values() if number.rtb_pool]
        self._shared = tuple(number.number for number in pool if not number.publisher_id)
        self._own = {
            publisher_id: tuple(n.number for n in pool if n.publisher_id in {0, publisher_id})
            for publisher_id in {number.publisher_id for number in pool}
        }
        self._rings: dict[tuple[int, int], str] = {}

    def choice(self, caller: str, publisher_id: int) -> str:
        """The numbers that a caller (E.164, "" = anonymous) may be given, best first, comma between."""
        return self.for_caller(caller, publisher_id) if caller else self.for_anonymous(publisher_id)

    def for_caller(self, caller: str, publisher_id: int) -> str:
        """Numbers from hash(caller) onwards, at most 32, comma between."""
        numbers = self._of(publisher_id)
        if not numbers:
            return ""
        start = int(caller[-9:]) % len(numbers)
        return self._rings.get((publisher_id, start)) or self._ring(publisher_id, start)

    def _ring(self, publisher_id: int, start: int) -> str:
        """The numbers from one of them onwards, written once; 1,024 are kept, which is half a megabyte at most."""
        numbers = self._of(publisher_id)
        ring = numbers[start : start + _TRIED]
        text = ",".join(ring + numbers[: min(start, _TRIED - len(ring))])
        if len(self._rings) < _RINGS_KEPT:
            self._rings[publisher_id, start] = text
        return text

    def for_anonymous(self, publisher_id: int) -> str:
        """The whole pool, for a lease."""
        return ",".join(self._of(publisher_id))

    def _of(self, publisher_id: int) -> tuple[str, ...]:
        return self._own.get(publisher_id, self._shared)
