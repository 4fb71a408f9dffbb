"""Drill: receivers that fail in every way, and workers that die. Delivered or dead as the schedule says, nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from standardwebhooks import Webhook as Oracle

from shared.domain.webhook_message import secret_of
from shared.stores.postgres import Postgres
from tests.support.owed import a_webhook, fired, let_leases_run_out, make_due, owe, row, rows
from tests.support.processes import ServiceProcess, running_service, worker_settings
from tests.support.receiver import Receiver, answer, drip, hang, receiving, redirect, reset, say
from tests.support.waiting import eventually

PUBLISHED_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
ATTEMPTS = len(PUBLISHED_S) + 1
LOOPBACK = {"RINGPOST_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8"}
SELECT_LEFT = "SELECT count(*) FROM outbox WHERE status <> 'delivered'"
SKIP_TO_LAST = "UPDATE outbox SET attempts = 7 WHERE id = $1"


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=15)
    yield pool
    await pool.close()


@pytest.fixture
def environment(fresh_database: str, fresh_redis: str) -> dict[str, str]:
    return worker_settings(fresh_database, fresh_redis, **LOOPBACK)


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[ServiceProcess]:
    with running_service("worker", environment) as service:
        yield service


async def until_tried(postgres: Postgres, owed: str, attempts: int, *, within_s: float = 20.0) -> None:
    """Wait until so many attempts are noted."""

    async def noted() -> bool:
        return bool((await row(postgres, owed))["attempts"] >= attempts)

    await eventually(noted, within_s=within_s, what=f"attempt {attempts} is noted")


async def until_all_delivered(postgres: Postgres, within_s: float = 30.0) -> None:
    async def none_left() -> bool:
        return bool(await postgres.fetchval(SELECT_LEFT) == 0)

    await eventually(none_left, within_s=within_s, what="all are delivered")


async def through_the_schedule(postgres: Postgres, owed: str, *, failures: int) -> None:
    """So many attempts fail, and after each comes its published pause, give or take a tenth; none is waited for."""
    for made, pause_s in enumerate(PUBLISHED_S[:failures], 1):
        await until_tried(postgres, owed, made)
        found = await row(postgres, owed)
        assert (found["status"], found["attempts"]) == ("waiting", made)
        assert 0.9 * pause_s - 5 <= found["in_s"] <= 1.1 * pause_s
        await make_due(postgres, owed)


async def given_up(postgres: Postgres, receiver: Receiver) -> None:
    """The whole schedule of a receiver that never says yes."""
    (owed,) = await owe(postgres, fired(a_webhook(receiver.url)))
    await through_the_schedule(postgres, owed, failures=7)
    await until_tried(postgres, owed, ATTEMPTS)
    assert (await row(postgres, owed))["status"] == "dead"
    assert [seen.id for seen in receiver.seen] == [owed] * ATTEMPTS


@pytest.mark.usefixtures("worker")
async def test_who_never_says_yes_is_given_up_after_the_whole_schedule(postgres: Postgres) -> None:
    async with (
        receiving() as inside,
        receiving(answer(500)) as failing,
        receiving(reset) as resetting,
        receiving(say(b"what?\r\n\r\n")) as babbling,
        receiving(redirect(f"{inside.url}/metadata")) as luring,
    ):
        await asyncio.gather(*(given_up(postgres, each) for each in (failing, resetting, babbling, luring)))
        assert inside.seen == []


@pytest.mark.usefixtures("worker")
async def test_who_is_down_for_the_first_four_attempts_gets_it_at_the_fifth(postgres: Postgres) -> None:
    async with receiving() as receiver:
        await receiver.away()
        (owed,) = await owe(postgres, fired(a_webhook(receiver.url)), company_id=3)
        for made in range(1, 5):
            await until_tried(postgres, owed, made)
            found = await row(postgres, owed)
            assert (found["attempts"], found["last_error"]) == (made, "connect")
            if made == 4:
                await receiver.listen()
            await make_due(postgres, owed)
        await until_all_delivered(postgres)
        assert (await row(postgres, owed))["attempts"] == 5
        (seen,) = receiver.seen
        assert seen.id == owed
        Oracle(secret_of(b"pepper-of-the-tests", 3)).verify(seen.body, dict(seen.headers))


@pytest.mark.usefixtures("worker")
async def test_who_hangs_or_drips_is_given_fifteen_seconds(postgres: Postgres) -> None:
    async with receiving(hang) as hanging, receiving(drip()) as dripping:
        (first,) = await owe(postgres, fired(a_webhook(hanging.url)), in_s=60)
        (last,) = await owe(postgres, fired(a_webhook(dripping.url)), in_s=60)
        await postgres.execute(SKIP_TO_LAST, last)
        await make_due(postgres)
        for owed, attempts, status in ((first, 1, "waiting"), (last, ATTEMPTS, "dead")):
            await until_tried(postgres, owed, attempts, within_s=30)
            found = await row(postgres, owed)
            assert (found["status"], found["last_error"]) == (status, "timeout")
        assert [len(each.seen) for each in (hanging, dripping)] == [1, 1]

        async def are_left() -> bool:
            return all(each.open == 0 for each in (hanging, dripping))

        await eventually(are_left, what="both connections are ended")


async def test_what_is_inside_is_refused_unless_the_operator_allows_it(
    postgres: Postgres, fresh_database: str, fresh_redis: str
) -> None:
    async with receiving() as inside:
        places = (inside.url, f"http://localhost:{inside.port}", f"http://[::ffff:127.0.0.1]:{inside.port}")
        with running_service("worker", worker_settings(fresh_database, fresh_redis)) as worker:
            owed = [(await owe(postgres, fired(a_webhook(place))))[0] for place in places]
            for each in owed:
                await until_tried(postgres, each, 1)
                assert (await row(postgres, each))["last_error"] == "refused_address"
            assert inside.most_open == 0
            assert inside.host not in worker.log.read_text()
        with running_service("worker", worker_settings(fresh_database, fresh_redis, **LOOPBACK)):
            await make_due(postgres)
            await until_all_delivered(postgres)


@pytest.mark.usefixtures("worker")
async def test_one_who_hangs_with_a_large_backlog_delays_no_other(postgres: Postgres) -> None:
    async with receiving(hang) as slow, receiving() as quick:
        stuck = a_webhook(slow.url)
        await owe(postgres, [firing for _ in range(3_000) for firing in fired(stuck)], in_s=-60)
        await slow.until_seen(8)
        hook = a_webhook(quick.url)
        owed = await owe(postgres, [firing for _ in range(100) for firing in fired(hook)])
        await quick.until_seen(100)
        assert {seen.id for seen in quick.seen} == set(owed)
        assert slow.most_open == 8
        found = await rows(postgres)
        assert sum(each["status"] == "delivered" for each in found.values()) <= 100


async def test_a_worker_killed_in_mid_delivery_delivers_again_under_the_same_id(
    postgres: Postgres, environment: dict[str, str]
) -> None:
    with running_service("worker", environment) as worker:
        async with receiving(hang, answer()) as receiver:
            (owed,) = await owe(postgres, fired(a_webhook(receiver.url)))
            await receiver.until_seen(1)
            await asyncio.to_thread(worker.kill9)
            found = await row(postgres, owed)
            assert (found["status"], found["attempts"]) == ("waiting", 0)
            assert found["leased_until"] is not None
            await asyncio.to_thread(worker.start)
            await let_leases_run_out(postgres)
            await until_all_delivered(postgres)
            assert [seen.id for seen in receiver.seen] == [owed, owed]


@pytest.mark.timeout(180)
async def test_workers_killed_again_and_again_lose_nothing(
    postgres: Postgres, environment: dict[str, str]
) -> None:
    async with receiving() as one, receiving() as two:
        hooks = [a_webhook(one.url, fire_order=1), a_webhook(two.url, fire_order=2)]
        with running_service("worker", environment) as worker:
            owed: list[str] = []
            for kill in range(1, 6):
                owed += await owe(postgres, [firing for _ in range(40) for firing in fired(*hooks)])
                await one.until_seen(30 * kill)
                await asyncio.to_thread(worker.kill9)
                await asyncio.to_thread(worker.start)
                await let_leases_run_out(postgres)
            await until_all_delivered(postgres)
        assert {seen.id for receiver in (one, two) for seen in receiver.seen} == set(owed)
        assert {seen.id for seen in one.seen}.isdisjoint(seen.id for seen in two.seen)
        first_at = {seen.id: seen.at_s for seen in reversed([*one.seen, *two.seen])}
        events = "SELECT array_agg(id::text ORDER BY fire_order) AS ids FROM outbox GROUP BY event_id"
        for event in await postgres.fetch(events):
            assert first_at[event["ids"][0]] < first_at[event["ids"][1]]


async def test_two_workers_deliver_each_webhook_once(postgres: Postgres, environment: dict[str, str]) -> None:
    with running_service("worker", environment), running_service("worker", environment):
        async with receiving() as receiver:
            hook = a_webhook(receiver.url)
            owed = await owe(postgres, [firing for _ in range(300) for firing in fired(hook)])
            await until_all_delivered(postgres)
            assert sorted(seen.id for seen in receiver.seen) == sorted(owed)


async def test_a_worker_that_stops_leaves_its_deliveries_to_the_next(
    postgres: Postgres, environment: dict[str, str]
) -> None:
    async with receiving(hang, answer()) as receiver:
        with running_service("worker", {**environment, "RINGPOST_DRAIN_S": "1"}) as worker:
            (owed,) = await owe(postgres, fired(a_webhook(receiver.url)))
            await receiver.until_seen(1)
            assert await asyncio.to_thread(worker.stop) == 0
            assert (await row(postgres, owed))["leased_until"] is None
        with running_service("worker", environment):
            await until_all_delivered(postgres)
        assert [seen.id for seen in receiver.seen] == [owed, owed]
