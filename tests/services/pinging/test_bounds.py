"""What one buyer may take: time, connections, requests under way; and what it costs the others: nothing."""

import asyncio
import gc
from collections.abc import Sequence
from ipaddress import ip_network
from time import monotonic

import pytest
from msgspec.structs import replace

from shared import tallies
from shared.dialling import Dialler
from shared.domain.outgoing import Failed, Failure, Reply
from shared.pinging.buyers import Asked, BuyerLimits, Buyers, Heard
from shared.pinging.buyers.asking import POST, Round
from shared.pinging.buyers.exchange import Exchange
from shared.pinging.buyers.pool import Pool, PoolLimits
from shared.pinging.buyers.standing import Standing, Standings
from shared.pinging.rules.breaker import BreakerRule
from tests.services.pinging.scene import (
    LATE,
    NEVER_S,
    NEVER_SHUT,
    SOON_S,
    all_of,
    ask,
    heard_of,
    one,
    opened,
    post,
)
from tests.support.receiver import Behaviour, Receiver, answer, drip, end, flood, hang, receiving, reset, say
from tests.support.waiting import eventually

BUSY = Failed(kind=Failure.BUSY)
SHUT = Failed(kind=Failure.SHUT)
FINE = Reply(status=200)


def counted(metric: str, **labels: str) -> float:
    tallies.fold_all()
    return tallies.REGISTRY.get_sample_value(metric, labels) or 0.0


async def until_left(receiver: Receiver) -> None:
    async def is_left() -> bool:
        return receiver.open == 0

    await eventually(is_left, what="its connections are closed")


async def test_two_of_five_are_in_by_the_deadline(buyers: Buyers) -> None:
    async with (
        receiving(answer(body=b"25"), keeps=True) as first,
        receiving(hang) as second,
        receiving(drip()) as third,
        receiving(answer(body=b"20"), keeps=True) as fourth,
        receiving(say(b"HTTP/1.1 200 So\r\nContent-Length: 9\r\n\r\nhalf"), keeps=True) as fifth,
    ):
        urls = [each.url for each in (first, second, third, fourth, fifth)]
        heard = await heard_of(buyers, all_of(*urls), within_s=SOON_S)
        assert [each.buyer_id for each in heard] == [1, 2, 3, 4, 5]
        assert [each.is_late for each in heard] == [False, True, True, False, True]
        assert [each.came for each in heard if not each.is_late] == [
            Reply(status=200, body=b"25"),
            Reply(status=200, body=b"20"),
        ]
        assert all(each.ms >= SOON_S * 1_000 - 2 for each in heard if each.is_late)
        for each in (second, third, fifth):
            await until_left(each)


async def test_a_buyers_own_timeout_holds_too(buyers: Buyers) -> None:
    async with receiving(hang) as slow, receiving(keeps=True) as quick:
        asked = [
            one(slow.url, buyer_id=1, timeout_ms=30),
            one(quick.url, buyer_id=2),
            one(slow.url, buyer_id=3, timeout_ms=60),
        ]
        heard = await heard_of(buyers, asked)
        assert [each.came for each in heard] == [LATE, FINE, LATE]
        assert heard[0].ms < heard[2].ms


async def test_a_deadline_that_is_over_asks_nobody(buyers: Buyers) -> None:
    async with receiving() as receiver:
        assert await ask(buyers, receiver.url, within_s=0.0) == [LATE]
        assert await heard_of(buyers, [one(receiver.url, timeout_ms=0)]) == [
            Heard(buyer_id=1, came=LATE, ms=0)
        ]
        assert receiver.connections == 0


async def test_an_answer_that_is_read_after_the_deadline_is_late(buyers: Buyers) -> None:
    due_s = asyncio.get_running_loop().time() + SOON_S

    async def hold_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 So\r\nContent-Length: 0\r\n\r\n")
        while monotonic() < due_s + 0.05:  # nobody else of this loop gets a turn
            pass

    async with receiving(hold_up, keeps=True) as receiver:
        (heard,) = await buyers.ask([one(receiver.url)], deadline_s=due_s)
        assert heard.is_late


