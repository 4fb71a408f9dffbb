"""A change of a call is written whole, once, and only onto the state that it was judged at."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from shared.domain.call_books import CallChange, Posted
from shared.domain.call_events import CallOver, LegNews
from shared.domain.calls import CallState, CallStatus
from shared.domain.settlement import Nearest
from shared.domain.webhooks import Firing
from shared.stores.call_changes import Answered, PostbackRow, Saving, log_postback, save_change
from shared.stores.placing import Written
from tests.support.call_stage import CallStage, call_stage
from tests.support.owed import a_webhook, fired, new_id

ACCOUNT: dict[str, Any] = {
    "company": {"name": "Changes"},
    "publishers": [{"afid": "pub_a"}],
    "buyers": [{"tid": "one", "number": "+18005550111"}],
    "campaigns": [
        {
            "cid": "auto",
            "routing": {"buyers": [{"tid": "one"}]},
            "numbers": [{"number": "+18445550100"}],
            "conversion_criteria": [
                {"name": "sale", "side": "receivable", "kind": "postback"},
                {
                    "name": "any",
                    "side": "payable",
                    "kind": "timer",
                    "conversions": [{"seconds": 1, "payout": "3"}],
                },
            ],
        }
    ],
}
TABLES = ("call_tags", "conversions", "ledger", "outbox", "postback_log", "idempotency_keys")
URL = "https://hooks.example.com/x"


@pytest.fixture
async def stage(fresh_database: str, fresh_redis: str) -> AsyncIterator[CallStage]:
    async with call_stage(fresh_database, fresh_redis, ACCOUNT) as stage:
        yield stage


async def live(stage: CallStage, caller: str = "+12125551212") -> CallState:
    opened = await stage.open(stage.a_call(caller))
    assert opened is not None
    placed = await stage.place(opened.change.state, "one")
    assert isinstance(placed, Written)
    news = LegNews(leg_uuid=placed.state.legs[0].uuid, news="answered", at_ms=stage.now_ms)
    return await stage.report(placed.state, news)


def a_post(stage: CallStage, state: CallState, value: int = 25) -> CallChange:
    posted = Posted(value=Decimal(value), posted=Decimal(value), at_ms=stage.now_ms)
    return stage.books.post(state, posted, nearest=Nearest(), key_id=9)


def a_log_row(stage: CallStage, answer: str = "SUCCESS") -> PostbackRow:
    return PostbackRow(
        id=stage.new_id(), received_ms=stage.now_ms, key_id=9, kind="conversion", answer=answer
    )


def an_answer(value: str = "one") -> Answered:
    return Answered(value=value, fingerprint=b"f", status=200, answer="a 25")


async def counts(stage: CallStage) -> dict[str, int]:
    return {name: (await stage.store.rows(f"SELECT count(*) FROM {name}"))[0][0] for name in TABLES}


async def save(stage: CallStage, change: CallChange, **more: Any) -> bool:
    by_partner = more.pop("by_partner", False)
    return await save_change(stage.store.postgres, Saving(change=change, **more), by_partner=by_partner)


async def test_all_of_a_change_is_written_with_its_call(stage: CallStage) -> None:
    state = await live(stage)
    change = replace(a_post(stage, state), tags={"plan": "gold"}, firings=fired(a_webhook(URL)))
    assert await save(stage, change, logged=a_log_row(stage), answered=an_answer(), by_partner=True)
    assert await counts(stage) == dict.fromkeys(TABLES, 1)
    stored = await stage.load(state.call.uuid)
    assert stored.call.rev == state.call.rev + 1
    assert stored == CallState(
        call=replace(change.state.call, rev=stored.call.rev), legs=state.legs, tags={"plan": "gold"}
    )
    rows = await stage.store.rows(
        "SELECT side, revision, value, posted_value, revenue, key_id FROM conversions"
    )
    assert rows == [("receivable", 1, 25, 25, 25, 9)]
    assert await stage.store.rows(
        "SELECT entry, revenue_change, payout_change, cause, key_id FROM ledger"
    ) == [(1, 25, 0, "postback", 9)]
    assert await stage.store.rows("SELECT answer, call_uuid::text, key_id FROM postback_log") == [
        ("SUCCESS", state.call.uuid, 9)
    ]


async def test_of_a_change_judged_on_an_older_state_nothing_is_written(stage: CallStage) -> None:
    state = await live(stage)
    first, second = a_post(stage, state), a_post(stage, state, 30)
    assert await save(stage, first)
    before = await counts(stage)
    second = replace(second, tags={"plan": "gold"}, firings=fired(a_webhook(URL)))
    assert not await save(stage, second, logged=a_log_row(stage), answered=an_answer())
    assert await counts(stage) == before
    assert (await stage.load(state.call.uuid)).call.revenue == 25


async def test_a_call_that_does_not_exist_is_not_changed(stage: CallStage) -> None:
    state = await live(stage)
    nobody = replace(state, call=replace(state.call, uuid=stage.new_id()), legs=())
    assert not await save(stage, CallChange(state=nobody, tags={"plan": "gold"}))
    assert (await counts(stage))["call_tags"] == 0


async def test_a_partner_changes_nothing_that_the_switch_told(stage: CallStage) -> None:
    state = await live(stage)
    pretended = replace(state.call, status=CallStatus.FINISHED, ended_ms=1, publisher_id=7, posted=Decimal(4))
    assert await save(stage, CallChange(state=replace(state, call=pretended)), by_partner=True)
    call = (await stage.load(state.call.uuid)).call
    assert (call.status, call.ended_ms) == (CallStatus.LIVE, 0)
    assert call.publisher_id == 7
    assert call.posted == 4


async def test_a_second_answer_for_an_idempotency_key_writes_nothing(stage: CallStage) -> None:
    state = await live(stage)
    assert await save(stage, a_post(stage, state), answered=an_answer())
    state = await stage.load(state.call.uuid)
    before = await counts(stage)
    assert not await save(stage, a_post(stage, state, 30), answered=an_answer(), logged=a_log_row(stage))
    assert await counts(stage) == before
    assert (await stage.load(state.call.uuid)).call.rev == state.call.rev
    assert await save(stage, a_post(stage, state, 30), answered=an_answer("two"))


async def test_the_last_value_of_a_tag_stands(stage: CallStage) -> None:
    state = await live(stage)
    for value in ("tin", "gold"):
        state = await stage.load(state.call.uuid)
        assert await save(stage, CallChange(state=state, tags={"plan": value, value: "1"}, key_id=9))
    assert (await stage.load(state.call.uuid)).tags == {"plan": "gold", "tin": "1", "gold": "1"}


async def test_an_end_that_is_corrected_books_the_difference_and_judges_its_sides_anew(
    stage: CallStage,
) -> None:
    state = await live(stage)
    leg = state.legs[0].uuid
    state = await stage.report(
        state, LegNews(leg_uuid=leg, news="ended", at_ms=stage.now_ms + 9_000, connected_s=9)
    )
    state = await stage.report(state, CallOver(at_ms=stage.now_ms + 9_000))
    assert state.call.payout == 3
    assert state.call.revenue == 0
    again = stage.books.close(
        replace(state, call=replace(state.call, payable=False)), was_closed=True, nearest=Nearest()
    )
    assert [row.revision for row in again.conversions] == [0]
    assert await save(stage, again)
    assert await stage.store.rows("SELECT side, revision, payout FROM conversions") == [("payable", 0, 3)]
    assert await stage.store.rows("SELECT sum(payout_change) FROM ledger") == [(3,)]


async def owed(stage: CallStage) -> dict[int, tuple[float, bool]]:
    """By fire_order: in how many hours it is tried, and whether somebody delivers it already."""
    rows = await stage.store.rows(
        "SELECT fire_order, round(extract(epoch FROM next_at - now()) / 3600), leased_until IS NOT NULL FROM outbox"
    )
    return {order: (float(hours), leased) for order, hours, leased in rows}


def in_order(*orders: int, **changes: Any) -> tuple[Firing, ...]:
    return fired(*(a_webhook(URL, fire_order=order, **changes) for order in orders))


async def test_of_one_event_the_first_is_due_at_once_and_the_others_follow(stage: CallStage) -> None:
    change = CallChange(state=await live(stage), firings=in_order(1, 2))
    assert await save(stage, change)
    assert await owed(stage) == {1: (0, False), 2: (1, False)}


async def test_who_writes_a_change_may_deliver_its_webhooks(stage: CallStage) -> None:
    assert await save(stage, CallChange(state=await live(stage), firings=in_order(1)), leased_s=15)
    assert await owed(stage) == {1: (0, True)}


async def test_a_webhook_is_not_owed_again_within_its_dedupe_seconds(stage: CallStage) -> None:
    first = a_webhook(URL, fire_order=1, dedupe_seconds=600)
    rest = a_webhook(URL, fire_order=2)
    state = await live(stage)
    assert await save(stage, CallChange(state=state, firings=fired(first, rest)))
    other = await live(stage, "+13105551212")
    assert await save(stage, CallChange(state=other, firings=fired(first)))
    assert (await counts(stage))["outbox"] == 3
    await stage.store.postgres.execute("DELETE FROM outbox WHERE fire_order = 2")
    state = await stage.load(state.call.uuid)
    assert await save(stage, CallChange(state=state, firings=fired(first, rest)))
    assert (await owed(stage))[2] == (0, False), "what was to come first fell away: the next is due at once"
    await stage.store.postgres.execute("UPDATE outbox SET created_at = now() - interval '601 seconds'")
    state = await stage.load(state.call.uuid)
    assert await save(stage, CallChange(state=state, firings=fired(first)))
    assert (await counts(stage))["outbox"] == 4


async def test_what_changed_no_call_is_kept_in_the_log(stage: CallStage) -> None:
    row = replace(a_log_row(stage, "too_late"), caller="+12125551212", detail={"value": "5.00"})
    uuid = new_id()
    company_id = stage.plan.company.id
    await log_postback(stage.store.postgres, company_id, row=row, call_uuid=uuid)
    await log_postback(stage.store.postgres, company_id, row=a_log_row(stage, "call_not_found"))
    rows = await stage.store.rows(
        "SELECT answer, caller, call_uuid::text, detail ->> 'value' FROM postback_log ORDER BY answer"
    )
    assert rows == [("call_not_found", None, None, None), ("too_late", "+12125551212", uuid, "5.00")]
