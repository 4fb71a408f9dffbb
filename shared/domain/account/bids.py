"""A buyer's bid in an account file: a fixed revenue, or the request that asks for one.

Owns the names and ranges of a downstream request's fields. Must never send one.
Source: rtb.md, downstream pings.
"""

from shared.domain.account import values
from shared.domain.account.entities import Ask, Bid
from shared.domain.account.fields import Fields

_LONGEST_BODY = 16_384


def read_bid(fields: Fields) -> Bid:
    """The bid. Shape: revenue, or the request's own fields; not both."""
    revenue = fields.money("revenue")
    if fields.has("url"):
        if revenue is not None:
            fields.note("", "has either a revenue or a url, not both")
        bid = Bid(
            ask=_ask(fields),
            hide_caller_number=fields.truth("hide_caller_number"),
            post=_post(fields.inner("post")) if fields.has("post") else None,
        )
    else:
        if not fields.has("revenue"):
            fields.note("", "needs a revenue, or a url to ask")
        bid = Bid(revenue=revenue)
    fields.close()
    return bid


def _post(fields: Fields) -> Ask:
    post = _ask(fields)
    fields.close()
    return post


def _ask(fields: Fields) -> Ask:
    return Ask(
        url=fields.read("url", values.url, default="", needed=True),
        method=fields.choice("method", values.METHODS, default="GET"),
        headers=fields.named_texts("headers", longest=2048),
        body=fields.text("body", longest=_LONGEST_BODY),
        timeout_ms=fields.whole_or_none("timeout_ms", 50, most=30_000),
        output_map=fields.named_texts("output_map"),
        accept_when=fields.read("accept_when", values.rule, default=""),
    )