async def test_a_round_that_was_quick_leaves_no_timer(buyers: Buyers) -> None:
    async with receiving(keeps=True) as receiver:
        assert await ask(buyers, receiver.url, receiver.url, within_s=NEVER_S) == [FINE] * 2
    gc.collect()
    assert [each for each in gc.get_objects() if isinstance(each, Round)] == []


async def test_nobody_to_ask(buyers: Buyers) -> None:
    assert await ask(buyers) == []


async def test_all_are_down(buyers: Buyers) -> None:
    async with receiving() as down, receiving(reset) as broken:
        await down.away()
        came = await ask(buyers, down.url, broken.url, "http://no-such-host.invalid/")
        kinds = (Failure.CONNECT, Failure.BROKEN, Failure.NAME)
        assert came == [Failed(kind=kind) for kind in kinds]
        await down.listen()


@pytest.mark.parametrize("badly", [hang, drip(), flood(10 * 1024 * 1024), reset])
async def test_one_of_ten_behaves_badly_five_hundred_times(badly: Behaviour) -> None:
    limits = BuyerLimits(connections=PoolLimits(of_a_host=16), breaker=NEVER_SHUT)
    async with opened(limits) as buyers, receiving(badly) as bad, receiving(keeps=True) as good:
        urls = [bad.url, *[good.url] * 9]

        heard: list[Reply | Failed] = []

        async def pings(count: int) -> None:
            for _ in range(count):
                came = await ask(buyers, *urls, within_s=0.1)
                assert isinstance(came[0], Failed)
                heard.extend(came[1:])

        assert (await ask(buyers, *urls, within_s=0.5))[1:] == [FINE] * 9
        tasks_before = len(asyncio.all_tasks())
        await asyncio.gather(*[pings(25) for _ in range(20)])
        await until_left(bad)
        assert set(heard) <= {FINE, LATE}
        assert heard.count(FINE) > 2_250  # most; not all where the machine is busy
        assert good.most_open <= limits.connections.of_a_host
        assert len(asyncio.all_tasks()) <= tasks_before + limits.connections.of_a_host  # the receivers' own
        gc.collect()
        assert [each for each in gc.get_objects() if isinstance(each, Exchange)] == []
        assert (await ask(buyers, *urls[1:], within_s=0.5)) == [FINE] * 9


