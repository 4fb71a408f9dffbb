"""How a call comes in: what its reservation promised, whose it is, and the tags that it brings."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calls.rules.arrivals import Promise, new_call, promise_of, tags_of, texts
from shared.domain import uuid7
from shared.domain.asks import Ask, Asking
from shared.domain.calls import Call, CallStatus
from shared.domain.ping_log import PingRow, Replay
from shared.domain.pings import Winner
from shared.domain.plan import InboundNumber, Plan
from shared.domain.request_text import RequestText
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.domain.switching.nouns import Inbound
from tests.support.plans import CAMPAIGN_ID, a_buyer, a_plan

STARTED = 1_790_000_000_123
UUID = uuid7.make(STARTED, 1, rand=b"eightbytes")
RESERVED = uuid7.make(STARTED - 30_000, 1, rand=b"otherbytes")
NUMBER = InboundNumber(id=12, number="+18005550001", tags={"source": "billboard"})
WINNER = Winner(buyer_id=1, group_id=5, revenue="20.50", payout="12.25", seconds=90)


def a_campaign(bid: str | None = "18") -> Plan:
    buyer = a_buyer(1, bid_revenue=None if bid is None else Decimal(bid))
    return a_plan([buyer], numbers={NUMBER.number: NUMBER})


def promised(winner: Winner = WINNER, **fields: Any) -> Promise:
    return Promise(uuid=RESERVED, key_id=9, publisher_id=7, winner=winner, **fields)


ASKING = Asking(ping=Ask(text=RequestText(method="GET", url="https://buyer.example/bid"), outputs={}))


def arrived(plan: Plan | None = None, *, promise: Promise | None = None, **inbound: Any) -> Call:
    told: dict[str, Any] = {"provider": "generic/3", "company_id": 1, "provider_call_id": "switch-1"}
    told |= {"caller": "+12125551212", "number": NUMBER.number}
    return new_call(
        plan or a_campaign(), Inbound(**(told | inbound)), uuid=UUID, promise=promise, publisher_id=7
    )


def a_reservation(**fields: Any) -> Reservation:
    stood: dict[str, Any] = {
        "status": "reserved",
        "expires_ms": STARTED + 30_000,
        "company_id": 1,
        "key_id": 9,
        "publisher_id": 7,
        "campaign_id": CAMPAIGN_ID,
        "number": NUMBER.number,
        "subjects": "b1,g5",
        "caller": "+12125551212",
        "uuid": RESERVED,
        "winner": WINNER,
    }
    return Reservation(**(stood | fields))


def a_row(winner: Winner | None) -> PingRow:
    return PingRow(
        uuid=RESERVED,
        company_id=1,
        created_ms=STARTED - 30_000,
        key_id=9,
        caller="+12125551212",
        publisher_id=7,
        campaign_id=CAMPAIGN_ID,
        number=NUMBER.number,
        status="reserved",
        reason="",
        original_uuid="",
        test=False,
        expires_ms=STARTED + 30_000,
        ended_ms=0,
        holds="b1,g5",
        tags={},
        trace=None,
        replay=Replay(winner=winner),
    )


# the call


def test_a_call_without_a_promise_is_its_number_s() -> None:
    call = arrived()
    assert call == Call(
        uuid=UUID,
        company_id=1,
        started_ms=STARTED,
        provider="generic/3",
        provider_call_id="switch-1",
        caller="+12125551212",
        number="+18005550001",
        number_id=12,
        campaign_id=CAMPAIGN_ID,
        publisher_id=7,
        via="number",
    )
    assert (call.status, call.outcome, call.key_seed) == (CallStatus.RINGING, None, UUID)


def test_a_call_started_when_its_uuid_says_so() -> None:
    assert arrived().started_ms == uuid7.ms_of(UUID) == STARTED


def test_an_anonymous_caller_and_a_number_that_is_not_the_campaign_s_are_taken() -> None:
    call = arrived(caller="", number="+18005550999")
    assert (call.caller, call.number, call.number_id) == ("", "+18005550999", 0)
    assert arrived(number="").number_id == 0


def test_a_sip_call_whose_reservation_is_over_came_by_sip() -> None:
    assert arrived(reservation=RESERVED).via == "sip"
    assert arrived(reservation=RESERVED, promise=promised()).via == "rtb"


# the promise


def test_a_promised_call_has_what_the_ping_was_told() -> None:
    call = arrived(promise=promised())
    assert (call.reservation_uuid, call.ping_key_id, call.via) == (RESERVED, 9, "rtb")
    assert (call.reserved_buyer_id, call.reserved_group_id) == (1, 5)
    assert (call.promised_payout, call.reserved_bid) == (Decimal("12.25"), Decimal("20.50"))
    assert not call.only_reserved


def test_what_an_asked_buyer_answered_is_kept_too() -> None:
    winner = Winner(buyer_id=1, revenue="30", number="+18005550199", tags={"b_zip": "10001"})
    plan = a_plan([a_buyer(1, number="[number]", asking=ASKING)])
    call = arrived(plan, promise=promised(winner))
    assert (call.reserved_bid, call.reserved_number) == (Decimal(30), "+18005550199")


def test_its_key_follows_from_the_reservation_that_buyers_were_told_it_by() -> None:
    assert arrived(promise=promised()).key_seed == RESERVED


def test_a_key_that_admits_its_buyer_alone_is_kept() -> None:
    assert arrived(promise=promised(only_reserved=True)).only_reserved


@pytest.mark.parametrize(
    ("plan", "winner"),
    [
        (a_campaign(bid=None), WINNER),
        (a_campaign(), Winner(buyer_id=1, payout="12.25")),
        (a_plan(), WINNER),
    ],
    ids=["its buyer has no bid", "it told no revenue", "its buyer is gone"],
)
def test_a_revenue_that_is_no_bid_is_none(plan: Plan, winner: Winner) -> None:
    call = arrived(plan, promise=promised(winner))
    assert call.reserved_bid is None
    assert (call.reserved_buyer_id, call.promised_payout) == (1, Decimal("12.25"))


def test_a_bid_of_nothing_and_a_payout_of_nothing_are_promises_too() -> None:
    call = arrived(promise=promised(Winner(buyer_id=1, revenue="0", payout="0")))
    assert (call.reserved_bid, call.promised_payout) == (Decimal(0), Decimal(0))


def test_a_payout_that_was_not_told_was_not_promised() -> None:
    assert arrived(promise=promised(Winner(buyer_id=1))).promised_payout is None


def test_the_log_and_redis_promise_the_same() -> None:
    held = a_reservation()
    assert promise_of(held) == promise_of(a_row(WINNER)) == promised()
    assert promise_of(read_reservation(write_reservation(held))) == promised()


def test_a_ping_of_the_log_without_a_winner_promises_nobody() -> None:
    call = arrived(promise=promise_of(a_row(None)))
    assert (call.reserved_buyer_id, call.reserved_bid, call.promised_payout) == (0, None, None)
    assert call.reservation_uuid == RESERVED


_amounts = st.none() | st.decimals(0, 1_000_000, places=4)


@given(_amounts, _amounts)
def test_money_is_promised_to_the_last_decimal(revenue: Decimal | None, payout: Decimal | None) -> None:
    winner = Winner(
        buyer_id=1,
        revenue="" if revenue is None else f"{revenue:f}",
        payout="" if payout is None else f"{payout:f}",
    )
    call = arrived(promise=promise_of(a_reservation(winner=winner)))
    assert (call.reserved_bid, call.promised_payout) == (revenue, payout)


# tags


def test_a_ping_s_tags_are_kept_as_texts_with_commas_between_several_values() -> None:
    assert texts({"zip": "10001", "geo": ("us", "us-ny"), "none": ()}) == {
        "zip": "10001",
        "geo": "us,us-ny",
        "none": "",
    }


def test_a_number_puts_its_tags_on_its_calls_and_no_number_none() -> None:
    assert tags_of(NUMBER) == {"source": "billboard"}
    assert tags_of(None) == {}
