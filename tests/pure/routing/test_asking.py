"""Candidates that must be asked for their bids: who is asked, and the order once they have answered."""

from decimal import Decimal

from shared.domain.asks import Ask, Asking
from shared.domain.bids import Bid, Heard, Missed
from shared.domain.pings import decode_winner, read_trace
from shared.domain.plan import Buyer, ConversionEntry, Criterion, Plan
from shared.domain.reasons import Reason
from shared.domain.request_text import RequestText
from shared.domain.routing.candidates import Candidates
from shared.domain.routing.evaluation import Evaluation
from tests.support.plans import PUBLISHER, a_buyer, a_plan, rules, unpacked

NOW = 1_790_000_000_000
PING = "01890a5d-ac96-7000-8000-123456789abc"
ASK = Asking(ping=Ask(text=RequestText(method="GET", url="https://buyer.example/bid"), outputs={}))


def asked(buyer_id: int, **more: object) -> Buyer:
    return a_buyer(buyer_id, asking=ASK, **more)


def first(plan: Plan) -> Candidates:
    return Evaluation(plan).candidates({}, PING, now_ms=NOW, publisher=PUBLISHER)


def told(plan: Plan, heard: Heard) -> Candidates:
    return Evaluation(plan).with_bids({}, PING, now_ms=NOW, heard=heard)


def a_bid(revenue: str, **more: object) -> Bid:
    return Bid(revenue=Decimal(revenue), ping_ms=12, **more)  # type: ignore[arg-type] # any of its fields


def test_only_those_who_could_take_the_caller_are_asked() -> None:
    plan = a_plan([asked(1), a_buyer(2), asked(3, paused=True), asked(4, rules=rules("age > 60")), asked(5)])
    evaluation = Evaluation(plan)
    candidates = evaluation.candidates({}, PING, now_ms=NOW, publisher=PUBLISHER)
    assert sorted(candidates.asking) == [0, 4]
    wanted = evaluation.to_ask(candidates, now_ms=NOW)
    assert wanted.seats == list(candidates.asking)
    assert len(unpacked(wanted)) == 2


def test_a_campaign_that_asks_nobody_says_so() -> None:
    assert first(a_plan([a_buyer(1), a_buyer(2)])).asking == ()


def test_the_highest_bid_comes_first_and_bids_beat_nobody_of_a_better_priority() -> None:
    plan = a_plan(
        [asked(1), a_buyer(2, bid_revenue=Decimal(20)), asked(3), a_buyer(4, priority=0)], by_bid=True
    )
    candidates = told(plan, {0: a_bid("19.99"), 2: a_bid("20.01")})
    assert candidates.seats == [3, 2, 1, 0]
    assert not candidates.asking
    winners = [decode_winner(winner.encode()) for _, _, winner in unpacked(candidates)]
    assert [(winner.buyer_id, winner.revenue) for winner in winners][1:] == [
        (3, "20.01"),
        (2, "20"),
        (1, "19.99"),
    ]
    assert [candidates.winners[place] for place in candidates.seats] == winners


def test_who_did_not_bid_is_no_candidate_and_the_trace_says_why_and_when() -> None:
    plan = a_plan([asked(1), asked(2), asked(3), a_buyer(4, paused=True), asked(5)])
    heard: Heard = {
        0: a_bid("5"),
        1: Missed(ping_ms=7),
        2: Missed(reason=Reason.DEADLINE, ping_ms=450),
        4: Missed(reason=Reason.OUTBOUND_LIMIT),
    }
    candidates = told(plan, heard)
    assert candidates.seats == [0]
    assert candidates.dropped == {
        Reason.BUYERS_PAUSED: 1,
        Reason.NO_BIDS: 1,
        Reason.DEADLINE: 1,
        Reason.OUTBOUND_LIMIT: 1,
    }
    rows = {row.buyer_id: (row.reason, row.bid, row.ping_ms) for row in read_trace(candidates.trace, "k")}
    assert rows == {
        1: ("", "5", 12),
        2: ("no_bids", "", 7),
        3: ("deadline", "", 450),
        4: ("buyers_paused", "", None),
        5: ("outbound_limit", "", None),
    }


def test_who_was_never_asked_has_not_bid() -> None:
    assert told(a_plan([asked(1)]), {}).dropped == {Reason.NO_BIDS: 1}


def test_a_bid_below_the_payout_is_out_unless_the_campaign_allows_a_loss() -> None:
    low = {0: a_bid("9.99")}
    buyers = [asked(1)]
    candidates = told(a_plan(buyers, default_payout=Decimal(10)), low)
    assert (candidates.seats, candidates.dropped) == ([], {Reason.MARGIN: 1})
    assert [row.bid for row in read_trace(candidates.trace, "")] == ["9.99"]
    assert told(a_plan(buyers, default_payout=Decimal(10), allow_loss=True), low).seats == [0]


def test_what_the_buyer_said_travels_with_its_record() -> None:
    bid = a_bid("30", number="+18005550199", seconds=45, tags={"b_ping_id": "x|\n"})
    ((_, _, winner),) = unpacked(told(a_plan([asked(1)]), {0: bid}))
    read = decode_winner(winner.encode())
    assert (read.number, read.tags, read.seconds) == ("+18005550199", {"b_ping_id": "x|\n"}, 45)
    plan = a_plan([asked(1)], seconds=90)
    assert told(plan, {0: bid}).winners[0].seconds == 90, "the campaign's own promise is kept"


def test_a_share_of_the_revenue_is_promised_as_soon_as_the_bid_is_known() -> None:
    entry = ConversionEntry(seconds=60, payout_modifier="*0.8")
    timer = Criterion(id=1, pays_publisher=True, bills_buyer=False, timer=True, entries=(entry,))
    plan = a_plan([asked(1)], criteria=(timer,), default_payout=Decimal(3))
    assert told(plan, {0: a_bid("25")}).winners[0].payout == "20.0000"
    posted = Criterion(id=1, pays_publisher=True, bills_buyer=False, timer=False, entries=(entry,))
    plan = a_plan([asked(1)], criteria=(posted,), default_payout=Decimal(3))
    assert told(plan, {0: a_bid("25")}).winners[0].payout == "3", "nobody knows what will be posted"