async def test_a_hundred_pings_to_a_slow_buyer_take_no_connection_from_another_host() -> None:
    limits = BuyerLimits(connections=PoolLimits(of_a_host=20), breaker=NEVER_SHUT)
    async with opened(limits) as buyers, receiving(hang) as slow, receiving(keeps=True) as quick:
        waiting = [asyncio.ensure_future(ask(buyers, slow.url)) for _ in range(100)]
        await slow.until_seen(20)
        assert [await ask(buyers, quick.url) for _ in range(20)] == [[FINE]] * 20
        assert (slow.connections, quick.connections) == (20, 1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await until_left(slow)


async def test_who_waits_for_a_connection_gets_the_first_that_is_free() -> None:
    async with (
        opened(BuyerLimits(connections=PoolLimits(of_a_host=2))) as buyers,
        receiving(keeps=True) as receiver,
    ):
        came = await asyncio.gather(*[ask(buyers, receiver.url) for _ in range(40)])
        assert came == [[FINE]] * 40
        assert receiver.connections == 2


async def test_connections_that_broke_are_made_anew_for_those_who_wait() -> None:
    limits = BuyerLimits(connections=PoolLimits(of_a_host=2), breaker=NEVER_SHUT)
    async with opened(limits) as buyers, receiving(*[end(b"?")] * 5, answer(), keeps=True) as receiver:
        came = await asyncio.gather(*[ask(buyers, receiver.url) for _ in range(20)])
        assert came.count([FINE]) == 15
        assert len(receiver.seen) == 20


async def test_the_connections_of_all_are_bounded_and_the_longest_idle_make_room() -> None:
    limits = BuyerLimits(connections=PoolLimits(in_all=2))
    async with opened(limits) as buyers, receiving(keeps=True) as one_host, receiving(hang) as another:
        assert await asyncio.gather(*[ask(buyers, one_host.url) for _ in range(2)]) == [[FINE]] * 2
        assert one_host.open == 2
        waiting = [asyncio.ensure_future(ask(buyers, another.url)) for _ in range(2)]
        await another.until_seen(2)
        await until_left(one_host)
        assert await ask(buyers, one_host.url) == [BUSY]
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

        async def is_answered() -> bool:
            return await ask(buyers, one_host.url) == [FINE]

        await eventually(is_answered, what="there is a place again")


async def test_a_connection_that_nobody_needs_is_closed() -> None:
    async with (
        opened(BuyerLimits(connections=PoolLimits(free_s=0.1))) as buyers,
        receiving(keeps=True) as receiver,
    ):
        assert await ask(buyers, receiver.url) == [FINE]
        await until_left(receiver)
        assert await ask(buyers, receiver.url) == [FINE]
        assert receiver.connections == 2


@pytest.mark.parametrize("of_a_host", [1, 2])
async def test_a_post_takes_no_connection_that_was_free_for_long(of_a_host: int) -> None:
    dialler = Dialler([ip_network("127.0.0.0/8")], names_kept_s=0.0, within_s=NEVER_S)
    pool, standings = (
        Pool(dialler, PoolLimits(of_a_host=of_a_host)),
        Standings(BreakerRule(), most_under_way=1),
    )
    buyers = Buyers(pool, standings)
    async with receiving(keeps=True) as receiver:
        await ask(buyers, receiver.url)
        deadline_s = asyncio.get_running_loop().time() + 5.0
        manner = replace(POST, idle_s=-1.0)  # as if time had gone by
        post_round = Round(pool, standings, manner=manner, deadline_s=deadline_s, traceparent="")
        (heard,) = await post_round.ask([one(receiver.url)])
        assert (heard.came, receiver.connections) == (FINE, 2)
        assert counted("ringpost_buyer_connections") == of_a_host
        await buyers.close()
        assert counted("ringpost_buyer_connections") == 0


async def test_no_more_than_so_many_requests_are_under_way_to_one_buyer() -> None:
    async with (
        opened(BuyerLimits(at_once=3)) as buyers,
        receiving(hang) as slow,
        receiving(keeps=True) as quick,
    ):
        before = counted("ringpost_buyer_requests_total", request="ping", outcome="busy")
        waiting = [asyncio.ensure_future(ask(buyers, slow.url)) for _ in range(3)]
        await slow.until_seen(3)
        heard = await heard_of(buyers, [one(slow.url, buyer_id=1), one(quick.url, buyer_id=2)])
        assert [each.came for each in heard] == [BUSY, FINE]
        assert counted("ringpost_buyer_requests_total", request="ping", outcome="busy") == before + 1
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert await came_of(buyers, one(quick.url, buyer_id=1)) == FINE


async def came_of(buyers: Buyers, asked: Asked) -> Reply | Failed:
    (heard,) = await heard_of(buyers, [asked])
    return heard.came


def kinds(heard: Sequence[Reply | Failed]) -> list[str]:
    return [str(each.status) if isinstance(each, Reply) else each.kind for each in heard]


@pytest.mark.parametrize(
    ("badly", "kind"),
    [
        (reset, "broken"),
        (answer(500), "500"),
        (answer(503), "503"),
        (flood(10**7), "too_large"),
        (say(b"no\r\n\r\n"), "protocol"),
    ],
)
async def test_a_buyer_that_fails_is_left_alone_then_tried_once_and_taken_back(
    badly: Behaviour, kind: str
) -> None:
    limits = BuyerLimits(breaker=BreakerRule(in_a_row=3, pause_ms=200))
    async with opened(limits) as buyers, receiving(badly) as receiver:
        before = counted("ringpost_buyer_breakers_opened_total")
        for _ in range(3):
            assert kinds(await ask(buyers, receiver.url)) == [kind]
        assert counted("ringpost_buyer_breakers_opened_total") == before + 1
        assert await ask(buyers, receiver.url) == [SHUT]
        assert len(receiver.seen) == 3
        assert await came_of(buyers, one(receiver.url, buyer_id=2, timeout_ms=1)) != SHUT  # only its own
        receiver.plan(hang, answer())

        async def is_tried() -> bool:
            three = [ask(buyers, receiver.url, within_s=SOON_S) for _ in range(3)]
            came = sorted(await asyncio.gather(*three), key=kinds)
            assert came in ([[SHUT], [SHUT], [LATE]], [[SHUT]] * 3)
            return came[-1] == [LATE]

        async def is_back() -> bool:
            return await ask(buyers, receiver.url) == [FINE]

        await eventually(is_tried, what="one is let through")
        assert await ask(buyers, receiver.url) == [SHUT]  # the probe failed
        await eventually(is_back, what="the buyer is taken back")
        assert await ask(buyers, receiver.url) == [FINE]


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 429])
async def test_an_answer_is_no_failure_whatever_it_says(status: int) -> None:
    async with (
        opened(BuyerLimits(breaker=BreakerRule(in_a_row=1))) as buyers,
        receiving(answer(status)) as receiver,
    ):
        for _ in range(3):
            assert kinds(await ask(buyers, receiver.url)) == [str(status)]


