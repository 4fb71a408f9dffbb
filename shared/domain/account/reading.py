"""From the tree that an account file's text stands for to an Account, with every mistake in it.

Owns the reading of the company and its publishers, buyers, groups and directories. Must never look at another
entity than the one it reads: references.py does.
"""

from functools import partial

from msgspec.structs import replace

from shared.domain.account import values
from shared.domain.account.bids import NO_TEMPLATES, Templates, read_bid
from shared.domain.account.caller_lists import read_caller_lists
from shared.domain.account.campaigns import read_campaign
from shared.domain.account.entities import (
    Account,
    Buyer,
    BuyerGroup,
    Company,
    Directory,
    Entry,
    Publisher,
)
from shared.domain.account.fields import Fields, Problem
from shared.domain.account.postback_keys import read_postback_key
from shared.domain.caps import Caps
from shared.domain.keys import Features
from shared.domain.schedule import Block, read_zone

_ID = 128
_MOST_WEIGHT = 1_000_000
BEHAVIORS = ("separately", "simultaneously")


def read_account(tree: object, templates: Templates = NO_TEMPLATES) -> tuple[Account, list[Problem]]:
    """The account, and every mistake by itself.

    Shape: what could not be read stands in it as its default; templates are the fields of bids by their names.
    """
    problems: list[Problem] = []
    fields = Fields({} if tree is None else tree, "", problems=problems)
    account = Account(
        company=_with_top_lists(fields, _company(fields.inner("company"))),
        publishers=fields.each("publishers", _publisher),
        buyers=fields.each("buyers", partial(_buyer, templates=templates)),
        buyer_groups=fields.each("buyer_groups", _group),
        campaigns=fields.each("campaigns", read_campaign),
        directories=fields.each("directories", _directory),
        postback_keys=fields.each("postback_keys", read_postback_key),
    )
    fields.close()
    return account, problems


def _company(fields: Fields) -> Company:
    company = Company(
        name=fields.text("name", needed=True),
        time_zone=fields.read("time_zone", read_zone, default="America/New_York"),
        currency=fields.read("currency", values.currency, default="USD"),
        api_key=fields.read("api_key", values.token, default=None),
        features=_features(fields.inner("features")),
        shard=fields.whole_or_none("shard", 0, most=63),
        caller_lists=read_caller_lists(fields),
    )
    fields.close()
    return company


def _with_top_lists(fields: Fields, company: Company) -> Company:
    """The company's lists may stand in it or at the top of the file, as the file is the company's."""
    lists = read_caller_lists(fields)
    if lists and company.caller_lists:
        fields.note("caller_lists", "stand in company too: put all of them in one place")
    return replace(company, caller_lists=lists or company.caller_lists)


def _features(fields: Fields) -> Features:
    features = Features(
        real_time_bidding=fields.truth("real_time_bidding", default=True),
        live_call_control=fields.truth("live_call_control", default=True),
        reuse_tags=fields.truth("reuse_tags", default=True),
    )
    fields.close()
    return features


def _publisher(fields: Fields) -> Publisher:
    return Publisher(
        afid=fields.text("afid", longest=_ID, needed=True),
        first_name=fields.text("first_name"),
        last_name=fields.text("last_name"),
        company_name=fields.text("company_name"),
        paused=fields.truth_or_none("paused"),
    )


def _buyer(fields: Fields, *, templates: Templates) -> Buyer:
    return Buyer(
        tid=fields.text("tid", longest=_ID, needed=True),
        name=fields.text("name"),
        dba=fields.text("dba"),
        number=fields.read("number", values.buyer_number, default="", needed=True),
        priority=fields.whole("priority", 1),
        weight=fields.whole("weight", 1, least=1, most=_MOST_WEIGHT),
        timeout_seconds=fields.whole("timeout_seconds", 30, least=1, most=600),
        send_digits=fields.text("send_digits"),
        paused=fields.truth_or_none("paused"),
        time_zone=fields.read("time_zone", read_zone, default=None),
        business_hours=tuple(block for block in fields.each("business_hours", _block) if block),
        caps=_caps(fields.inner("caps")),
        tags=fields.texts("tags", values.rule),
        tag_prefix=fields.text("tag_prefix", longest=64),
        caller_lists=read_caller_lists(fields),
        bid=read_bid(fields.inner("bid"), templates) if fields.has("bid") else None,
    )


def _block(fields: Fields) -> Block | None:
    day = fields.whole("day_of_week", -1, least=0, most=6)
    if not fields.has("day_of_week"):
        fields.note("day_of_week", "is needed")
    try:
        return Block(
            day_of_week=max(day, 0),
            work_day=fields.truth("work_day", default=True),
            time_open=_hhmm(fields, "time_open", default=0),
            time_close=_hhmm(fields, "time_close", default=2400),
            inverted=fields.truth("inverted"),
        )
    except ValueError as mistake:
        fields.note("", str(mistake))
        return None


def _hhmm(fields: Fields, name: str, *, default: int) -> int:
    """HHMM as a number or a text: `0730` without quotes comes as a text, or it would be an octal number."""
    text = fields.text(name, str(default))
    if text.isascii() and text.isdigit() and len(text) <= 4:
        return int(text)
    fields.note(name, "is a time of day as HHMM, 0 to 2400")
    return default


def _caps(fields: Fields) -> Caps:
    caps = Caps(
        concurrency=fields.whole_or_none("concurrency"),
        hard=fields.whole_or_none("hard"),
        hourly=fields.whole_or_none("hourly"),
        daily=fields.whole_or_none("daily"),
        monthly=fields.whole_or_none("monthly"),
    )
    fields.close()
    return caps


def _group(fields: Fields) -> BuyerGroup:
    return BuyerGroup(
        name=fields.text("name", longest=_ID, needed=True),
        buyers=fields.texts("buyers"),
        behavior=fields.choice("behavior", BEHAVIORS, default="separately"),
        caps=_caps(fields.inner("caps")),
        priority=fields.whole("priority", 1),
        weight=fields.whole("weight", 1, least=1, most=_MOST_WEIGHT),
        paused=fields.truth_or_none("paused"),
    )


def _directory(fields: Fields) -> Directory:
    return Directory(
        name=fields.text("name", longest=_ID, needed=True),
        entries=fields.each(
            "entries",
            lambda entry: Entry(
                name=entry.text("name", longest=_ID, needed=True),
                number=entry.read("number", values.destination, default="", needed=True),
            ),
        ),
    )
