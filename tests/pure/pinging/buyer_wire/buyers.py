"""A buyer that is asked, and a ping to ask it about."""

from typing import Any

from shared.domain.account.entities import Ask as FileAsk
from shared.domain.account.entities import Bid as FileBid
from shared.domain.asks import Asking, compile_bid
from shared.domain.outgoing import Message, Reply
from shared.pinging.buyer_wire import Bid, Facts, NoBid, Secrets, Why, read_reply, write_ask

URL = "https://buyer.test/ping"
CALLER = "+13105551212"
UUID = "01890a5d-ac96-7000-8000-123456789abc"
SECRETS = Secrets(b"pepper-of-the-tests")
FACTS = Facts(
    company_id=7,
    call_uuid=UUID,
    caller=CALLER,
    campaign_id="auto",
    publisher_id="pub a",
    tags={
        "age": "42",
        "caller_state": "CA",
        "caller_zip": "90210",
        "geo": ("us", "us-ca"),
        "caller_number": "forged",
        "source_id": "forged",
    },
)


def asking(
    ask: dict[str, Any] | None = None,
    *,
    post: dict[str, Any] | None = None,
    hide: bool = False,
    prefix: str = "",
    number: str = "+18005550111",
) -> Asking:
    """What a bid of an account file compiles to."""
    bid = FileBid(
        ask=FileAsk(**{"url": URL, **(ask or {})}),
        post=None if post is None else FileAsk(**{"url": URL, **post}),
        hide_caller_number=hide,
    )
    compiled = compile_bid(bid, number=number, tag_prefix=prefix)
    assert compiled is not None
    return compiled


def asked(told: Asking, facts: Facts = FACTS) -> Message:
    """The ping."""
    message = write_ask(told, facts, secrets=SECRETS)
    assert isinstance(message, Message)
    return message


def bid_of(told: Asking, body: str | bytes) -> Bid:
    """The bid that an answer is."""
    bid = read_reply(told, reply(body))
    assert isinstance(bid, Bid), bid
    return bid


def why_not(told: Asking, body: str | bytes) -> Why:
    """Why an answer is none."""
    no = read_reply(told, reply(body))
    assert isinstance(no, NoBid), no
    return no.why


def reply(body: str | bytes, status: int = 200) -> Reply:
    """An answer."""
    return Reply(status=status, body=body.encode() if isinstance(body, str) else body)
