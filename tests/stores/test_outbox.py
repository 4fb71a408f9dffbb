"""The outbox: what is due, in which order, for whom, and what is noted of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import OperatorError
from shared.stores import audit, outbox
from shared.stores.outbox import Delivery, Noted
from shared.stores.outbox_desk import load_rows, note_reveal
from shared.stores.postgres import Postgres
from tests.support.owed import a_webhook, fired, let_leases_run_out, make_due, owe, row, rows

ONE, TWO, THREE = "https://one.test/", "https://two.test:8443/x", "https://three.test/?a=[age]"


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=6, deadline_s=15)
    yield pool
    await pool.close()


async def lease(
    postgres: Postgres, *, busy: dict[str, int] | None = None, per_host: int = 8, at_most: int = 100
) -> list[Delivery]:
    return await outbox.lease(postgres, busy=busy or {}, per_host=per_host, at_most=at_most)


async def leased(postgres: Postgres, **limits: Any) -> set[str]:
    return {each.id for each in await lease(postgres, **limits)}


def ok(row_id: str, attempts: int = 1) -> Noted:
    return Noted(id=row_id, attempts=attempts, status="delivered", answered=204)


def failed(row_id: str, attempts: int = 1, *, pause_s: float = 5.0) -> Noted:
    return Noted(id=row_id, attempts=attempts, status="waiting", pause_s=pause_s, answered=500)


def dead(row_id: str, attempts: int = 1) -> Noted:
    return Noted(id=row_id, attempts=attempts, status="dead", error="timeout")


async def test_what_is_due_is_leased_once(postgres: Postgres) -> None:
    (firing,) = fired(a_webhook(TWO))
    await owe(postgres, [firing], company_id=7)
    (delivery,) = await lease(postgres)
    assert delivery.id == firing.id
    assert (delivery.company_id, delivery.webhook_id, delivery.attempts) == (7, firing.webhook_id, 0)
    assert delivery.host == "two.test:8443"
    assert b'"key_seed"' in delivery.payload
    assert await lease(postgres) == []


async def test_what_is_not_due_is_left(postgres: Postgres) -> None:
    await owe(postgres, fired(a_webhook(ONE)), in_s=5)
    assert await lease(postgres) == []
    await make_due(postgres)
    assert len(await lease(postgres)) == 1


async def test_a_lease_that_runs_out_makes_it_due_again(postgres: Postgres) -> None:
    (owed,) = await owe(postgres, fired(a_webhook(ONE)))
    first = await lease(postgres)
    await let_leases_run_out(postgres)
    assert await lease(postgres) == first
    assert (await row(postgres, owed))["attempts"] == 0


async def test_a_lease_lasts_longer_than_an_attempt(postgres: Postgres) -> None:
    await owe(postgres, fired(a_webhook(ONE)))
    await lease(postgres)
    left_s = await postgres.fetchval("SELECT extract(epoch FROM leased_until - now())::float8 FROM outbox")
    assert 25 < left_s <= outbox.LEASE_S


async def test_a_lease_that_is_given_back_is_free_at_once(postgres: Postgres) -> None:
    (owed,) = await owe(postgres, fired(a_webhook(ONE)))
    await lease(postgres)
    await outbox.release(postgres, [owed])
    assert await leased(postgres) == {owed}
    await outbox.release(postgres, [])


async def test_first_attempts_of_an_event_go_one_after_another(postgres: Postgres) -> None:
    hooks = [a_webhook(url, fire_order=order) for url, order in ((THREE, 9), (ONE, 1), (TWO, 4))]
    one, two, three = await owe(postgres, fired(*hooks))
    assert await leased(postgres) == {one}
    await outbox.note(postgres, [failed(one)])
    assert await leased(postgres) == {two}
    await outbox.note(postgres, [dead(two)])
    assert await leased(postgres) == {three}


async def test_those_of_one_order_go_together(postgres: Postgres) -> None:
    hooks = [a_webhook(url, fire_order=order) for url, order in ((ONE, 1), (TWO, 1), (THREE, 2))]
    one, two, three = await owe(postgres, fired(*hooks))
    assert await leased(postgres) == {one, two}
    await outbox.note(postgres, [ok(two)])
    assert await leased(postgres) == set()
    await outbox.note(postgres, [ok(one)])
    assert await leased(postgres) == {three}


async def test_retries_do_not_wait_for_each_other(postgres: Postgres) -> None:
    hooks = [a_webhook(url, fire_order=order) for order, url in enumerate((ONE, TWO), 1)]
    one, two = await owe(postgres, fired(*hooks))
    for each in (one, two):
        await lease(postgres)
        await outbox.note(postgres, [failed(each)])
    await make_due(postgres)
    assert await leased(postgres) == {one, two}


async def test_another_event_waits_for_nobody(postgres: Postgres) -> None:
    hooks = [a_webhook(url, fire_order=order) for order, url in enumerate((ONE, TWO), 1)]
    first, _ = await owe(postgres, fired(*hooks))
    (other,) = await owe(postgres, fired(a_webhook(TWO, fire_order=2)))
    assert await leased(postgres) == {first, other}


async def test_who_stands_far_ahead_is_called_when_it_is_its_turn(postgres: Postgres) -> None:
    """Whoever writes an event may put what comes later an hour ahead, so that it is not looked at in vain."""
    hooks = [a_webhook(url, fire_order=order) for order, url in ((1, ONE), (2, TWO), (2, THREE), (3, ONE))]
    one, *later = fired(*hooks)
    await owe(postgres, [one])
    two, three, four = await owe(postgres, later, in_s=3600)
    assert await leased(postgres) == {one.id}
    await outbox.note(postgres, [failed(one.id)])
    assert await leased(postgres) == {two, three}
    await outbox.note(postgres, [ok(two)])
    assert await leased(postgres) == set()
    await outbox.note(postgres, [ok(three)])
    assert await leased(postgres) == {four}


async def test_two_who_end_at_once_call_the_next(postgres: Postgres) -> None:
    for _ in range(8):
        one, two, last = fired(*(a_webhook(url, fire_order=n) for url, n in ((ONE, 1), (TWO, 1), (THREE, 2))))
        await owe(postgres, [one, two])
        await owe(postgres, [last], in_s=3600)
        await lease(postgres)
        await asyncio.gather(outbox.note(postgres, [ok(one.id)]), outbox.note(postgres, [ok(two.id)]))
        assert await leased(postgres) == {last.id}
        await outbox.note(postgres, [ok(last.id)])


async def test_no_host_gets_more_than_its_share(postgres: Postgres) -> None:
    many, few = a_webhook(ONE), a_webhook(TWO)
    for _ in range(10):
        await owe(postgres, fired(many))
    (alone,) = await owe(postgres, fired(few))
    found = await lease(postgres, busy={"one.test": 2, "nobody.test": 5}, per_host=3)
    assert sorted(each.host for each in found) == ["one.test", "two.test:8443"]
    assert await leased(postgres, busy={"one.test": 3}, per_host=3) == set()
    assert alone in {each.id for each in found}
    assert len(await lease(postgres, per_host=3)) == 3


async def test_the_oldest_of_a_host_comes_first(postgres: Postgres) -> None:
    ids = [(await owe(postgres, fired(a_webhook(ONE)), in_s=-at))[0] for at in (1, 3, 2)]
    assert await leased(postgres, per_host=1) == {ids[1]}
    assert await leased(postgres, per_host=1) == {ids[2]}


async def test_each_host_is_served_before_any_is_served_twice(postgres: Postgres) -> None:
    for host in ("a", "b", "c"):
        for _ in range(5):
            await owe(postgres, fired(a_webhook(f"https://{host}.test/")))
    found = [each.host for each in await lease(postgres, at_most=4)]
    assert {found.count(f"{host}.test") for host in "abc"} == {1, 2}


async def test_two_workers_never_lease_the_same(postgres: Postgres) -> None:
    for n in range(40):
        await owe(postgres, fired(a_webhook(f"https://h{n % 4}.test/")))
    found = await asyncio.gather(*(lease(postgres, per_host=4) for _ in range(6)))
    ids = [each.id for some in found for each in some]
    assert len(ids) == len(set(ids))


async def test_a_huge_backlog_of_one_host_is_not_read(postgres: Postgres) -> None:
    """Of the rows of a host no more than its share is touched, although the plan was made when there were none."""
    await lease(postgres)
    await postgres.execute(FILL, 20_000)
    (alone,) = await owe(postgres, fired(a_webhook(TWO)))
    async with postgres.transaction() as connection:
        await connection.execute(outbox.FORBID_SCANS)
        lines = await connection.fetch("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + filled(outbox.LEASE))
        plan = "\n".join(line[0] for line in lines)
    assert "Seq Scan on outbox" not in plan
    assert "Sort Key: o.next_at" not in plan
    await let_leases_run_out(postgres)
    assert alone in await leased(postgres)


FILL = """
INSERT INTO outbox (id, company_id, event_id, webhook_id, host, payload)
SELECT gen_random_uuid(), 1, gen_random_uuid(), 1, 'slow.test', '{}' FROM generate_series(1, $1)
"""


def filled(query: str) -> str:
    values = ("ARRAY['slow.test']", "ARRAY[2]", "8", "100", "30")
    for number, value in enumerate(values, 1):
        query = query.replace(f"${number}", value)
    return query


async def test_what_is_delivered_stays_so(postgres: Postgres) -> None:
    (owed,) = await owe(postgres, fired(a_webhook(ONE)))
    await outbox.note(postgres, [ok(owed)])
    found = await row(postgres, owed)
    assert (found["status"], found["attempts"], found["last_status"]) == ("delivered", 1, 204)
    assert found["finished_at"] is not None
    await outbox.note(postgres, [failed(owed, 2), dead(owed, 2)])
    assert (await row(postgres, owed))["status"] == "delivered"


async def test_a_failure_is_noted_once(postgres: Postgres) -> None:
    """Two workers may have had it, the first beyond its lease: what the late one says counts no further attempt."""
    (owed,) = await owe(postgres, fired(a_webhook(ONE)))
    await outbox.note(postgres, [failed(owed, 1, pause_s=5)])
    await outbox.note(postgres, [failed(owed, 1, pause_s=500)])
    found = await row(postgres, owed)
    assert (found["status"], found["attempts"], found["last_status"]) == ("waiting", 1, 500)
    assert 0 < found["in_s"] <= 5
    assert (found["leased_until"], found["finished_at"]) == (None, None)


async def test_a_late_success_counts_whatever_became_of_it(postgres: Postgres) -> None:
    (owed,) = await owe(postgres, fired(a_webhook(ONE)))
    await outbox.note(postgres, [dead(owed, 1)])
    await outbox.note(postgres, [ok(owed, 1)])
    assert (await row(postgres, owed))["status"] == "delivered"


async def test_many_are_noted_together(postgres: Postgres) -> None:
    ids = [(await owe(postgres, fired(a_webhook(ONE))))[0] for _ in range(3)]
    await outbox.note(postgres, [ok(ids[0]), failed(ids[1]), dead(ids[2])])
    found = await rows(postgres)
    assert [found[each]["status"] for each in ids] == ["delivered", "waiting", "dead"]
    assert found[ids[2]]["last_error"] == "timeout"
    await outbox.note(postgres, [])


async def test_dead_and_delivered_rows_are_owed_again(postgres: Postgres) -> None:
    ids = [(await owe(postgres, fired(a_webhook(ONE))))[0] for _ in range(4)]
    await outbox.note(postgres, [ok(ids[0]), dead(ids[1], 1), failed(ids[2]), dead(ids[3])])
    async with postgres.transaction() as connection:
        assert await outbox.replay(connection, ids[:3]) == 2
    found = await rows(postgres)
    assert [found[each]["status"] for each in ids] == ["waiting", "waiting", "waiting", "dead"]
    assert [found[each]["attempts"] for each in ids] == [0, 0, 1, 1]
    assert await leased(postgres) == set(ids[:2])


async def test_the_dead_of_one_company_are_owed_again(postgres: Postgres) -> None:
    mine, other = [await a_company(postgres, name) for name in ("Mine", "Other")]
    (one,) = await owe(postgres, fired(a_webhook(ONE)), company_id=mine)
    (two,) = await owe(postgres, fired(a_webhook(ONE)), company_id=other)
    await outbox.note(postgres, [dead(one), dead(two)])
    async with postgres.transaction() as connection:
        assert await outbox.replay_dead(connection, company="Nobody") == 0
        assert await outbox.replay_dead(connection, company="Mine") == 1
        assert await outbox.replay_dead(connection, company="Mine") == 0
        assert await outbox.replay_dead(connection) == 1


async def a_company(postgres: Postgres, name: str) -> int:
    inserted = "INSERT INTO companies (name, shard) VALUES ($1, 3) RETURNING id"
    company_id: int = await postgres.fetchval(inserted, name)
    return company_id


async def test_the_list_shows_what_was_said_and_no_payload(postgres: Postgres) -> None:
    company_id = await a_company(postgres, "Acme")
    one, two = await owe(postgres, fired(a_webhook(ONE), a_webhook(TWO)), company_id=company_id)
    await outbox.note(postgres, [dead(one), failed(two, pause_s=60)])
    async with postgres.transaction() as connection:
        shown = {each.id: each for each in await load_rows(connection, limit=10)}
        assert await load_rows(connection, company="Other", limit=10) == []
        assert [each.id for each in await load_rows(connection, status="dead", limit=10)] == [one]
        assert len(await load_rows(connection, company="Acme", limit=1)) == 1
    assert (shown[one].status, shown[one].error, shown[one].next_at) == ("dead", "timeout", None)
    assert (shown[two].answered, shown[two].attempts, shown[two].host) == (500, 1, "two.test:8443")
    assert (shown[two].company, shown[two].trigger, shown[two].webhook) == ("Acme", "end", "")
    assert shown[two].next_at is not None
    assert "310555" not in repr(shown)


async def test_a_secret_that_is_shown_leaves_an_audit_row(postgres: Postgres) -> None:
    company_id = await a_company(postgres, "Acme")
    async with postgres.transaction() as connection:
        assert await note_reveal(connection, "Acme", actor="operator:me") == company_id
        assert await audit.first_broken(connection, company_id) is None
        with pytest.raises(OperatorError, match="no company Nobody"):
            await note_reveal(connection, "Nobody", actor="operator:me")
    told = "SELECT actor, action, entity, entity_id FROM audit_log"
    assert tuple(*await postgres.fetch(told)) == ("operator:me", "reveal", "webhook_secret", company_id)


async def test_the_backlog_says_how_late_the_latest_is(postgres: Postgres) -> None:
    assert await outbox.load_backlog(postgres) == outbox.Backlog(waiting=0, dead=0, lag_s=0.0)
    await owe(postgres, fired(a_webhook(ONE)), in_s=-60)
    await owe(postgres, fired(a_webhook(TWO)), in_s=60)
    (gone,) = await owe(postgres, fired(a_webhook(THREE)))
    await outbox.note(postgres, [dead(gone)])
    backlog = await outbox.load_backlog(postgres)
    assert (backlog.waiting, backlog.dead) == (2, 1)
    assert 60 <= backlog.lag_s < 70
    await lease(postgres)
    assert (await outbox.load_backlog(postgres)).lag_s == 0


events = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4), min_size=1, max_size=3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(orders=events, fates=st.lists(st.integers(0, 3), min_size=60, max_size=60))
async def test_whatever_happens_every_row_ends_and_no_first_attempt_comes_early(
    postgres: Postgres, orders: Sequence[Sequence[int]], fates: Sequence[int]
) -> None:
    await postgres.execute("DELETE FROM outbox")
    waiting: dict[str, tuple[int, int]] = {}  # id -> event, order: those without an attempt
    for event, each in enumerate(orders):
        firings = fired(*(a_webhook(ONE, fire_order=order) for order in each))
        await owe(postgres, [one for one in firings if one.fire_order == firings[0].fire_order])
        later = [one for one in firings if one.fire_order > firings[0].fire_order]
        if later:
            await owe(postgres, later, in_s=3600 * (event % 2))
        waiting |= {one.id: (event, one.fire_order) for one in firings}
    total, fate = len(waiting), iter([*fates, *[0] * 200])
    ended: set[str] = set()
    while len(ended) < total:
        found = await lease(postgres, per_host=2)
        assert found, "nothing is due, though not all have ended"
        for delivery in found:
            event, order = waiting.get(delivery.id, (-1, 0))
            assert all(other[1] >= order for other in waiting.values() if other[0] == event)
        for delivery in found:
            attempts = delivery.attempts + 1
            noted = (ok, dead, failed, None)[next(fate)]
            if noted is None:
                await let_leases_run_out(postgres)  # the worker died
                continue
            told = (
                failed(delivery.id, attempts, pause_s=0) if noted is failed else noted(delivery.id, attempts)
            )
            await outbox.note(postgres, [told])
            waiting.pop(delivery.id, None)
            ended |= {delivery.id} if noted is not failed else set()
