"""Tag filter rules: what a caller must be like for a buyer, a campaign, a criteria group or a webhook.

Owns the meaning of a rule and its two notations. Must never know where a tag came from.

The laws (account.md, tag filter rules):
- rules on one key AND together, except several `==`, of which one is enough;
- a caller without the tag fails every rule on it, except `!=` and `missing`;
- a tag with several values passes when one of them does, and `!=` when none is equal;
- text is compared without regard to case, numbers and `HH:MM` by their size.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from shared.domain import patterns

Tags = Mapping[str, str | tuple[str, ...]]


class Op(StrEnum):
    """How a rule compares."""

    EQUAL = "=="
    OTHER = "!="
    LEAST = ">="
    MOST = "<="
    ABOVE = ">"
    BELOW = "<"
    MATCHES = "=~"
    IN = "in"
    EXISTS = "exists"
    MISSING = "missing"


_SIZES = frozenset({Op.LEAST, Op.MOST, Op.ABOVE, Op.BELOW})
_BARE = frozenset({Op.EXISTS, Op.MISSING})
_LONGEST_VALUE = 512
_LONGEST_LIST = 32_768  # a state's worth of zip codes

_rule = re.compile(r"([^\s:=!<>~,]{1,64})(\s*:|\s*(?=[=!<>])|\s+(?=[a-z]))\s*(.*)", re.DOTALL).fullmatch
_symbol = re.compile(r"(==|!=|>=|<=|=~|>|<)\s*(.*)", re.DOTALL).fullmatch
_word = re.compile(r"(?:(in)\s+(.+)|(exists|missing))", re.DOTALL).fullmatch
_number = re.compile(r"[+-]?[0-9]{1,64}(?:\.[0-9]{1,64})?").fullmatch
_clock = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|(24):(00)").fullmatch
_between_wire_rules = re.compile(r">>>\s*,\s*<<<").split


class Rule(Struct, frozen=True, kw_only=True):
    """One comparison. Shape: value as written, `in` with commas; "" for exists and missing."""

    key: str
    op: Op = Op.EQUAL
    value: str = ""


def read_rule(text: str) -> Rule:
    """Read `key operator value`, or the shorthand `key:value`, in which `==` may be left out.

    Errors: ValueError, one sentence.
    """
    whole = _rule(text.strip())
    if whole is None:
        raise ValueError(f"{_quoted(text)} is no rule: write `key operator value`")
    key, joint, condition = whole[1], whole[2], whole[3]
    compared = _symbol(condition)
    if compared is not None:
        return _checked(key, Op(compared[1]), value=compared[2].rstrip())
    worded = _word(condition)
    if worded is not None:
        return _checked(key, Op(worded[1] or worded[3]), value=(worded[2] or "").rstrip())
    if not joint.endswith(":"):
        raise ValueError(f"{_quoted(text)} has no operator that is known: use one of {' '.join(Op)}")
    return _checked(key, Op.EQUAL, value=condition)


def _checked(key: str, op: Op, *, value: str) -> Rule:
    if op is Op.IN:
        value = ",".join(entry.strip() for entry in value.split(",") if entry.strip())
    if not value and op not in _BARE:
        raise ValueError(f"the rule on {key} has nothing to compare with")
    longest = _LONGEST_LIST if op is Op.IN else _LONGEST_VALUE
    if len(value) > longest:
        raise ValueError(f"the rule on {key} is longer than {longest} characters")
    if "\0" in value or "<<<" in value or ">>>" in value:
        raise ValueError(f"the rule on {key} holds a NUL, <<< or >>>")
    if op is Op.MATCHES:
        try:
            patterns.check(value)
        except ValueError as refusal:
            raise ValueError(f"the rule on {key}: {refusal}") from None
    if op in _SIZES:
        _check_size(key, op, value=value)
    return Rule(key=key, op=op, value=value)


def _check_size(key: str, op: Op, *, value: str) -> None:
    size = _size(value)
    if key == "time" and (size is None or size[0] != ":"):
        raise ValueError(f"time {op} compares with HH:MM, not with {_quoted(value)}")
    if size is None:
        raise ValueError(f"{key} {op} compares with a number or HH:MM, not with {_quoted(value)}")


def _quoted(text: str) -> str:
    return f"`{text[:80]}`"


def write_rule(rule: Rule) -> str:
    """The rule as text that read_rule reads as the same rule."""
    return f"{rule.key} {rule.op} {rule.value}".rstrip()


def read_wire(text: str) -> tuple[Rule, ...]:
    """Read `<<<state:CA>>>,<<<age:>=25>>>`; nothing at all is no rules.

    Errors: ValueError, one sentence.
    """
    bare = text.strip()
    if not bare:
        return ()
    if not (bare.startswith("<<<") and bare.endswith(">>>") and len(bare) > 6):
        raise ValueError(f"{_quoted(text)} is not written as <<<key:value>>>,<<<key:value>>>")
    return tuple(read_rule(rule) for rule in _between_wire_rules(bare[3:-3]))


def write_wire(rules: Iterable[Rule]) -> str:
    """The rules in the wire's notation."""
    return ",".join(f"<<<{rule.key}:{_wire_condition(rule)}>>>" for rule in rules)


