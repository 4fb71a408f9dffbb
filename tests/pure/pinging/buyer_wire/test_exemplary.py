"""The exemplary cases: a buyer of an account file, what it is sent about one ping, and what its answers mean.

A file has: name; buyer (its number, tag_prefix and bid, as in an account file); request (method, url, headers, and the body as
json or text); reply (status 200 unless given, and json or text); then bid, or no_bid with its why; and post with a request, a
reply and what comes of it.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shared.domain.account.reading import read_account
from shared.domain.asks import Asking, compile_bid
from shared.domain.outgoing import Message, Reply
from shared.pinging.buyer_wire import Bid, NoBid, Why, read_post, read_reply, write_ask, write_post
from shared.stores.account.bid_templates import load_bid_templates
from tests.pure.pinging.buyer_wire.buyers import CALLER, FACTS, SECRETS
from tests.pure.pinging.buyer_wire.buyers import reply as a_reply

FILES = sorted((Path(__file__).parent / "exemplary").glob("*.json"))
FIELDS = {"name", "buyer", "request", "reply", "bid", "no_bid", "post"}
KINDS = ("accepted", "rejected", "malformed")
PING = replace(FACTS, tags={**FACTS.tags, "name": "Bell & <Son>"})
HIDDEN = SECRETS.hidden(CALLER, FACTS.company_id)


def asking_of(buyer: dict[str, Any]) -> Asking:
    """The buyer as an account file brings it, template and all."""
    account, problems = read_account({"buyers": [{"tid": "a", **buyer}]}, load_bid_templates())
    assert [problem for problem in problems if problem.path != "company.name"] == []
    (read,) = account.buyers
    compiled = compile_bid(read.bid, number=read.number, tag_prefix=read.tag_prefix)
    assert compiled is not None
    return compiled


def is_as_told(message: Message | NoBid, told: dict[str, Any]) -> None:
    assert isinstance(message, Message)
    assert (message.method, message.url, message.headers) == (told["method"], told["url"], told["headers"])
    body = message.body.decode().replace(HIDDEN, "<hidden caller>")
    assert ("json" in told and json.loads(body) == told["json"]) or body == told.get("body", "")


def reply_of(told: dict[str, Any]) -> Reply:
    return a_reply(told["text"] if "text" in told else json.dumps(told["json"]), told.get("status", 200))


def said_by(heard: Bid | NoBid) -> dict[str, Any]:
    if isinstance(heard, NoBid):
        return {"no_bid": heard.why}
    plain = {"number": heard.number, "seconds": heard.seconds, "tags": heard.tags}
    return {"bid": {"revenue": heard.revenue, **plain}}


def expected_of(told: dict[str, Any]) -> dict[str, Any]:
    if "no_bid" in told:
        return {"no_bid": Why(told["no_bid"])}
    revenue = told["bid"]["revenue"]
    return {"bid": {**told["bid"], "revenue": None if revenue is None else Decimal(revenue)}}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_exemplary_case(file: Path) -> None:
    case = json.loads(file.read_text())
    assert case.keys() <= FIELDS
    asking = asking_of(case["buyer"])
    is_as_told(write_ask(asking, PING, secrets=SECRETS), case["request"])
    heard = read_reply(asking, reply_of(case["reply"]))
    assert said_by(heard) == expected_of(case)
    if "post" in case:
        assert isinstance(heard, Bid)
        post = case["post"]
        is_as_told(write_post(asking, PING, secrets=SECRETS, bid=heard), post["request"])
        assert said_by(read_post(asking, reply_of(post["reply"]), bid=heard)) == expected_of(post)


def test_every_template_has_its_cases() -> None:
    stems = {file.stem for file in FILES}
    wanted = {f"{template}_{kind}" for template in load_bid_templates() for kind in KINDS}
    assert wanted - stems == set()
    assert len({json.loads(file.read_text())["name"] for file in FILES}) == len(FILES)
