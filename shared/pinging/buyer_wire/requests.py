"""The requests to a buyer: the ping that asks for its bid, and the post to the winner.

Owns what each token means. Must never say more than the texts ask for, nor the caller's number before the buyer has won when it
is to be hidden.
"""

from collections.abc import Callable, Mapping

from shared.domain.asks import Ask, Asking
from shared.domain.outgoing import Message
from shared.domain.phone import nanp_of
from shared.domain.request_text import Unsendable, fill_request
from shared.pinging.buyer_wire.nouns import Bid, Facts, NoBid, Secrets, Why

Meaning = Callable[[Facts, Secrets], str]

_NOTHING: Mapping[str, str] = {}


def _hidden(facts: Facts, secrets: Secrets) -> str:
    return secrets.hidden(facts.caller, facts.company_id)


# Ours win over tags that are called the same.
_MEANINGS: Mapping[str, Meaning] = {
    "caller_number": lambda facts, _: facts.caller,
    "nanp_caller_number": lambda facts, _: nanp_of(facts.caller),
    "call_uuid": lambda facts, _: facts.call_uuid,
    "call_key": lambda facts, secrets: secrets.key_of(facts.call_uuid),
    "campaign_id": lambda facts, _: facts.campaign_id,
    **dict.fromkeys(("publisher_id", "source_id", "affiliate_id"), lambda facts, _: facts.publisher_id),
}
_HIDDEN: Mapping[str, Meaning] = {**_MEANINGS, "caller_number": _hidden, "nanp_caller_number": _hidden}


def write_ask(asking: Asking, facts: Facts, *, secrets: Secrets) -> Message | NoBid:
    """The ping. Errors: NoBid when no request can be made with these values."""
    meanings = _HIDDEN if asking.hide_caller_number else _MEANINGS
    values = {name: _value(name, facts, secrets=secrets, meanings=meanings) for name in asking.ping.tokens}
    return _message(asking.ping, values)


def write_post(asking: Asking, facts: Facts, *, secrets: Secrets, bid: Bid) -> Message | NoBid:
    """The post to the winner, with the caller's number; what it said itself comes before the caller's tags.

    Shape: only of a buyer that has a post.
    """
    assert asking.post is not None, "asked only of buyers that want a post"
    said = {**bid.tags, **bid.said}
    values = {
        name: _value(name, facts, secrets=secrets, meanings=_MEANINGS, said=said)
        for name in asking.post.tokens
    }
    return _message(asking.post, values)


def _value(
    name: str,
    facts: Facts,
    *,
    secrets: Secrets,
    meanings: Mapping[str, Meaning],
    said: Mapping[str, str] = _NOTHING,
) -> str:
    meaning = meanings.get(name)
    if meaning is not None:
        return meaning(facts, secrets)
    value = said[name] if name in said else facts.tags.get(name, "")
    return value if isinstance(value, str) else ",".join(value)


def _message(ask: Ask, values: Mapping[str, str]) -> Message | NoBid:
    message = fill_request(ask.text, values)
    return NoBid(why=Why.NOT_ASKED) if isinstance(message, Unsendable) else message
