"""The data service's decisions: windows, repeats, and what may be read."""

from decimal import Decimal
from typing import Any

import pytest
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
