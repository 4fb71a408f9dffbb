"""What a buyer's answers mean: a bid, or why there is none.

Owns the bounds of a price and of a number to dial. Must never trust a part of an answer that it has not judged, nor raise for
one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.asks import ACCEPTED, BID, MEANINGS, SECONDS, Ask, Asking, Path
from shared.domain.money import read_sent_amount
from shared.domain.outgoing import Failed, Failure, Reply
from shared.domain.parameters import MOST_TAGS
from shared.domain.phone import read_e164
from shared.domain.routing.profile import kept_texts
from shared.domain.tags import passes
from shared.pinging.buyer_wire.nouns import Bid, NoBid, Why
from shared.pinging.buyer_wire.trees import JsonTree, XmlTree, read_tree

MOST_BYTES = 64 * 1024
DEAREST = Decimal(10_000)
_LONGEST_CALL_S = 86_400
_KEPT = Decimal("0.0001")
_YES = frozenset({"true", "1", "yes", "ok", "accepted", "success"})
_FAILURES: Mapping[Failure, Why] = {
    Failure.TIMEOUT: Why.LATE,
    Failure.TOO_LARGE: Why.TOO_LARGE,
    **dict.fromkeys((Failure.INVALID, Failure.ADDRESS, Failure.BUSY, Failure.SHUT), Why.NOT_ASKED),
}
_price = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,2})?").fullmatch
_seconds = re.compile(r"([0-9]{1,6})(?:\.0{1,6})?").fullmatch
# Narrower than what an account's own file may hold: nothing that adds headers or parameters to the call.
_sip = re.compile(
    r"(sips?:)?[A-Za-z0-9+._~%-]{1,128}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?(?:;transport=(?:udp|tcp|tls))?"
).fullmatch


class _Said(Struct, frozen=True, kw_only=True):
    """A readable answer. Shape: parts by the buyer's own names; tags, unprefixed; tags claim nothing of the caller."""

    parts: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


def read_reply(asking: Asking, came: Reply | Failed) -> Bid | NoBid:
    """What the ping brought."""
    said = _said(asking.ping, came)
    if isinstance(said, NoBid):
        return said
    if not said.parts or not _accepts(asking.ping, said.parts):
        return _no(Why.DECLINED, came)
    revenue = _revenue(asking.ping, said.parts)
    if isinstance(revenue, Why):
        return _no(revenue, came)
    number = _number(asking, said.parts)
    if number is None or (not number and asking.number_from and asking.post is None):
        return _no(Why.NUMBER, came)
    return Bid(
        revenue=revenue,
        number=number,
        seconds=_length(said.parts.get(SECONDS, "")),
        tags=kept_texts(said.tags, asking.tag_prefix),
        said=said.parts,
    )


def read_post(asking: Asking, came: Reply | Failed, *, bid: Bid) -> Bid | NoBid:
    """What the post brought: the bid with its last word on the number and on tags, never on the price.

    Shape: an answer that cannot be read says nothing, and is a yes unless something is asked of it.
    """
    assert asking.post is not None, "read only of buyers that were posted to"
    said = _said(asking.post, came)
    if isinstance(said, NoBid) and said.why is not Why.UNREADABLE:
        return said
    told = _Said() if isinstance(said, NoBid) else said
    if not _accepts(asking.post, told.parts):
        return _no(Why.DECLINED, came)
    number = _number(asking, told.parts)
    if number is None or (asking.number_from and not (number or bid.number)):
        return _no(Why.NUMBER, came)
    tags = {**bid.tags, **kept_texts(told.tags, asking.tag_prefix)}
    return replace(bid, number=number or bid.number, tags=tags, said={**bid.said, **told.parts})


def _no(why: Why, came: Reply | Failed) -> NoBid:
    return NoBid(why=why, status=came.status if isinstance(came, Reply) else 0)


def _said(ask: Ask, came: Reply | Failed) -> _Said | NoBid:
    if isinstance(came, Failed):
        return _no(_FAILURES.get(came.kind, Why.NO_ANSWER), came)
    if not came.is_success:
        return _no(Why.STATUS, came)
    if len(came.body) > MOST_BYTES:
        return _no(Why.TOO_LARGE, came)
    if not came.body.strip():
        return _Said()
    tree = read_tree(came.body)
    if tree is None:
        return _no(Why.UNREADABLE, came)
    outputs = {name: text for name, paths in ask.outputs.items() if (text := _first(tree, paths)) is not None}
    root = dict(islice(_sayable(tree.root()), MOST_TAGS))
    mapped = {name: text for name, text in _sayable(outputs.items()) if name not in MEANINGS}
    unmapped = {name: text for name, text in root.items() if name not in ask.outputs}
    return _Said(parts={**unmapped, **outputs}, tags={**root, **mapped})


def _first(tree: JsonTree | XmlTree, paths: Sequence[Path]) -> str | None:
    """The first that says something; an empty one when none does, None when there is none at all."""
    blank = None
    for path in paths:
        text = tree.find(path)
        if text and not text.isspace():
            return text
        blank = text if blank is None else blank
    return blank


def _sayable(told: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Without who the caller is and where: its number and its publisher say that, not a buyer."""
    return (each for each in told if not each[0].startswith("caller_") and each[0] != "geo")


def _accepts(ask: Ask, parts: Mapping[str, str]) -> bool:
    accepted = parts.get(ACCEPTED)
    if accepted is None:
        return not ask.must_accept and passes(ask.accept, parts)
    return accepted.strip().casefold() in _YES and passes(ask.accept, parts)


def _revenue(ask: Ask, parts: Mapping[str, str]) -> Decimal | Why | None:
    """The price; None when the answers of this buyer have none."""
    if not ask.outputs[BID]:
        return None
    text = parts.get(BID, "").strip()
    if not text:
        return Why.NO_PRICE
    sent = Decimal(text) if _price(text) else read_sent_amount(text)
    if sent is None or sent > DEAREST:
        return Why.PRICE
    return sent.quantize(_KEPT, ROUND_HALF_UP) or Why.DECLINED


def _number(asking: Asking, parts: Mapping[str, str]) -> str | None:
    """Where to dial; "" when the answer does not say, None when it says what cannot be dialled."""
    name = asking.number_from
    text = (parts.get(name) or parts.get(name.removeprefix(asking.tag_prefix), "")).strip() if name else ""
    if not text:
        return ""
    sip = _sip(text)
    if sip:
        return text if sip[1] else f"sip:{text}"
    return read_e164(text)


def _length(text: str) -> int | None:
    whole = _seconds(text.strip())
    return int(whole[1]) if whole and int(whole[1]) <= _LONGEST_CALL_S else None
