"""What many pings show that one cannot: odds, rates, and that nothing is given away twice."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from tests.services.rtb.bench import Bench, send
from tests.services.rtb.cases import Answer, Sent
from tests.services.rtb.conftest import Applied

KEY = "postback_keys.0."
AT_ONCE = 16


def pings(
    bench: Bench, account: dict[str, Any], callers: Sequence[str], path: str = "/rtbs.json"
) -> list[Answer]:
    """One ping for each caller with the account's first key, many at once."""
    token = account["postback_keys"][0]["token"]
    service = bench.service()

    def ping(caller: str) -> Answer:
        query = urlencode({"key": token, "caller_number": caller})
        return send(service, Sent(method="GET", target=f"{path}?{query}", headers={}, body=b""))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ping, callers))


def callers(count: int) -> list[str]:
    return [str(2125550000 + number) for number in range(count)]


def test_equal_priorities_are_drawn_by_weight(bench: Bench, apply: Applied) -> None:
    account = apply(
        "three_buyers",
        {
            **{f"buyers.{place}.priority": 1 for place in range(3)},
            "buyers.0.weight": 3,
            "buyers.2.paused": True,
        },
    )
    winners = Counter(answer.json()["retreaver_target_dba"] for answer in pings(bench, account, callers(400)))
    assert set(winners) == {"Alpha", "Beta"}
    assert 240 <= winners["Alpha"] <= 350  # 300 expected, with a spread of 8.7


def test_a_reservation_lives_as_long_as_its_key_says(bench: Bench, apply: Applied) -> None:
    (answer,) = pings(bench, apply("one_buyer", {KEY + "ttl_seconds": 600}), callers(1))
    left = datetime.fromisoformat(answer.json()["expires_at"]) - parsedate_to_datetime(answer.headers["date"])
    assert 598 <= left.total_seconds() <= 602


def test_a_hold_is_never_taken_twice(bench: Bench, apply: Applied) -> None:
    account = apply(
        "three_buyers",
        {
            KEY + "add_to_caps_on_status_reserved": True,
            "buyers.0.caps": {"concurrency": 5},
            "buyers.1.caps": {"daily": 7},
            "buyers.2.paused": True,
        },
    )
    said = [answer.json() for answer in pings(bench, account, callers(60))]
    winners = Counter(each.get("retreaver_target_dba", each.get("reason")) for each in said)
    assert winners == {"Alpha": 5, "Beta": 7, "buyers_capped": 48}


def test_one_caller_at_once_is_one_reservation(bench: Bench, apply: Applied) -> None:
    answers = pings(bench, apply("one_buyer"), ["2125551212"] * 40)
    said = [answer.json() for answer in answers]
    assert len({each["uuid"] for each in said}) == 1
    assert sum("retreaver_ping_shield" not in each for each in said) == 1


def test_too_many_pings_in_a_second(bench: Bench, apply: Applied) -> None:
    account = apply("one_buyer", {KEY + "rate_limit_per_second": 2})
    answers = pings(bench, account, callers(40))
    limited = [answer for answer in answers if answer.status == 429]
    assert limited
    assert {answer.status for answer in answers} == {200, 429}
    assert {answer.headers["retry-after"] for answer in limited} == {"1"}
    assert {answer.json()["reason"] for answer in limited} == {"rate_limited"}


def test_too_many_pings_as_xml(bench: Bench, apply: Applied) -> None:
    account = apply("one_buyer", {KEY + "rate_limit_per_second": 1})
    limited = [each for each in pings(bench, account, callers(40), "/rtbs.xml") if each.status == 429]
    assert {answer.said()["reason"] for answer in limited} == {"rate_limited"}


def test_a_rate_limit_in_the_shadow_only_counts(bench: Bench, apply: Applied) -> None:
    account = apply("one_buyer", {KEY + "rate_limit_per_second": 1, KEY + "shadow": ["rate_limit"]})
    assert {answer.status for answer in pings(bench, account, callers(40))} == {200}


def test_a_repeat_is_not_limited(bench: Bench, apply: Applied) -> None:
    account = apply("one_buyer", {KEY + "rate_limit_per_second": 1})
    first = next(each for each in pings(bench, account, callers(1)) if each.status == 200)
    repeats = pings(bench, account, callers(1) * 20)
    assert {answer.json().get("uuid") for answer in repeats} == {first.json()["uuid"]}


def test_each_anonymous_caller_has_a_number_of_its_own(bench: Bench, apply: Applied) -> None:
    numbers = [{"number": f"+1844555{place:04d}", "rtb_pool": True} for place in range(10)]
    account = apply("one_buyer", {KEY + "allow_no_caller_number": True, "campaigns.0.numbers": numbers})
    given = [answer.json().get("inbound_number") for answer in pings(bench, account, [""] * 12)]
    leased = [number for number in given if number]
    assert len(leased) == len(set(leased)) == 5  # half of the pool for one key
