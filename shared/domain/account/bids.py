"""A buyer's bid in an account file: a fixed revenue, or the request that asks for one.

Owns the names and ranges of a downstream request's fields, and how they go over a template's. Must never send one.
Source: rtb.md, downstream pings.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.account import values
from shared.domain.account.entities import Ask, Bid
from shared.domain.account.fields import Fields
from shared.domain.asks import read_path
from shared.domain.request_text import Unsendable, fill_url

_LONGEST_BODY = 16_384
_LONGEST_NAME = 64

Templates = Mapping[str, Mapping[str, Any]]
NO_TEMPLATES: Templates = {}


def read_bid(fields: Fields, templates: Templates = NO_TEMPLATES) -> Bid:
    """The bid. Shape: revenue, or the request's own fields; not both."""
    if fields.has("url") or fields.has("template"):
        bid = _request(fields, templates)
    else:
        if not fields.has("revenue"):
            fields.note("", "needs a revenue, or a url to ask")
        bid = Bid(revenue=fields.money("revenue"))
    fields.close()
    return bid


def _request(fields: Fields, templates: Templates) -> Bid:
    if fields.money("revenue") is not None:
        fields.note("", "has either a revenue or a url, not both")
    name = fields.text("template")
    if name in templates:
        fields.complete(templates[name])
    elif name:
        fields.note("template", f"is one of {', '.join(templates)}")
    return Bid(
        ask=_ask(fields),
        hide_caller_number=fields.truth("hide_caller_number"),
        post=_post(fields.inner("post")) if fields.has("post") else None,
    )


def _post(fields: Fields) -> Ask:
    post = _ask(fields)
    fields.close()
    return post


def _ask(fields: Fields) -> Ask:
    return Ask(
        url=fields.read("url", _url, default="", needed=True),
        method=fields.choice("method", values.METHODS, default="GET"),
        headers=_headers(fields),
        body=fields.text("body", longest=_LONGEST_BODY),
        timeout_ms=fields.whole_or_none("timeout_ms", 50, most=30_000),
        output_map=_output_map(fields),
        accept_when=fields.read("accept_when", values.rule, default=""),
    )


def _url(text: str) -> str:
    filled = fill_url(values.url(text), {})
    if isinstance(filled, Unsendable):
        raise ValueError(f"cannot be asked: {filled.why}")
    return text


def _headers(fields: Fields) -> dict[str, str]:
    """Of two spellings of one name the later counts: the file's own after a template's."""
    given = fields.named_texts("headers", longest=2048)
    spelt = {name.lower(): name for name in given}
    return {name: value for name, value in given.items() if spelt[name.lower()] == name}


def _output_map(fields: Fields) -> dict[str, str]:
    """Paths by what is found there. Shape: an empty path = the answer has no such part."""
    given = fields.named_texts("output_map")
    for name, path in given.items():
        where = f"output_map.{name[:_LONGEST_NAME]}"
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            fields.note(where, f"is the name of a tag: 1 to {_LONGEST_NAME} printable characters")
        try:
            read_path(path) if path else ()
        except ValueError as mistake:
            fields.note(where, str(mistake))
    return given
