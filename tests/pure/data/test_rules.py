"""The data service's decisions: windows, repeats, and what may be read."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.data.rules.landing import landing_by_call_key, landing_by_caller, landing_by_uuid
from services.data.rules.nouns import Post, Whose
from services.data.rules.posting import judge_post
from services.data.rules.reading import readable, told
from shared.domain.call_books import Posted
from shared.domain.calls import Call, CallState
from shared.domain.key_settings import CallDataWritingSettings
from shared.domain.plan import ConversionEntry, Criterion
from shared.domain.reasons import Reason
from shared.domain.settlement import sides_of
from tests.support.plans import PUBLISHER, a_plan

END = 1_790_000_000_000
CALL = Call(
    uuid="01890a5d-ac96-7000-8000-123456789abc",
    company_id=1,
    started_ms=END - 60_000,
    provider="generic/1",
    provider_call_id="x",
    caller="+12125551212",
    campaign_id=1,
    publisher_id=PUBLISHER.id,
    ended_ms=END,
)
LIVE = replace(CALL, ended_ms=0)
SETTINGS = CallDataWritingSettings(start_seconds=1800, end_seconds=7200)


# windows


@pytest.mark.parametrize(
    ("after_s", "by_number", "by_uuid", "by_its_key"),
    [
        (0, "completed", "completed", "completed"),
        (1800, "completed", "completed", "completed"),
        (1801, "stored", "completed", Reason.TAG_WINDOW_CLOSED),
        (7200, "stored", "completed", Reason.TAG_WINDOW_CLOSED),
        (7201, "stored", Reason.TAG_WINDOW_CLOSED, Reason.TAG_WINDOW_CLOSED),
    ],
)
def test_windows_after_the_end(after_s: int, by_number: str, by_uuid: object, by_its_key: object) -> None:
    now_ms = END + after_s * 1000
    assert landing_by_caller(CALL, SETTINGS, now_ms=now_ms) == by_number
    assert landing_by_uuid(CALL, SETTINGS, now_ms=now_ms) == by_uuid
    assert landing_by_call_key(CALL, now_ms=now_ms) == by_its_key


def test_a_live_call_is_written_on_whatever_the_windows() -> None:
    settings = CallDataWritingSettings(start_seconds=0, end_seconds=60)
    late = END + 86_400_000
    assert landing_by_caller(LIVE, settings, now_ms=late) == "live"
    assert landing_by_uuid(LIVE, settings, now_ms=late) == "live"
    assert landing_by_call_key(LIVE, now_ms=late) == "live"


def test_without_a_call_a_number_s_tags_wait_and_a_uuid_s_do_not() -> None:
    assert landing_by_caller(None, SETTINGS, now_ms=END) == "stored"
    assert landing_by_uuid(None, SETTINGS, now_ms=END) is Reason.CALL_NOT_FOUND


def test_the_end_window_bounds_the_start_window() -> None:
    short = CallDataWritingSettings(start_seconds=86_400, end_seconds=60)
    assert landing_by_caller(CALL, short, now_ms=END + 61_000) == "stored"


# repeats


def verdict(
    value: str | None, *earlier: str, call: Call = LIVE, now_ms: int = END, **entry: Any
) -> Posted | Decimal | Reason:
    group = Criterion(
        id=1, pays_publisher=True, bills_buyer=True, timer=False, entries=(ConversionEntry(**entry),)
    )
    plan = a_plan(criteria=(group,))
    amount = None if value is None else Decimal(value)
    return judge_post(
        plan,
        call,
        sides=sides_of(plan, {}),
        post=Post(token="k", whose=Whose(caller="+12125551212"), value=amount),
        earlier=tuple(Decimal(each) for each in earlier),
        now_ms=now_ms,
    )


def test_a_new_value_is_a_revision() -> None:
    assert verdict("25", "20") == Posted(value=Decimal(25), posted=Decimal(25), at_ms=END)


def test_a_value_that_any_revision_had_is_a_repeat_however_it_is_written_and_however_late() -> None:
    late: dict[str, Any] = {"call": CALL, "now_ms": END + 86_400_000, "postback_timeout_seconds": 60}
    assert verdict("25.0", "20", "25") == 25
    assert verdict("20", "20", "25", **late) == 20
    assert verdict("21", "20", "25", **late) is Reason.TOO_LATE


def test_a_value_is_required_unless_the_criteria_give_a_revenue() -> None:
    assert verdict(None) is Reason.VALUE_INVALID
    assert verdict(None, payout=Decimal(5)) is Reason.VALUE_INVALID
    assert verdict(None, revenue=Decimal(30)) == Posted(value=Decimal(30), posted=None, at_ms=END)
    assert verdict(None, "30", revenue=Decimal(30)) == 30


def test_a_campaign_without_criteria_takes_no_post() -> None:
    plan = a_plan(default_revenue=Decimal(5))
    post = Post(token="k", whose=Whose(), value=Decimal(1))
    found = judge_post(plan, LIVE, sides=sides_of(plan, {}), post=post, earlier=(), now_ms=END)
    assert found is Reason.NO_CRITERIA


# reading


def test_what_stands_on_every_call() -> None:
    call = replace(CALL, connected_s=0)
    values = readable(a_plan(), CallState(call=call, tags={"plan": "gold", "caller_state": "CA"}))
    assert values["caller_state"] == "CA"
    assert {name: values[name] for name in ("call_uuid", "caller_number", "campaign_id", "publisher_id")} == {
        "call_uuid": CALL.uuid,
        "caller_number": "+12125551212",
        "campaign_id": "camp",
        "publisher_id": "pub-a",
    }
    assert (values["start_time"], values["connected_duration"]) == (str(END // 1000 - 60), "0")
    assert (values["plan"], values["caller_country"]) == ("gold", "US")


def test_what_is_not_known_is_absent() -> None:
    values = readable(a_plan(), CallState(call=replace(LIVE, caller="", publisher_id=0)))
    assert set(values) == {"call_uuid", "campaign_id", "start_time"}


def test_a_tag_cannot_pretend_to_be_what_the_call_is() -> None:
    values = readable(a_plan(), CallState(call=CALL, tags={"call_uuid": "x", "caller_number": "y"}))
    assert (values["call_uuid"], values["caller_number"]) == (CALL.uuid, CALL.caller)


def test_only_what_is_allowed_is_told() -> None:
    values, allowed = {"zip": "1", "plan": "gold", "age": "9"}, ("zip", "plan", "absent")
    assert told(values, None, allowed=allowed) == {"zip": "1", "plan": "gold"}
    assert told(values, [("postal", "zip"), ("years", "age")], allowed=allowed) == {"postal": "1"}
    assert told(values, [("x", "absent")], allowed=allowed) == {}


# windows and repeats, whatever comes

_settings = st.builds(
    CallDataWritingSettings, start_seconds=st.integers(0, 7200), end_seconds=st.integers(0, 86_400)
)


@given(_settings, st.integers(0, 100_000), st.integers(0, 100_000))
def test_a_window_that_is_closed_stays_closed_and_a_uuid_s_is_never_shorter(
    settings: CallDataWritingSettings, earlier_s: int, later_s: int
) -> None:
    earlier_s, later_s = sorted((earlier_s, later_s))
    for landing in (landing_by_caller, landing_by_uuid):
        first = landing(CALL, settings, now_ms=END + earlier_s * 1000)
        then = landing(CALL, settings, now_ms=END + later_s * 1000)
        assert first == "completed" or then != "completed"
    if landing_by_caller(CALL, settings, now_ms=END + later_s * 1000) == "completed":
        assert landing_by_uuid(CALL, settings, now_ms=END + later_s * 1000) == "completed"


def test_a_window_of_nothing_takes_only_the_moment_of_the_end() -> None:
    none = CallDataWritingSettings(start_seconds=0, end_seconds=0)
    assert landing_by_caller(CALL, none, now_ms=END) == "completed"
    assert landing_by_caller(CALL, none, now_ms=END + 1) == "stored"
    assert landing_by_uuid(CALL, none, now_ms=END + 1) is Reason.TAG_WINDOW_CLOSED


@given(st.lists(st.sampled_from(["0", "0.0", "1", "1.00", "25.5", "25.50"]), max_size=12), st.booleans())
def test_each_amount_is_a_revision_once(values: list[str], is_over: bool) -> None:
    taken: list[str] = []
    for value in values:
        found = verdict(value, *taken, call=CALL if is_over else LIVE)
        is_new = Decimal(value) not in {Decimal(each) for each in taken}
        assert isinstance(found, Posted) == is_new
        assert (found.value if isinstance(found, Posted) else found) == Decimal(value)
        taken += [value] if is_new else []
    assert len(taken) == len({Decimal(each) for each in values})


def test_a_post_without_a_value_repeats_one_that_said_the_same() -> None:
    fixed: dict[str, Any] = {"revenue": Decimal(30)}
    assert verdict("30", "30", **fixed) == 30
    assert verdict(None, "29", **fixed) == Posted(value=Decimal(30), posted=None, at_ms=END)
    with_bid = replace(LIVE, bid=Decimal(17))
    assert verdict(None, call=with_bid, **fixed) == Posted(value=Decimal(17), posted=None, at_ms=END)


def test_nothing_is_a_value_like_any_other() -> None:
    assert verdict("0") == Posted(value=Decimal(0), posted=Decimal(0), at_ms=END)
    assert verdict("0.00", "0") == 0


def test_lateness_is_told_before_the_lack_of_a_value() -> None:
    late: dict[str, Any] = {"call": CALL, "now_ms": END + 60_001, "postback_timeout_seconds": 60}
    assert verdict(None, **late) is Reason.TOO_LATE
    assert verdict("1", **{**late, "now_ms": END + 60_000}) == Posted(
        value=Decimal(1), posted=Decimal(1), at_ms=END + 60_000
    )


def test_a_timer_takes_no_value_but_knows_the_ones_it_took_when_it_was_none() -> None:
    timer = Criterion(id=1, pays_publisher=True, bills_buyer=True, timer=True)
    plan = a_plan(criteria=(timer,))
    post = Post(token="k", whose=Whose(), value=Decimal(1))

    def found(*earlier: Decimal) -> Posted | Decimal | Reason:
        return judge_post(plan, LIVE, sides=sides_of(plan, {}), post=post, earlier=earlier, now_ms=END)

    assert found() is Reason.CRITERIA_MISMATCH
    assert found(Decimal(1)) == 1


# reading, whatever is asked


_name = st.sampled_from(["zip", "plan", "age", "absent", "postal"])


@given(
    st.dictionaries(_name, st.text(max_size=3)),
    st.none() | st.lists(st.tuples(_name, _name), max_size=5),
    st.lists(_name, max_size=4),
)
def test_nothing_is_told_that_is_not_allowed_or_not_there(
    values: dict[str, str], names: list[tuple[str, str]] | None, allowed: list[str]
) -> None:
    found = told(values, names, allowed=allowed)
    asked = [(name, name) for name in allowed] if names is None else names
    for theirs, value in found.items():
        assert any(values.get(ours) == value for name, ours in asked if name == theirs and ours in allowed)
    assert set(found) == {theirs for theirs, ours in asked if ours in allowed and ours in values}


def test_a_name_may_be_told_twice_and_the_last_of_one_name_counts() -> None:
    values, allowed = {"zip": "1", "plan": "gold"}, ("zip", "plan")
    assert told(values, [("a", "zip"), ("b", "zip")], allowed=allowed) == {"a": "1", "b": "1"}
    assert told(values, [("a", "zip"), ("a", "plan")], allowed=allowed) == {"a": "gold"}
