"""How a buyer is asked for its bid: the texts to send, and where in its answers their meaning stands.

Owns what a bid of an account file compiles to, and the parts that are found by themselves when nothing is mapped. Must never
send a request nor read an answer: shared/pinging does.
Source: rtb.md, downstream pings.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from shared.domain.account import entities
from shared.domain.request_text import RequestText, tokens_of
from shared.domain.tags import Rule, read_rule

Path = tuple[str | int, ...]

BID, NUMBER, SECONDS, ACCEPTED = "bid", "number", "seconds", "accepted"
MEANINGS = frozenset({BID, NUMBER, SECONDS, ACCEPTED})
# What an answer is taken to say where output_map says nothing: the first that is there, ours and rtb.md's own words.
FOUND_BY_THEMSELVES: Mapping[str, tuple[Path, ...]] = {
    BID: (("bid",), ("retreaver_payout",)),
    NUMBER: (("number",), ("inbound_number",), ("sip_address",)),
    SECONDS: (("seconds",), ("retreaver_seconds",)),
    ACCEPTED: (("accepted",),),
}
_MOST_STEPS = 16
_step = re.compile(r"\[([0-9]{1,4})\]|([^.\[\]]{1,64})")
_path = re.compile(r"(?:[^.\[\]]{1,64}|\[[0-9]{1,4}\])(?:\.[^.\[\]]{1,64}|\[[0-9]{1,4}\])*").fullmatch


class Ask(Struct, frozen=True, kw_only=True):
    """One request and how its answer is read.

    Shape: outputs has every part that is looked for, by its name, first path first; none = the answer has no such part.
    tokens are the names that the texts ask values of; must_accept = an answer without `accepted` is a no.
    Units: timeout_ms, None = the key's.
    """

    text: RequestText
    timeout_ms: int | None = None
    outputs: Mapping[str, tuple[Path, ...]]
    accept: tuple[Rule, ...] = ()
    must_accept: bool = False
    tokens: frozenset[str] = frozenset()


class Asking(Struct, frozen=True, kw_only=True):
    """How one buyer is asked.

    Shape: number_from is the part of its answer that says where to dial, by its own name or the tag's, "" = the buyer's own
    number is fixed.
    """

    ping: Ask
    post: Ask | None = None
    hide_caller_number: bool = False
    tag_prefix: str = ""
    number_from: str = ""


def read_path(text: str) -> Path:
    """Read `bidTerms[0].callMinDuration`. Errors: ValueError, one sentence."""
    steps = tuple(int(place) if place else name for place, name in _step.findall(text))
    if _path(text) is None or len(steps) > _MOST_STEPS:
        raise ValueError(
            f"is no path of at most {_MOST_STEPS} steps: write it as in bidTerms[0].callMinDuration"
        )
    return steps


def compile_bid(bid: entities.Bid | None, *, number: str, tag_prefix: str) -> Asking | None:
    """How a buyer is asked; None when it is not. Shape: number is the buyer's own, or a token such as `[number]`."""
    if bid is None or bid.ask is None:
        return None
    return Asking(
        ping=_compiled(bid.ask),
        post=None if bid.post is None else _compiled(bid.post),
        hide_caller_number=bid.hide_caller_number,
        tag_prefix=tag_prefix,
        number_from=number[1:-1] if number.startswith("[") else "",
    )


def _compiled(ask: entities.Ask) -> Ask:
    text = RequestText(method=ask.method, url=ask.url, headers=ask.headers, body=ask.body)
    mapped = {name: (read_path(path),) if path else () for name, path in ask.output_map.items()}
    return Ask(
        text=text,
        timeout_ms=ask.timeout_ms,
        outputs={**FOUND_BY_THEMSELVES, **mapped},
        accept=(read_rule(ask.accept_when),) if ask.accept_when else (),
        must_accept=bool(mapped.get(ACCEPTED)),
        tokens=tokens_of(text),
    )
