"""The deliver job, round by round, on a real outbox and real receivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook as Oracle

from services.worker.deliver import BacklogJob, Bulkhead, DeliverJob
from shared.clock import Clock
from shared.courier import Courier
from shared.domain.call_keys import call_key
from shared.domain.webhook_message import secret_of
from shared.errors import Unavailable
from shared.outbound import Outbound
from shared.stores import outbox
from shared.stores.postgres import Postgres
from shared.tallies import fold_all, render
from tests.support.engines import Engine, fresh_database_of, make_template
from tests.support.owed import FACTS, a_webhook, fired, make_due, owe, row, rows
from tests.support.receiver import Receiver, answer, hang, receiving
from tests.support.waiting import eventually

PEPPER = b"pepper-of-the-tests"
COMPANY = 4
WIDE = Bulkhead(at_once=100, per_host=8)


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=15)
    yield pool
    await pool.close()


@asynccontextmanager
async def working(postgres: Postgres, bulkhead: Bulkhead = WIDE) -> AsyncIterator[DeliverJob]:
    """A job that may go to loopback; what it has under way is broken off at the end."""
    outbound = Outbound.open([ip_network("127.0.0.0/8")])
    job = DeliverJob(postgres, Courier(outbound, Clock(), pepper=PEPPER), bulkhead=bulkhead)
    try:
        yield job
    finally:
        await job.close(0)
        await outbound.close()


async def until_idle(job: DeliverJob) -> None:
    """Round after round until nothing is under way and nothing is due."""
    while await job.step():
        pass


def counted(outcome: str) -> float:
    fold_all()
    name = f'ringpost_webhook_deliveries_total{{outcome="{outcome}"}} '
    return sum(float(line.split()[1]) for line in render().decode().splitlines() if line.startswith(name))


def level(name: str) -> float:
    return next(
        float(line.split()[1]) for line in render().decode().splitlines() if line.startswith(f"{name} ")
    )


async def test_a_webhook_arrives_signed_and_with_the_calls_key(postgres: Postgres) -> None:
    async with receiving() as receiver, working(postgres) as job:
        hook = a_webhook(
            f"{receiver.url}/x?n=[caller_number]&t=[note]",
            body='{"k":"[call_key]","r":[revenue]}',
            headers={"X-A": "[note]"},
        )
        (owed,) = await owe(postgres, fired(hook), company_id=COMPANY)
        await until_idle(job)
        (seen,) = receiver.seen
        assert (seen.method, seen.id) == ("POST", owed)
        assert seen.target == "/x?n=%2B13105551212&t=two%0D%0Alines%20%26%20%22quotes%22"
        assert seen.headers["x-a"] == 'two lines & "quotes"'
        told = Oracle(secret_of(PEPPER, COMPANY)).verify(seen.body, dict(seen.headers))
        assert told == {"k": call_key(PEPPER, FACTS.key_seed), "r": 25.50}
        found = await row(postgres, owed)
        assert (found["status"], found["attempts"], found["last_status"]) == ("delivered", 1, 200)


@pytest.mark.parametrize("status", [199, 300, 302, 400, 404, 410, 429, 500, 503])
async def test_what_is_not_2xx_is_tried_again(postgres: Postgres, status: int) -> None:
    async with receiving(answer(status)) as receiver, working(postgres) as job:
        (owed,) = await owe(postgres, fired(a_webhook(receiver.url)))
        before = counted("status") + counted("protocol") + counted("broken")
        await until_idle(job)
        found = await row(postgres, owed)
        assert (found["status"], found["attempts"]) == ("waiting", 1)
        assert found["last_status"] == (status if status >= 200 else None)
        assert 4.4 <= found["in_s"] <= 5.5
        assert counted("status") + counted("protocol") + counted("broken") == before + 1


async def test_the_last_attempt_makes_it_dead(postgres: Postgres) -> None:
    async with receiving(answer(500)) as receiver, working(postgres) as job:
        (owed,) = await owe(postgres, fired(a_webhook(receiver.url)))
        for _ in range(12):
            await until_idle(job)
            await make_due(postgres)
        found = await row(postgres, owed)
        assert (found["status"], found["attempts"], found["last_status"]) == ("dead", 8, 500)
        assert {seen.id for seen in receiver.seen} == {owed}
        assert len(receiver.seen) == 8


async def test_what_can_never_be_sent_is_dead_at_once_and_says_why(postgres: Postgres) -> None:
    async with working(postgres) as job:
        (owed,) = await owe(postgres, fired(a_webhook("https://[age].test/")))
        await until_idle(job)
        found = await row(postgres, owed)
        assert (found["status"], found["attempts"]) == ("dead", 1)
        assert found["last_error"] == "the URL's host is not plain: it takes no tokens"


async def test_a_payload_of_no_sense_dies_on_the_schedule_and_stops_nobody(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving() as receiver, working(postgres) as job:
        one, two = await owe(postgres, fired(a_webhook(receiver.url), a_webhook(receiver.url)))
        await postgres.execute(
            'UPDATE outbox SET payload = \'{"secret": "+13105551212"}\' WHERE id = $1', one
        )
        await until_idle(job)
        found = await rows(postgres)
        assert (found[one]["status"], found[one]["last_error"]) == ("waiting", "fault")
        assert found[two]["status"] == "delivered"
        assert "310555" not in caplog.text


async def test_a_round_does_not_wait_for_a_receiver_that_hangs(postgres: Postgres) -> None:
    async with receiving(hang) as slow, receiving() as quick, working(postgres) as job:
        for _ in range(20):
            await owe(postgres, fired(a_webhook(slow.url)))
        async with asyncio.timeout(5):
            await job.step()
            (owed,) = await owe(postgres, fired(a_webhook(quick.url)))
            while (await row(postgres, owed))["status"] != "delivered":
                await job.step()
        assert slow.most_open == WIDE.per_host
        assert (
            len([each for each in (await rows(postgres)).values() if each["leased_until"]]) == WIDE.per_host
        )


async def test_no_more_are_under_way_than_may_be(postgres: Postgres) -> None:
    bulkhead = Bulkhead(at_once=5, per_host=3)
    async with receiving(hang) as one, receiving(hang) as two, working(postgres, bulkhead) as job:
        for receiver in (one, two):
            for _ in range(6):
                await owe(postgres, fired(a_webhook(receiver.url)))
        for _ in range(3):
            await job.step()
        assert sorted((one.open, two.open)) == [2, 3]


async def test_webhooks_of_an_event_arrive_in_order(postgres: Postgres) -> None:
    async with receiving() as receiver, working(postgres) as job:
        hooks = [a_webhook(f"{receiver.url}/{order}", fire_order=order) for order in (3, 1, 2)]
        for _ in range(4):
            await owe(postgres, fired(*hooks))
        await until_idle(job)
        at = {seen.id: place for place, seen in enumerate(receiver.seen)}
        events = "SELECT array_agg(id::text ORDER BY fire_order) AS ids FROM outbox GROUP BY event_id"
        for event in await postgres.fetch(events):
            places = [at[each] for each in event["ids"]]
            assert places == sorted(places)


async def test_at_the_stop_what_ends_is_noted_and_what_does_not_is_free(postgres: Postgres) -> None:
    async with receiving(hang) as slow, receiving() as quick, working(postgres) as job:
        (stuck,) = await owe(postgres, fired(a_webhook(slow.url)))
        (done,) = await owe(postgres, fired(a_webhook(quick.url)))
        await job.step()
        await both_seen(slow, quick)
        await job.close(0.5)
        found = await rows(postgres)
        assert found[done]["status"] == "delivered"
        assert (found[stuck]["status"], found[stuck]["attempts"], found[stuck]["leased_until"]) == (
            "waiting",
            0,
            None,
        )
        assert [each.id for each in await outbox.lease(postgres, busy={}, per_host=1, at_most=9)] == [stuck]


async def for_ever(job: DeliverJob) -> None:
    while True:
        await job.step()


async def both_seen(*receivers: Receiver) -> None:
    async def came() -> bool:
        return all(receiver.seen for receiver in receivers)

    await eventually(came, what="both receivers were asked")


async def test_what_came_of_an_attempt_is_kept_until_postgres_is_back(own_postgres: Engine) -> None:
    make_template(own_postgres.url)
    with fresh_database_of(own_postgres.url) as dsn:
        postgres = await Postgres.open(dsn, deadline_s=2)
        async with receiving() as receiver, working(postgres) as job:
            (owed,) = await owe(postgres, fired(a_webhook(receiver.url)))
            await job.step()
            await receiver.until_seen(1)
            own_postgres.kill9()
            with pytest.raises(Unavailable):
                await for_ever(job)
            await job.close(0.1)  # says nothing: the lease runs out
            own_postgres.start()
            await until_idle(job)
            assert (await row(postgres, owed))["status"] == "delivered"
            assert len(receiver.seen) == 1
        await postgres.close()


async def test_the_backlog_is_told(postgres: Postgres) -> None:
    await owe(postgres, fired(a_webhook("https://a.test/"), a_webhook("https://b.test/")), in_s=-30)
    await BacklogJob(postgres).step()
    assert level("ringpost_outbox_waiting") == 2
    assert level("ringpost_outbox_dead") == 0
    assert 30 <= level("ringpost_outbox_lag_seconds") < 60
