"""Money: decimal from end to end, one currency a company.

Owns how amounts are read, rounded, shown and modified. Must never let a float into a sum.
"""

import re
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

LARGEST = Decimal(1_000_000)
_LARGEST_FACTOR = Decimal(10)  # `*80` was meant as 80 %
_SHOWN = Decimal("0.01")
_KEPT = Decimal("0.0001")
_ZERO = Decimal(0)
_decimal = re.compile(r"-?(?:[0-9]{1,12}(?:\.[0-9]+)?|\.[0-9]+)").fullmatch
_grouped = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?").fullmatch
_plain = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+").fullmatch
_modifier = re.compile(r"\s*([*+-]?)\s*([0-9.]+)\s*").fullmatch


def read_amount(amount: str | int | float | Decimal, *, negative: bool = False) -> Decimal:
    """Read an amount of at most 4 decimals and at most a million.

    Errors: ValueError, one sentence: no plain number (NaN, infinity, exponent), negative unless allowed,
    too fine, too large.
    """
    text = str(amount).strip()
    if isinstance(amount, bool) or _decimal(text) is None:
        raise ValueError(f"`{text[:40]}` is no amount: write it as in 12.50")
    if text.startswith("-") and not negative:
        raise ValueError(f"`{text[:40]}` is negative")
    if len(text.partition(".")[2]) > 4:
        raise ValueError(f"`{text[:40]}` has more than 4 decimals")
    value = Decimal(text)
    if abs(value) > LARGEST:
        raise ValueError(f"`{text[:40]}` is more than {LARGEST:,}")
    return value + _ZERO  # no negative zero


def read_sent_amount(text: str) -> Decimal | None:
    """An amount as partners send it, `$1,250.00` or `1250`; None for `12,50`, an exponent, a sign and what is no number."""
    bare = text.removeprefix("$")
    if _grouped(bare):
        bare = bare.replace(",", "")
    if not _plain(bare):
        return None
    try:
        return read_amount(bare)
    except ValueError:
        return None


def rounded(amount: Decimal) -> Decimal:
    """The amount in cents, half a cent up: f"{rounded(amount)}" always has 2 decimals."""
    return amount.quantize(_SHOWN, ROUND_HALF_UP) + _ZERO


def shown(amount: Decimal) -> float:
    """The amount as a JSON number of at most 2 decimals: 12.5, 0.0. To be shown, never to be summed."""
    return float(rounded(amount))


class Change(StrEnum):
    """What a modifier does with a posted value."""

    SHARE = "*"
    MORE = "+"
    LESS = "-"
    INSTEAD = ""


class Modifier(Struct, frozen=True, kw_only=True):
    """How a payout follows from a posted value: `*0.8`, `+5`, `-2`, or `12.50` whatever was posted."""

    change: Change
    amount: Decimal

    def apply(self, posted: Decimal) -> Decimal:
        """The payout for a posted value: never below zero, kept to 4 decimals."""
        if self.change is Change.SHARE:
            payout = posted * self.amount
        elif self.change is Change.MORE:
            payout = posted + self.amount
        elif self.change is Change.LESS:
            payout = posted - self.amount
        else:
            payout = self.amount
        return max(payout, _ZERO).quantize(_KEPT, ROUND_HALF_UP)


@lru_cache(maxsize=4096)
def read_modifier(text: str) -> Modifier:
    """Read a payout modifier.

    Errors: ValueError, one sentence.
    """
    whole = _modifier(text)
    if whole is None:
        raise ValueError(f"`{text[:40]}` is no payout modifier: write *0.8, +5, -2 or 12.50")
    modifier = Modifier(change=Change(whole[1]), amount=read_amount(whole[2]))
    if modifier.change is Change.SHARE and modifier.amount > _LARGEST_FACTOR:
        raise ValueError(f"`{text[:40]}` is more than {_LARGEST_FACTOR} times: write 80 % as *0.8")
    return modifier
