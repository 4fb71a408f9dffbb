r"""Regular expressions that an account may store, and that no partner's value can turn against us.

Owns which patterns `=~` accepts, and how they are matched. Must never match one that check() would refuse.

Why not every pattern: Python's engine backtracks, and `(a+)+$` on thirty letters outlives the caller. Why
no engine of linear time: it would be one more binary dependency in the hot path, for one operator. So: the
common subset of RE2 and `re`, and of that only what has a known bound. Backtracking tries, at the very
most, each way in which a pattern can be laid over a value. Those ways can be counted from the pattern
alone, and a pattern whose ways times length pass _MOST_STEPS on a value of _LONGEST_VALUE characters is
refused when it is saved. That throws out nested repeats, repeated alternatives, and rows of `a*a*a*` or
`a?a?a?`, whatever they hide in.
"""

import re
from functools import lru_cache

from msgspec import Struct

_LONGEST_PATTERN = 200
_LONGEST_VALUE = 512
_MOST_REPEATS = 1000
_MOST_DEPTH = 20
_MOST_STEPS = 1 << 22

_quantifier = re.compile(r"(?:([*+?])|\{([0-9]{1,4})(?:(,)([0-9]{0,4}))?\})\??").match
_class = re.compile(r"\[\^?\]?+(?:[^\]\[\\]|\\[dDwWsS]|\\[^0-9A-Za-z])*\]").match
_future_set = re.compile(r"--|&&|~~|\|\|").search
_ANCHOR_ESCAPES = frozenset("bB")
_CLASS_ESCAPES = frozenset("dDwWsS")


class _Cost(Struct, frozen=True, kw_only=True):
    """What a part of a pattern costs.

    Units: ways in which it can be laid; last_ways the same when nothing comes after it; length in characters.
    """

    ways: int = 1
    last_ways: int = 1
    length: int = 1


def check(pattern: str) -> None:
    """Refuse a pattern that is too long, uses backtracking features or could take too long to try.

    Errors: ValueError, one sentence.
    """
    if not pattern or len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"a pattern has 1 to {_LONGEST_PATTERN} characters")
    if _Reader(pattern).steps() > _MOST_STEPS:
        raise ValueError("the pattern could take too long to try: anchor it with ^, or repeat less in it")
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(f"the pattern cannot be read: {error}") from None


def found(pattern: str, value: str) -> bool:
    """Whether an accepted pattern stands anywhere in the value's first 512 characters, in any case."""
    return _compiled(pattern).search(value, 0, _LONGEST_VALUE) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    check(pattern)
    return re.compile(pattern, re.IGNORECASE)


class _Reader:
    """Walks a pattern once and counts in how many ways it can be laid over a value."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def steps(self) -> int:
        """The most steps that a search may take."""
        total = 0
        for parts, anchored in self._branches():
            starts = 1 if anchored else _LONGEST_VALUE
            whole = _row(parts)
            total += starts * whole.last_ways * max(1, whole.length)
        if self._at < len(self._pattern):
            raise ValueError("the pattern has a ) without its (")
        return total

    def _branches(self) -> list[tuple[list[_Cost], bool]]:
        branches = [self._sequence()]
        while self._pattern.startswith("|", self._at):
            self._at += 1
            branches.append(self._sequence())
        return branches

    def _sequence(self) -> tuple[list[_Cost], bool]:
        anchored = self._pattern.startswith("^", self._at)
        parts: list[_Cost] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return parts, anchored

    def _atom(self) -> _Cost:
        char = self._pattern[self._at]
        if char == "(":
            return self._group()
        if char == "[":
            return self._set()
        if char == "\\":
            return self._escape()
        if char in "*+?{":
            raise ValueError(
                f"the pattern repeats nothing at {char}; write \\{char} for the character itself"
            )
        self._at += 1
        return _Cost(length=0 if char in "^$" else 1)

    def _group(self) -> _Cost:
        self._at += 1
        if self._pattern.startswith("?:", self._at):
            self._at += 2
        elif self._pattern.startswith("?", self._at):
            raise ValueError("the pattern uses (?...), of which only (?:...) is allowed")
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError(f"the pattern has more than {_MOST_DEPTH} groups in one another")
        rows = [_row(parts) for parts, _ in self._branches()]
        self._depth -= 1
        if not self._pattern.startswith(")", self._at):
            raise ValueError("the pattern has a ( without its )")
        self._at += 1
        ways = sum(row.ways for row in rows)
        return _Cost(ways=ways, last_ways=ways, length=max(row.length for row in rows))

    def _set(self) -> _Cost:
        whole = _class(self._pattern, self._at)
        if whole is None or _future_set(whole[0]):
            raise ValueError("the pattern has a [set] that cannot be read; escape [ and \\ in it")
        self._at = whole.end()
        return _Cost()

    def _escape(self) -> _Cost:
        char = self._pattern[self._at + 1 : self._at + 2]
        self._at += 2
        if char in _CLASS_ESCAPES or (char and not char.isalnum()):
            return _Cost()
        if char in _ANCHOR_ESCAPES:
            return _Cost(length=0)
        raise ValueError(f"the pattern uses \\{char}, and back-references and such are not allowed")

    def _repeated(self, part: _Cost) -> _Cost:
        sign = _quantifier(self._pattern, self._at)
        if sign is None:
            return part
        self._at = sign.end()
        if self._pattern[self._at : self._at + 1] in {"*", "+", "?", "{"}:
            raise ValueError("the pattern repeats a repeat, as in a++ or a{2}*")
        least, most = _bounds(sign)
        if most > 1 and part.ways > 1:
            raise ValueError("the pattern repeats a group that holds a repeat or an alternative")
        if most <= 1:
            ways = part.ways + 1 - least
            return _Cost(ways=ways, last_ways=ways if part.ways > 1 else 1, length=part.length)
        length = max(part.length, 1) * max(least, 1)  # what matches nothing is tried all the same
        return _Cost(ways=most - least + 1, length=length)


def _bounds(sign: re.Match[str]) -> tuple[int, int]:
    if sign[1]:
        return {"*": (0, _LONGEST_VALUE), "+": (1, _LONGEST_VALUE), "?": (0, 1)}[sign[1]]
    least = int(sign[2])
    most = int(sign[4]) if sign[4] else _LONGEST_VALUE if sign[3] else least
    if least > _MOST_REPEATS or most > _MOST_REPEATS or most < least:
        raise ValueError(f"the pattern repeats more than {_MOST_REPEATS} times, or fewer than at least")
    return least, most


def _row(parts: list[_Cost]) -> _Cost:
    """Parts one after another: each way of one with each way of the others."""
    ways = last_ways = 1
    length = 0
    for part in parts:
        last_ways = ways * part.last_ways
        ways *= part.ways
        length += part.length
    return _Cost(ways=ways, last_ways=last_ways, length=length)