def _wire_condition(rule: Rule) -> str:
    if rule.op in _BARE:
        return str(rule.op)
    if rule.op is Op.IN:
        return f"in {rule.value}"
    if rule.op is Op.EQUAL and not (_symbol(rule.value) or _word(rule.value)):
        return rule.value
    return f"{rule.op}{rule.value}"


def passes(rules: Sequence[Rule], tags: Tags) -> bool:
    """Whether a caller with these tags is what the rules ask for."""
    return all(key_passes(same_key, tags.get(key)) for key, same_key in _by_key(tuple(rules)))


@lru_cache(maxsize=4096)
def _by_key(rules: tuple[Rule, ...]) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
    keys = dict.fromkeys(rule.key for rule in rules)
    return tuple((key, tuple(rule for rule in rules if rule.key == key)) for key in keys)


def key_passes(rules: Sequence[Rule], value: str | tuple[str, ...] | None) -> bool:
    """The same for the rules on one key. Shape: None (or no values) = the caller lacks the tag."""
    if not rules:
        return True
    if value is None or value == ():
        return all(rule.op in {Op.OTHER, Op.MISSING} for rule in rules)
    values = (value,) if isinstance(value, str) else value
    wanted = [rule for rule in rules if rule.op is Op.EQUAL]
    if wanted and not any(_passes(rule, values) for rule in wanted):
        return False
    return all(_passes(rule, values) for rule in rules if rule.op is not Op.EQUAL)


def _passes(rule: Rule, values: tuple[str, ...]) -> bool:
    if rule.op in _BARE:
        return rule.op is Op.EXISTS
    if rule.op is Op.OTHER:
        return all(value.casefold() != rule.value.casefold() for value in values)
    return any(_holds(rule, value) for value in values)


def _holds(rule: Rule, value: str) -> bool:
    if rule.op is Op.EQUAL:
        return value.casefold() == rule.value.casefold()
    if rule.op is Op.IN:
        return value.casefold() in _choices(rule.value)
    if rule.op is Op.MATCHES:
        return patterns.found(rule.value, value)
    return _size_holds(rule, value)


def _size_holds(rule: Rule, value: str) -> bool:
    asked, given = _size(rule.value), _size(value)
    if asked is None or given is None or asked[0] != given[0]:
        return False
    if rule.op is Op.ABOVE:
        return given > asked
    if rule.op is Op.BELOW:
        return given < asked
    return given >= asked if rule.op is Op.LEAST else given <= asked


def _size(text: str) -> tuple[str, Decimal] | None:
    """A number or a time of day, marked as what it is, so that only like is compared with like."""
    bare = text.strip()
    if _number(bare):
        return ("#", Decimal(bare))
    time = _clock(bare)
    if time is None:
        return None
    return (":", Decimal(int(time[1] or time[3]) * 60 + int(time[2] or time[4])))


@lru_cache(maxsize=4096)
def _choices(value: str) -> frozenset[str]:
    return frozenset(entry.strip().casefold() for entry in value.split(","))


def clock_tags(now_ms: int, zone: str) -> dict[str, str]:
    """The tags that all calls and pings have: `hour` 0 to 23, `day_of_week` 0 = Sunday, `time` HH:MM.

    Shape: one mapping a zone and minute, shared: copy before changing.
    """
    return _clock_tags(now_ms // 60_000, zone)


@lru_cache(maxsize=1024)
def _clock_tags(minute: int, zone: str) -> dict[str, str]:
    local = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
    return {
        "hour": str(local.hour),
        "day_of_week": str(local.isoweekday() % 7),
        "time": f"{local.hour:02d}:{local.minute:02d}",
    }