async def test_a_ping_that_had_no_time_says_nothing_of_the_buyer() -> None:
    async with opened(BuyerLimits(breaker=BreakerRule(in_a_row=1))) as buyers, receiving(hang) as receiver:
        for _ in range(3):
            assert await ask(buyers, receiver.url, within_s=0.02) == [LATE]
        assert await came_of(buyers, one(receiver.url, timeout_ms=20)) == LATE  # all that it asked for
        assert await ask(buyers, receiver.url) == [SHUT]


async def test_a_winner_is_told_although_its_breaker_opened() -> None:
    limits = BuyerLimits(breaker=BreakerRule(in_a_row=1, pause_ms=60_000))
    async with opened(limits) as buyers, receiving(reset, answer(), keeps=True) as receiver:
        assert kinds(await ask(buyers, receiver.url)) == ["broken"]
        assert await post(buyers, one(receiver.url)) == FINE
        assert await ask(buyers, receiver.url) == [SHUT]  # a post is no probe


async def test_who_goes_leaves_nothing_behind() -> None:
    limits = BuyerLimits(at_once=1, breaker=BreakerRule(in_a_row=1, pause_ms=1))
    async with opened(limits) as buyers, receiving(reset, hang, answer(), keeps=True) as receiver:
        assert kinds(await ask(buyers, receiver.url)) == ["broken"]

        probes = [asyncio.ensure_future(ask(buyers, receiver.url))]

        async def is_under_way() -> bool:
            if probes[-1].done():
                probes.append(asyncio.ensure_future(ask(buyers, receiver.url)))
            return len(receiver.seen) == 2

        await eventually(is_under_way, what="the probe is there")
        probe = probes[-1]
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert await ask(buyers, receiver.url) == [FINE]  # another one may try, and there is a place for it
        assert receiver.open == 1


async def test_closing_ends_what_is_under_way() -> None:
    async with receiving(hang) as slow, receiving(keeps=True) as quick:
        async with opened(BuyerLimits()) as buyers:
            assert await ask(buyers, quick.url) == [FINE]
            waiting = asyncio.ensure_future(ask(buyers, slow.url))
            await slow.until_seen(1)
        assert await waiting == [Failed(kind=Failure.BROKEN)]
        await until_left(quick)
        assert await ask(buyers, quick.url) == [BUSY]


def test_a_bounded_number_of_buyers_is_remembered_those_under_way_before_others() -> None:
    standings = Standings(BreakerRule(in_a_row=1), most_under_way=1, most_kept=3)
    under_way = standings.of(1)
    assert standings.admit(under_way, 0, minds_breaker=True) == 0
    failed = standings.of(2)
    assert standings.admit(failed, 0, minds_breaker=True) == 0
    standings.ended(failed, 0, now_ms=0, well=False)
    assert standings.admit(standings.of(2), 0, minds_breaker=True) == SHUT
    for buyer_id in range(3, 100):
        standings.of(buyer_id)
    assert standings.of(1) is under_way
    assert standings.of(2) is not failed
    del failed
    assert len([each for each in gc.get_objects() if isinstance(each, Standing)]) <= 4
