"""Numbers of callers that nobody has called from before.

Owns which numbers are possible. Must never come back to one.
"""

from collections.abc import Iterator
from itertools import count


def fresh_callers(first: int) -> Iterator[int]:
    """Ten-digit numbers from this one on, but for exchanges that there are none of: 000 to 199, and 211, 311 and so on."""
    return (number for number in count(first) if _is_possible(number // 10_000 % 1_000))


def _is_possible(exchange: int) -> bool:
    return exchange >= 200 and exchange % 100 != 11
