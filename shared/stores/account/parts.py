"""The parts of an account that are kept as JSON or over several columns.

Owns how they are written and read back. Must never run SQL.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from asyncpg import Record
from msgspec import Struct

from shared.domain.account.entities import Ask, Bid, Conversion
from shared.domain.caps import Caps
from shared.domain.schedule import Block

Resolve = Callable[[Sequence[str]], list[str]]

_encode = msgspec.json.Encoder().encode
_plain = msgspec.json.Decoder().decode
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_names = msgspec.json.Decoder(dict[str, str]).decode
_blocks = msgspec.json.Decoder(tuple[Block, ...]).decode


class _StoredConversion(Conversion, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a criteria group, without what is not set."""


_conversions = msgspec.json.Decoder(tuple[_StoredConversion, ...]).decode


def write_json(value: object) -> str:
    """Texts, names, blocks and such."""
    return _encode(value).decode()


def read_texts(text: str) -> tuple[str, ...]:
    """A list of texts."""
    return _texts(text)


def read_names(text: str) -> dict[str, str]:
    """A mapping of names to texts."""
    return _names(text)


def read_blocks(text: str) -> tuple[Block, ...]:
    """Business hours."""
    return _blocks(text)


def write_conversions(conversions: tuple[Conversion, ...]) -> str:
    """The entries of a criteria group; money as decimal text."""
    return write_json([_set_fields(each) for each in conversions])


def read_conversions(text: str) -> tuple[Conversion, ...]:
    """The same, read back."""
    return tuple(Conversion(**msgspec.structs.asdict(each)) for each in _conversions(text))


def write_bid(bid: Bid | None, resolved: Resolve) -> str | None:
    """`{"revenue": "25.00"}`, or the request with its own fields. Shape: resolved puts rules as they are stored."""
    if bid is None:
        return None
    if bid.ask is None:
        return write_json({"revenue": bid.revenue})
    whole = _ask(bid.ask, resolved)
    if bid.hide_caller_number:
        whole["hide_caller_number"] = True
    if bid.post is not None:
        whole["post"] = _ask(bid.post, resolved)
    return write_json(whole)


def _ask(ask: Ask, resolved: Resolve) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(ask)
    if ask.accept_when:
        whole["accept_when"] = resolved([ask.accept_when])[0]
    return whole


def read_bid(text: str | None) -> Bid | None:
    """The same, read back."""
    if text is None:
        return None
    whole: dict[str, Any] = _plain(text)
    if "url" not in whole:
        return Bid(revenue=Decimal(str(whole["revenue"])))
    post = whole.pop("post", None)
    hidden = whole.pop("hide_caller_number", False)
    return Bid(
        ask=msgspec.convert(whole, Ask),
        hide_caller_number=hidden,
        post=None if post is None else msgspec.convert(post, Ask),
    )


def caps_columns(caps: Caps) -> tuple[int | None, ...]:
    """Caps in the order of their columns: concurrency, hard, hourly, daily, monthly."""
    return caps.concurrency, caps.hard, caps.hourly, caps.daily, caps.monthly


def read_caps(row: Record | Mapping[str, Any]) -> Caps:
    """Caps out of the columns cap_*."""
    return Caps(
        concurrency=row["cap_concurrency"],
        hard=row["cap_hard"],
        hourly=row["cap_hourly"],
        daily=row["cap_daily"],
        monthly=row["cap_monthly"],
    )


def _set_fields(struct: Struct) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not None}
