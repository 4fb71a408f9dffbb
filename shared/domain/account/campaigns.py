"""Campaigns in an account file: routing, numbers, criteria, webhooks.

Owns the reading of a campaign whole. Must never look at another entity: references.py does.
"""

from shared.domain.account import values
from shared.domain.account.caller_lists import read_caller_lists
from shared.domain.account.entities import (
    Campaign,
    Conversion,
    Criterion,
    Number,
    Routing,
    Row,
    Webhook,
)
from shared.domain.account.fields import Fields
from shared.domain.money import read_modifier

MODES = ("priority_weight", "bid")
SIDES = ("payable", "receivable", "both")
KINDS = ("timer", "postback")
TRIGGERS = ("start", "selected", "answered", "end", "converted", "data_appended")
_FLAT = ("seconds", "revenue", "payout", "payout_modifier", "postback_timeout_seconds")
_ID = 128
_LONGEST_BODY = 65_536
_MOST_WEIGHT = 1_000_000


def read_campaign(fields: Fields) -> Campaign:
    """One campaign. Shape: with neither cid nor name it could not be found again, and is refused."""
    if not fields.has("cid") and not fields.has("name"):
        fields.note("", "needs a cid or a name")
    return Campaign(
        cid=fields.text("cid", longest=_ID),
        name=fields.text("name"),
        routing=_routing(fields.inner("routing")),
        tags=fields.texts("tags", values.rule),
        dedupe_seconds=fields.whole("dedupe_seconds", 0, least=0),
        paused=fields.truth_or_none("paused"),
        allow_loss=fields.truth("allow_loss"),
        no_target_message=fields.text("no_target_message", longest=2000),
        fallback_number=fields.read("fallback_number", values.destination, default=None),
        sub_id=fields.text("sub_id"),
        default_payout=fields.money("default_payout"),
        default_revenue=fields.money("default_revenue"),
        seconds=fields.whole_or_none("seconds"),
        numbers=fields.each("numbers", _number),
        conversion_criteria=fields.each("conversion_criteria", _criterion),
        webhooks=fields.each("webhooks", _webhook),
        caller_lists=read_caller_lists(fields),
    )


def _routing(fields: Fields) -> Routing:
    routing = Routing(
        mode=fields.choice("mode", MODES, default="priority_weight"),
        buyers=fields.each("buyers", _row),
        groups=fields.texts("groups"),
    )
    fields.close()
    return routing


def _row(fields: Fields) -> Row:
    return Row(
        tid=fields.text("tid", longest=_ID, needed=True),
        priority=fields.whole_or_none("priority", -(2**31)),
        weight=fields.whole_or_none("weight", 1, most=_MOST_WEIGHT),
    )


def _number(fields: Fields) -> Number:
    return Number(
        number=fields.read("number", values.number, default="", needed=True),
        publisher=fields.text("publisher", longest=_ID) or None,
        rtb_pool=fields.truth("rtb_pool"),
        tags=fields.named_texts("tags"),
    )


def _criterion(fields: Fields) -> Criterion:
    kind = fields.choice("kind", KINDS)
    return Criterion(
        name=fields.text("name", longest=_ID, needed=True),
        side=fields.choice("side", SIDES, default="both"),
        kind=kind,
        tags=fields.texts("tags", values.rule),
        eval_order=fields.whole("eval_order", 1),
        dedupe_seconds=fields.whole("dedupe_seconds", 0, least=0),
        conversions=_conversions(fields, kind),
    )


def _conversions(fields: Fields, kind: str) -> tuple[Conversion, ...]:
    """The entries; a single one may stand flat in the group itself."""
    flat = any(fields.has(name) for name in _FLAT)
    if flat and fields.has("conversions"):
        fields.note("conversions", "stands beside an entry that is written flat: write all in the list")
    listed = fields.each("conversions", lambda entry: _conversion(entry, kind))
    alone = _conversion(fields, kind) if flat else None
    return (alone,) if alone is not None else listed


def _conversion(fields: Fields, kind: str) -> Conversion:
    if kind == "timer" and not fields.has("seconds"):
        fields.note("seconds", "is needed in an entry of a timer")
    modifier = fields.text("payout_modifier") if fields.has("payout_modifier") else None
    if modifier is not None:
        modifier = fields.read("payout_modifier", _modifier, default=None)
    if modifier is not None and fields.has("payout"):
        fields.note("payout_modifier", "stands beside a payout: there is one of both")
    return Conversion(
        seconds=fields.whole_or_none("seconds"),
        revenue=fields.money("revenue"),
        payout=fields.money("payout"),
        payout_modifier=modifier,
        postback_timeout_seconds=fields.whole_or_none("postback_timeout_seconds", 1),
    )


def _modifier(text: str) -> str:
    read_modifier(text)
    return text.strip()


def _webhook(fields: Fields) -> Webhook:
    return Webhook(
        name=fields.text("name", longest=_ID, needed=True),
        trigger=fields.choice("trigger", TRIGGERS),
        url=fields.read("url", values.url, default="", needed=True),
        method=fields.choice("method", values.METHODS, default="POST"),
        headers=fields.named_texts("headers", longest=2048),
        body=fields.text("body", longest=_LONGEST_BODY),
        tags=fields.texts("tags", values.rule),
        fire_order=fields.whole("fire_order", 1),
        dedupe_seconds=fields.whole("dedupe_seconds", 0, least=0),
    )
