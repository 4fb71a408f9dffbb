"""Pings whose buyers must be asked, over HTTP, with buyers that behave well and badly."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.domain.pings import decode_winner, read_trace
from tests.services.asking.stage import CALLER, Stage, bids, fixed, price
from tests.support.receiver import Behaviour, answer, drip, hang, receiving, redirect, reset, say

BETA = fixed("beta", "20")
NEVER_S, SOON_S = 20, Decimal("0.5")


async def test_the_highest_bid_wins_and_its_terms_are_told(stage: Stage) -> None:
    async with receiving(price("30.50")) as alpha, receiving(price(10)) as gamma:
        token = await stage.company(bids("alpha", alpha.url), BETA, bids("gamma", gamma.url))
        told = await stage.ping(token)
        assert (told.status, told.winner, told.said["status"]) == (200, "alpha", "reserved")
        assert told.said["retreaver_payout"] == 5.0
        assert len(alpha.seen) == len(gamma.seen) == 1
        again = await stage.ping(token)
        assert again.said == {**told.said, "retreaver_ping_shield": True}
        assert len(alpha.seen) == 1, "a repeat asks nobody"


async def test_everything_that_was_said_stands_in_the_trace(stage: Stage) -> None:
    async with receiving(price("30")) as alpha, receiving(answer(204)) as gamma:
        token = await stage.company(bids("alpha", alpha.url), bids("gamma", gamma.url), BETA)
        told = await stage.ping(token)
        (event,) = [each for each in await stage.events() if told.said["uuid"] in each["e"]]
        winner = decode_winner(event["w"].encode())
        assert winner.revenue == "30.0000"
        rows = {row.reason: row for row in read_trace(event["t"], event["r"].split("|")[1])}
        assert rows[""].bid == "30.0000"
        assert rows["outranked"].bid == "20"
        assert rows["no_bids"].bid == ""
        assert rows[""].ping_ms is not None
        assert rows["no_bids"].ping_ms is not None
        assert rows["outranked"].ping_ms is None


@pytest.mark.parametrize(
    "behaviour",
    [
        reset,
        answer(body=b"x" * (10 << 20)),
        answer(body=b"<html>we are sorry</html>"),
        answer(body=b'{"price": '),
        answer(body=b'{"price": NaN}'),
        answer(body=b'{"price": "NaN"}'),
        price(-5),
        price(0),
        price(1e9),
        price("12,50"),
        price({"amount": 5}),
        answer(500, b'{"price": 99}'),
        answer(404),
        redirect("http://169.254.169.254/latest/meta-data/"),
        say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ],
    ids=lambda each: "",
)
async def test_a_buyer_that_says_nothing_usable_has_no_bid_and_costs_the_others_nothing(
    stage: Stage, behaviour: Behaviour
) -> None:
    async with receiving(behaviour) as alpha, receiving(price(25)) as gamma:
        asked = bids("alpha", alpha.url)
        token = await stage.company(asked, BETA, bids("gamma", gamma.url), timeout=NEVER_S)
        assert (await stage.ping(token)).winner == "gamma"


@pytest.mark.parametrize("number", ["12", "", None, "javascript:alert(1)"])
async def test_a_number_that_is_none_is_no_bid_of_a_buyer_that_must_name_one(
    stage: Stage, number: str | None
) -> None:
    async with receiving(price(99, number=number)) as alpha:
        token = await stage.company(bids("alpha", alpha.url, number="[number]"), BETA)
        assert (await stage.ping(token)).winner == "beta"


@pytest.mark.parametrize("behaviour", [hang, drip()], ids=["hangs", "drips"])
async def test_the_deadline_uses_the_bids_that_are_in(stage: Stage, behaviour: Behaviour) -> None:
    async with (
        receiving(behaviour) as slow,
        receiving(price(25)) as gamma,
        receiving(price(24)) as delta,
    ):
        slow_ones = [bids(f"slow{place}", slow.url) for place in range(3)]
        token = await stage.company(
            *slow_ones, bids("gamma", gamma.url), bids("delta", delta.url), timeout=SOON_S
        )
        assert (await stage.ping(token)).winner == "gamma"


async def test_nobody_bids_and_nobody_is_in_time(stage: Stage) -> None:
    async with receiving(answer(204)) as alpha, receiving(hang) as gamma:
        token = await stage.company(bids("alpha", alpha.url))
        assert (await stage.ping(token)).winner == "no-target no_bids"
        token = await stage.company(bids("gamma", gamma.url), timeout=SOON_S)
        assert (await stage.ping(token)).winner == "no-target deadline"


async def test_all_buyers_are_down(stage: Stage) -> None:
    async with receiving(hang) as gone:
        url = gone.url
    token = await stage.company(bids("alpha", url), bids("gamma", url), timeout=NEVER_S)
    assert (await stage.ping(token)).winner == "no-target no_bids"


async def test_an_address_inside_is_never_asked(stage: Stage) -> None:
    token = await stage.company(
        bids("alpha", "http://10.0.0.1:9/"), bids("gamma", "http://169.254.169.254/"), BETA
    )
    assert (await stage.ping(token)).winner == "beta"


async def test_equal_pings_ask_once_and_hear_the_same(stage: Stage) -> None:
    first_answer = asyncio.Event()

    async def when_told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await first_answer.wait()
        await price("30")(reader, writer)

    async with receiving(when_told) as alpha:
        token = await stage.company(bids("alpha", alpha.url), timeout=NEVER_S)
        pings = [asyncio.create_task(stage.ping(token)) for _ in range(8)]
        await alpha.until_seen(1)
        first_answer.set()
        told = [each.said for each in await asyncio.gather(*pings)]
        assert len(alpha.seen) == 1
        assert len({each["uuid"] for each in told}) == 1
        assert sum("retreaver_ping_shield" in each for each in told) == 7


async def test_equal_pings_hear_that_nobody_bid_and_a_later_one_asks_again(stage: Stage) -> None:
    first_answer = asyncio.Event()

    async def when_told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await first_answer.wait()
        await answer(204)(reader, writer)

    async with receiving(when_told) as alpha:
        token = await stage.company(bids("alpha", alpha.url), timeout=NEVER_S)
        pings = [asyncio.create_task(stage.ping(token)) for _ in range(5)]
        await alpha.until_seen(1)
        first_answer.set()
        assert {each.winner for each in await asyncio.gather(*pings)} == {"no-target no_bids"}
        asked = len(alpha.seen)
        await stage.ping(token)
        assert len(alpha.seen) == asked + 1


async def test_who_waits_too_long_for_an_equal_ping_is_told_so(stage: Stage) -> None:
    async with receiving(hang) as alpha:
        token = await stage.company(bids("alpha", alpha.url), timeout=SOON_S)
        told = await asyncio.gather(*(stage.ping(token) for _ in range(3)))
        assert {each.winner for each in told} == {"no-target deadline"}


async def test_a_hidden_number_is_told_to_the_winner_alone(stage: Stage) -> None:
    async with (
        receiving(price(30, ping_id="p-1")) as alpha,
        receiving(answer(body=b'{"status":"ok"}')) as post,
    ):
        bid = {
            "url": f"{alpha.url}/?cid=[caller_number]&id=[call_uuid]",
            "hide_caller_number": True,
            "post": {"url": f"{post.url}/?cid=[caller_number]&ping=[ping_id]", "accept_when": "status == ok"},
        }
        token = await stage.company(
            {**bids("alpha", alpha.url), "bid": {"output_map": {"bid": "price"}, **bid}}
        )
        told = await stage.ping(token)
        assert told.winner == "alpha"
        (asked,), (posted,) = alpha.seen, post.seen
        said = parse_qs(urlsplit(asked.target).query)
        assert said["id"] == [told.said["uuid"]]
        assert len(said["cid"][0]) == 64
        assert CALLER[2:] not in asked.target
        assert parse_qs(urlsplit(posted.target).query) == {"cid": [CALLER], "ping": ["p-1"]}


def posting(tid: str, url: str, post_url: str, **more: Any) -> dict[str, Any]:
    return bids(tid, url, bid={"post": {"url": post_url, "accept_when": "status == ok"}}, **more)


async def test_a_post_that_is_refused_gives_the_caller_to_the_next(stage: Stage) -> None:
    no, yes = answer(body=b'{"status":"no"}'), answer(body=b'{"status":"ok","number":"+18005550188"}')
    async with (
        receiving(price(30)) as alpha,
        receiving(price(25)) as gamma,
        receiving(no) as first,
        receiving(yes) as second,
    ):
        cap = {"caps": {"hard": 1}}
        token = await stage.company(
            posting("alpha", alpha.url, first.url, **cap),
            posting("gamma", gamma.url, second.url, number="[number]"),
            add_to_caps_on_status_reserved=True,
        )
        told = await stage.ping(token)
        assert told.winner == "gamma"
        assert (len(first.seen), len(second.seen)) == (1, 1)
        (event,) = [each for each in await stage.events() if told.said["uuid"] in each["e"]]
        assert decode_winner(event["w"].encode()).number == "+18005550188"
        first.plan(yes)
        assert (await stage.ping(token, "+12125551213")).winner == "alpha", "its place was given back"
        assert (await stage.ping(token, "+12125551214")).winner == "gamma", "and is taken now"


async def test_two_posts_at_most(stage: Stage) -> None:
    async with receiving(price(30)) as asked, receiving(answer(body=b'{"status":"no"}')) as post:
        buyers = [posting(tid, asked.url, post.url) for tid in ("alpha", "beta", "gamma")]
        token = await stage.company(*buyers)
        assert (await stage.ping(token)).winner == "no-target no_bids"
        assert len(post.seen) == 2


async def test_no_more_are_asked_than_the_key_may(stage: Stage) -> None:
    async with receiving(price(30)) as alpha:
        limit: dict[str, Any] = {
            "ping_shield_outbound_count_limit": 3,
            "ping_shield_outbound_ms_limit": 60_000,
        }
        token = await stage.company(bids("alpha", alpha.url), bids("gamma", alpha.url), **limit)
        assert (await stage.ping(token)).status == 200
        assert (await stage.ping(token, "+12125551213")).said["status"] == "reserved"
        assert len(alpha.seen) == 3
        assert (await stage.ping(token, "+12125551214")).winner == "no-target outbound_limit"
        assert len(alpha.seen) == 3


async def test_who_cannot_take_the_caller_is_not_asked(stage: Stage) -> None:
    async with receiving(price(30)) as alpha:
        full = bids("alpha", alpha.url, caps={"hard": 0})
        closed = bids("gamma", alpha.url, tags=["age > 60"])
        token = await stage.company(full, closed, BETA)
        assert (await stage.ping(token)).winner == "beta"
        assert alpha.seen == []


async def test_a_test_key_asks_nobody(stage: Stage) -> None:
    async with receiving(price(30)) as alpha:
        token = await stage.company(bids("alpha", alpha.url), BETA, test=True)
        assert (await stage.ping(token)).winner == "beta"
        assert alpha.seen == []


async def test_a_bid_below_the_payout_loses_unless_the_campaign_allows_it(stage: Stage) -> None:
    async with receiving(price("4.99")) as alpha:
        token = await stage.company(bids("alpha", alpha.url))
        assert (await stage.ping(token)).winner == "no-target margin"
        token = await stage.company(bids("alpha", alpha.url), campaign={"allow_loss": True})
        assert (await stage.ping(token)).winner == "alpha"


async def test_the_payout_is_a_share_of_the_bid(stage: Stage) -> None:
    share = {
        "name": "long",
        "side": "payable",
        "kind": "timer",
        "conversions": [{"seconds": 60, "payout_modifier": "*0.8"}],
    }
    async with receiving(price("30")) as alpha:
        token = await stage.company(bids("alpha", alpha.url), campaign={"conversion_criteria": [share]})
        told = await stage.ping(token)
        assert (told.said["retreaver_payout"], told.said["retreaver_seconds"]) == (24.0, 60)


async def test_what_was_sent_is_told_with_each_token_in_its_place(stage: Stage) -> None:
    async with receiving(price(30)) as alpha:
        bid = {
            "url": f"{alpha.url}/bid?state=[caller_state]",
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": '{"caller":"[caller_number]","age":"[age]","pub":"[publisher_id]","cid":"[campaign_id]"}',
        }
        token = await stage.company(bids("alpha", alpha.url, bid=bid))
        await stage.ping(token, age='3"4')
        (asked,) = alpha.seen
        assert (asked.method, asked.target) == ("POST", "/bid?state=NY")
        assert json.loads(asked.body) == {"caller": CALLER, "age": '3"4', "pub": "pub_a", "cid": "auto"}


async def test_redis_is_lost_while_buyers_are_asked(stage: Stage) -> None:
    """The place is not promised: 503 at once, and all is well when Redis is back."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def when_told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        await price("30")(reader, writer)

    async with receiving(when_told) as alpha:
        token = await stage.company(bids("alpha", alpha.url), timeout=NEVER_S)
        ping = asyncio.create_task(stage.ping(token))
        await asked.wait()
        stage.redis.pause()
        try:
            go_on.set()
            told = await ping
            assert (told.status, told.said["reason"]) == (503, "unavailable")
            assert "retry-after" in told.headers
        finally:
            stage.redis.resume()
        assert (await stage.ping(token, "+12125551299")).status in {200, 503}
