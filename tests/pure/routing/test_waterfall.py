"""Who is tried for a call, in which order, and who is not."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from shared.domain.call_profile import call_profile
from shared.domain.calls import Call, CallState, Leg
from shared.domain.plan import ListIds, Plan, Publisher
from shared.domain.reasons import Reason
from shared.domain.routing.evaluation import Evaluation
from shared.domain.routing.waterfall import Waterfall, number_of, waterfall
from shared.domain.schedule import Block
from tests.support.plans import PUBLISHER, a_buyer, a_company, a_group, a_plan, rules

NOW = 1_790_000_000_000
CALL = Call(
    uuid="01a00000-0000-7001-8000-000000000001",
    company_id=1,
    started_ms=NOW,
    provider="generic/1",
    provider_call_id="x",
    caller="+12125551212",
    campaign_id=100,
    publisher_id=PUBLISHER.id,
)


def fall_of(
    plan: Plan, *, members: tuple[int, ...] = (), legs: tuple[Leg, ...] = (), **fields: Any
) -> Waterfall:
    state = CallState(call=replace(CALL, **fields), legs=legs)
    tags = call_profile(plan, state, now_ms=NOW)
    return waterfall(Evaluation(plan), state, tags=tags, members=frozenset(members), now_ms=NOW)


def buyers(fall: Waterfall) -> list[list[int]]:
    return [[seat.buyer.id for seat in attempt.seats] for attempt in fall.attempts]


def tried(buyer_id: int) -> Leg:
    return Leg(uuid=f"leg{buyer_id}", position=1, buyer_id=buyer_id, number="+18005550111", dialled_ms=NOW)


def three(**changes: Any) -> Plan:
    return a_plan([a_buyer(1), a_buyer(2, priority=2), a_buyer(3, priority=3)], **changes)


def test_the_campaign_s_order_is_followed() -> None:
    assert buyers(fall_of(three())) == [[1], [2], [3]]


def test_the_reserved_buyer_comes_first() -> None:
    assert buyers(fall_of(three(), reserved_buyer_id=3)) == [[3], [1], [2]]


def test_only_the_reserved_buyer_when_its_key_says_so() -> None:
    assert buyers(fall_of(three(), reserved_buyer_id=2, only_reserved=True)) == [[2]]
    assert buyers(fall_of(three(), reserved_buyer_id=2, only_reserved=True, legs=(tried(2),))) == []


def test_nobody_is_tried_twice() -> None:
    assert buyers(fall_of(three(), legs=(tried(1),))) == [[2], [3]]
    twice = a_plan([a_buyer(1)], groups=[a_group(5, 1)])
    assert buyers(fall_of(twice)) == [[1]]


def test_a_promise_holds_over_rules_and_hours_but_not_over_a_pause() -> None:
    shut = (Block(day_of_week=0, work_day=False),)
    promised = a_plan([a_buyer(1), a_buyer(2, rules=rules("plan == gold"), hours=shut)])
    assert buyers(fall_of(promised)) == [[1]]
    assert buyers(fall_of(promised, reserved_buyer_id=2)) == [[2], [1]]
    paused = a_plan([a_buyer(1), a_buyer(2, paused=True)])
    assert buyers(fall_of(paused, reserved_buyer_id=2)) == [[1]]


def test_a_simultaneous_group_is_dialled_together_where_its_first_member_stands() -> None:
    group = a_group(5, 2, 3, simultaneous=True, priority=0)
    plan = a_plan([a_buyer(1), a_buyer(2), a_buyer(3)], groups=[group], routes=None)
    fall = fall_of(replace(plan, routes=plan.routes[:1] + plan.routes[-1:]))
    assert [sorted(each) for each in buyers(fall)] == [[2, 3], [1]]


def test_a_separate_group_is_dialled_one_after_the_other() -> None:
    plan = a_plan([a_buyer(2, priority=1), a_buyer(3, priority=2)], groups=[a_group(5, 2, 3)], routes=None)
    assert buyers(fall_of(replace(plan, routes=plan.routes[-1:]))) == [[2], [3]]


def test_lists_are_looked_at_again() -> None:
    denied = three(lists=ListIds(deny=(9,)))
    assert buyers(fall_of(denied)) == [[1], [2], [3]]
    fall = fall_of(denied, members=(9,), reserved_buyer_id=1)
    assert (buyers(fall), fall.decided) == ([], Reason.CALLER_SUPPRESSED)
    admitted = three(company=a_company(lists=ListIds(admit=(8,))))
    assert fall_of(admitted).decided == Reason.CALLER_NOT_ACCEPTED
    assert buyers(fall_of(admitted, members=(8,))) == [[1], [2], [3]]


def test_a_buyer_s_list_keeps_its_buyer_out_alone() -> None:
    plan = a_plan([a_buyer(1, lists=ListIds(deny=(9,))), a_buyer(2)])
    fall = fall_of(plan, members=(9,), reserved_buyer_id=1)
    assert buyers(fall) == [[2]]
    assert fall.dropped[Reason.CALLER_SUPPRESSED] == 2  # as reserved, and in its place


def test_a_paused_campaign_or_publisher_keeps_its_promise_alone() -> None:
    paused = three(paused=True)
    assert fall_of(paused).decided == Reason.CAMPAIGN_PAUSED
    assert buyers(fall_of(paused, reserved_buyer_id=2)) == [[2]]
    away = Publisher(id=PUBLISHER.id, afid="pub-a", paused=True)
    quiet = three(company=a_company(publishers_by_id={away.id: away}))
    assert fall_of(quiet).decided == Reason.PUBLISHER_PAUSED


def test_a_number_that_only_an_answer_would_tell_is_passed_over() -> None:
    fall = fall_of(a_plan([a_buyer(1, number="[number]"), a_buyer(2)]))
    assert buyers(fall) == [[2]]
    assert fall.dropped[Reason.NO_NUMBER] == 1


def test_the_number_that_the_reserved_buyer_answered_with_is_dialled_for_it_alone() -> None:
    buyers_of_tokens = [a_buyer(1, number="[number]"), a_buyer(2, number="[number]"), a_buyer(3)]
    plan, answered = a_plan(buyers_of_tokens), "+18005550199"
    fall = fall_of(plan, reserved_buyer_id=1, reserved_number=answered)
    assert buyers(fall) == [[1], [3]]
    call = replace(CALL, reserved_buyer_id=3, reserved_number=answered)
    assert [number_of(plan.buyers[place], call) for place in (1, 2, 3)] == ["", "", answered]
    assert number_of(plan.buyers[3], CALL) == plan.buyers[3].number


def test_the_reserved_bid_is_what_it_was() -> None:
    plan = a_plan([a_buyer(1, bid_revenue=Decimal(30)), a_buyer(2, bid_revenue=Decimal(20))])
    fall = fall_of(plan, reserved_buyer_id=1, reserved_bid=Decimal(25))
    assert [attempt.bids for attempt in fall.attempts] == [(Decimal(25),), (Decimal(20),)]


def test_the_order_is_the_one_of_the_reservation_s_uuid() -> None:
    plan = a_plan([a_buyer(place) for place in range(1, 9)])
    orders = {
        tuple(map(tuple, buyers(fall_of(plan, uuid=f"01a00000-0000-7001-8000-000000000{place:03x}"))))
        for place in range(40)
    }
    assert len(orders) > 20
    seed = "01a00000-0000-7001-8000-000000000123"
    one, other = (buyers(fall_of(plan, reservation_uuid=seed, uuid=f"{seed[:-1]}{end}")) for end in "56")
    assert one == other


def handed_back(fallback: str, *members: int) -> dict[str, Any]:
    told = {"decision": "rejected", "at_ms": NOW, "leg": "leg1", "buyer_id": 1, "group_id": 7, "key_id": 9}
    return {"flow": ({**told, "members": list(members), "fallback": fallback},), "legs": (tried(1),)}


def test_a_call_that_was_handed_back_goes_to_the_key_s_group_alone() -> None:
    assert buyers(fall_of(three(), **handed_back("group", 1, 3))) == [[3]]
    assert buyers(fall_of(three(), **handed_back("group", 1))) == []


def test_with_the_fallback_campaign_the_group_comes_first_and_then_the_rest() -> None:
    assert buyers(fall_of(three(), **handed_back("campaign", 1, 3))) == [[3], [2]]
