"""A call from its first news to its last, as Postgres keeps it."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from shared.domain.call_books import Posted
from shared.domain.call_events import CallOver, LegNews
from shared.domain.calls import CallState, CallStatus, LegStatus, Outcome
from shared.domain.settlement import Nearest
from shared.stores.call_changes import Saving, save_change
from shared.stores.call_records import find_record
from shared.stores.placing import Full, Moved, Written
from tests.support.call_stage import CallStage, call_stage

ACCOUNT: dict[str, Any] = {
    "company": {"name": "Life"},
    "publishers": [{"afid": "pub_a"}],
    "buyers": [
        {"tid": "one", "number": "+18005550111", "bid": {"revenue": "25"}, "caps": {"daily": 1}},
        {"tid": "two", "number": "+18005550122", "bid": {"revenue": "20"}},
    ],
    "campaigns": [
        {
            "cid": "auto",
            "routing": {"buyers": [{"tid": "one"}, {"tid": "two"}]},
            "default_payout": "12.50",
            "numbers": [{"number": "+18445550100", "tags": {"page": "a"}}],
            "conversion_criteria": [
                {"name": "sale", "kind": "postback", "tags": ["plan == gold"], "payout_modifier": "*0.8"},
                {"name": "long", "kind": "timer", "eval_order": 2, "conversions": [{"seconds": 90}]},
            ],
            "webhooks": [
                {"name": each, "trigger": each, "url": "https://hooks.example.com/x"}
                for each in ("start", "selected", "answered", "end", "converted")
            ],
        }
    ],
}


@pytest.fixture
async def stage(fresh_database: str, fresh_redis: str) -> AsyncIterator[CallStage]:
    async with call_stage(fresh_database, fresh_redis, ACCOUNT) as stage:
        yield stage


async def dialled(stage: CallStage, tid: str = "one", **tags: str) -> CallState:
    opened = await stage.open(stage.a_call(), **tags)
    assert opened is not None
    placed = await stage.place(opened.change.state, tid, bid=stage.seat(tid).buyer.bid_revenue)
    assert isinstance(placed, Written)
    return placed.state


async def fills(stage: CallStage, tid: str) -> tuple[int, int]:
    subject = f"b{stage.seat(tid).buyer.id}"
    rows = await stage.store.rows("SELECT day_n, live_n FROM cap_fills WHERE subject = $1", subject)
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


async def fired(stage: CallStage) -> list[str]:
    return [row[0] for row in await stage.store.rows("SELECT trigger FROM outbox ORDER BY created_at, id")]


async def test_a_timer_pays_once_the_call_is_closed(stage: CallStage) -> None:
    state = await dialled(stage)
    leg = state.legs[0].uuid
    state = await stage.report(state, LegNews(leg_uuid=leg, news="answered", at_ms=stage.now_ms + 5_000))
    assert (state.call.status, await fills(stage, "one")) == (CallStatus.LIVE, (1, 1))
    state = await stage.report(
        state, LegNews(leg_uuid=leg, news="ended", at_ms=stage.now_ms + 125_000, connected_s=120)
    )
    assert state.call.payout == 0
    state = await stage.report(state, CallOver(at_ms=stage.now_ms + 126_000, total_s=126, hung_up_by="buyer"))
    stored = await stage.load(state.call.uuid)
    assert stored == state
    call = stored.call
    assert (call.status, call.outcome) == (CallStatus.FINISHED, Outcome.CONNECTED)
    assert (call.revenue, call.payout) == (Decimal(25), Decimal("12.5"))
    assert await fills(stage, "one") == (1, 0)
    assert await fired(stage) == ["start", "selected", "answered", "end", "converted"]


async def test_a_place_is_given_back_whole_when_nobody_answers(stage: CallStage) -> None:
    state = await dialled(stage)
    assert await fills(stage, "one") == (1, 1)
    full = await stage.open(stage.a_call("+12125551213"))
    assert full is not None
    assert isinstance(await stage.place(full.change.state, "one"), Full)
    busy = LegNews(leg_uuid=state.legs[0].uuid, news="busy", at_ms=stage.now_ms)
    state = await stage.report(state, busy)
    assert state.legs[0].status is LegStatus.BUSY
    assert await fills(stage, "one") == (0, 0)
    placed = await stage.place(state, "two")
    assert isinstance(placed, Written)
    assert [leg.position for leg in placed.state.legs] == [1, 2]


async def test_a_change_judged_on_an_older_state_is_not_written(stage: CallStage) -> None:
    state = await dialled(stage)
    older = replace(state, call=replace(state.call, rev=state.call.rev - 1))
    assert isinstance(await stage.place(older, "two"), Moved)
    assert await fills(stage, "two") == (0, 0)


async def test_a_switch_s_call_is_opened_once(stage: CallStage) -> None:
    call = stage.a_call()
    assert await stage.open(call) is not None
    again = replace(call, uuid=stage.new_id())
    assert await stage.open(again) is None
    assert await stage.store.rows("SELECT count(*) FROM calls") == [(1,)]


async def test_a_postback_keeps_revisions_and_its_money_is_the_ledger_s_sum(stage: CallStage) -> None:
    state = await dialled(stage, plan="gold")
    leg = state.legs[0].uuid
    state = await stage.report(state, LegNews(leg_uuid=leg, news="answered", at_ms=stage.now_ms))
    for value in (Decimal(100), Decimal("49.99")):
        state = await stage.load(state.call.uuid)
        posted = Posted(value=value, posted=value, at_ms=stage.now_ms)
        change = stage.books.post(state, posted, nearest=Nearest(), key_id=1)
        assert await save_change(stage.store.postgres, Saving(change=change))
    record = await find_record(stage.store.postgres, state.call.uuid)
    assert record is not None
    assert (record.call.revenue, record.call.payout) == (Decimal("49.99"), Decimal("39.992"))
    assert sum(row.revenue_change for row in record.ledger) == record.call.revenue
    assert sum(row.payout_change for row in record.ledger) == record.call.payout
    assert (record.buyer, record.campaign, record.tids) == ("one", "auto", {record.call.buyer_id: "one"})
    assert (await fired(stage)).count("converted") == 2


async def test_an_answer_after_the_close_is_counted_after_all_and_the_end_told_once(stage: CallStage) -> None:
    state = await dialled(stage)
    leg, at_ms = state.legs[0].uuid, stage.now_ms
    state = await stage.report(state, CallOver(at_ms=at_ms + 130_000))
    state = await stage.report(state, LegNews(leg_uuid=leg, news="ended", at_ms=at_ms + 130_000))
    assert (state.call.outcome, await fills(stage, "one")) == (Outcome.ABANDONED, (0, 0))
    state = await stage.report(state, LegNews(leg_uuid=leg, news="answered", at_ms=at_ms + 5_000))
    state = await stage.report(
        state, LegNews(leg_uuid=leg, news="ended", at_ms=at_ms + 125_000, connected_s=120)
    )
    assert (state.call.outcome, state.call.payout) == (Outcome.CONNECTED, Decimal("12.5"))
    assert await fills(stage, "one") == (1, 0)
    told = await fired(stage)
    assert (told.count("end"), told.count("answered"), told.count("converted")) == (1, 1, 1)
