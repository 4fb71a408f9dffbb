"""Which numbers a ping may be handed, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.plan import InboundNumber
from shared.domain.routing.numbers import Pool
from tests.support.plans import OTHER_PUBLISHER, PUBLISHER, a_plan, pool_numbers

callers = st.integers(10_000_000, 10**14).map(lambda digits: f"+{digits}")


def pool(count: int) -> Pool:
    return Pool(a_plan(numbers=pool_numbers(count)))


@given(callers, st.integers(1, 70))
def test_the_ring_is_walked_from_the_callers_place(caller: str, count: int) -> None:
    numbers = list(pool_numbers(count))
    tried = pool(count).for_caller(caller, PUBLISHER.id).split(",")
    start = numbers.index(tried[0])
    assert tried == [numbers[(start + step) % count] for step in range(min(32, count))]
    assert pool(count).for_caller(caller, PUBLISHER.id).split(",") == tried


def test_callers_spread_over_the_pool() -> None:
    ten = pool(10)
    firsts = {ten.for_caller(f"+1310555{last:04d}", PUBLISHER.id).split(",")[0] for last in range(100)}
    assert firsts == set(pool_numbers(10))


def test_the_shortest_callers_have_a_place_too() -> None:
    assert pool(3).for_caller("+2901234", PUBLISHER.id).count(",") == 2


def test_only_numbers_for_reservations_are_handed_out() -> None:
    numbers = {"+18005550001": InboundNumber(number="+18005550001")}
    assert Pool(a_plan(numbers=numbers)).for_caller("+13105551212", PUBLISHER.id) == ""
    assert Pool(a_plan(numbers=numbers)).for_anonymous(PUBLISHER.id) == ""


def test_a_publishers_number_is_for_that_publisher_only() -> None:
    numbers = {
        "+18005550001": InboundNumber(number="+18005550001", rtb_pool=True, publisher_id=PUBLISHER.id),
        "+18005550002": InboundNumber(number="+18005550002", rtb_pool=True),
    }
    mixed = Pool(a_plan(numbers=numbers))
    assert set(mixed.for_caller("+13105551212", PUBLISHER.id).split(",")) == set(numbers)
    assert mixed.for_caller("+13105551212", OTHER_PUBLISHER.id) == "+18005550002"
    assert mixed.for_anonymous(PUBLISHER.id) == "+18005550001,+18005550002"
    assert mixed.for_anonymous(OTHER_PUBLISHER.id) == "+18005550002"


def test_anonymous_callers_see_the_whole_pool() -> None:
    assert pool(50).for_anonymous(PUBLISHER.id).split(",") == list(pool_numbers(50))


def test_a_caller_has_a_ring_and_who_is_none_the_pool() -> None:
    fifty = pool(50)
    caller = "+13105551212"
    assert fifty.choice(caller, PUBLISHER.id) == fifty.for_caller(caller, PUBLISHER.id)
    assert fifty.choice("", PUBLISHER.id) == fifty.for_anonymous(PUBLISHER.id)
