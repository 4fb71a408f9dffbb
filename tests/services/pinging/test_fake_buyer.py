"""The fake buyer: what it says for what it is told, and that asking it ends well whatever it does."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from ringpost.cli import cli
from ringpost.fake_bids import BEHAVIOURS
from ringpost.fake_buyer import Manners, fake_buyer
from shared.domain.outgoing import Failed, Failure, Message, Reply
from shared.errors import OperatorError
from shared.pinging.buyers import Asked, Buyers
from tests.services.pinging.scene import LATE, NEVER_MS, SOON_S, ask, heard_of

NUMBER = "+12125550199"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "asking-buyers.md"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def url(said: list[str]) -> AsyncIterator[str]:
    async with fake_buyer(0, Manners(bid=Decimal("12.50"), number=NUMBER), say=said.append) as port:
        yield f"http://127.0.0.1:{port}"


async def reply_of(buyers: Buyers, url: str) -> Reply:
    (came,) = await ask(buyers, url)
    assert isinstance(came, Reply)
    return came


async def json_of(buyers: Buyers, url: str) -> Any:
    reply = await reply_of(buyers, url)
    assert reply.status == 200
    return json.loads(reply.body)


@pytest.mark.parametrize("path", ["", "/", "/accept", "/retreaver/accept", "/?accept", "/?caller_number=x"])
async def test_it_bids_in_the_shape_of_our_own_answers(buyers: Buyers, url: str, path: str) -> None:
    bid = await json_of(buyers, url + path)
    assert re.fullmatch(r"[0-9a-f-]{36}", bid.pop("uuid"))
    assert bid == {
        "status": "reserved",
        "retreaver_payout": 12.5,
        "retreaver_seconds": 90,
        "inbound_number": NUMBER,
    }


async def test_it_bids_in_ringbas_shape(buyers: Buyers, url: str) -> None:
    assert await json_of(buyers, f"{url}/ringba") == {
        "bidAmount": 12.5,
        "phoneNumber": NUMBER,
        "bidTerms": [{"code": 1, "callMinDuration": 90}],
        "expireInSeconds": 30,
    }


async def test_it_does_not_want_the_caller(buyers: Buyers, url: str) -> None:
    no = await json_of(buyers, f"{url}/no")
    assert (no["status"], no["reason"]) == ("no-target", "no_buyers")
    assert await json_of(buyers, f"{url}/ringba/no") == {"bidAmount": 0, "rejectReason": "no capacity"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nan", b'"retreaver_payout":NaN,'),
        ("/ringba/nan", b'"bidAmount":NaN,'),
        ("/negative", b'"retreaver_payout":-25.00,'),
        ("/1e9", b'"retreaver_payout":1e9,'),
        ("/bid=0.01", b'"retreaver_payout":0.01,'),
        ("/slow=1/bid=7", b'"retreaver_payout":7,'),
        ("/?slow=1&bid=7&caller_number=1", b'"retreaver_payout":7,'),
        ("/html", b"<!doctype html>"),
        ("/xml", b"<status>reserved</status><retreaver_payout>12.50</retreaver_payout>"),
        ("/xml?no", b'"status":"no-target"'),
    ],
)
async def test_it_says_what_it_is_told_to(buyers: Buyers, url: str, path: str, body: bytes) -> None:
    reply = await reply_of(buyers, url + path)
    assert reply.status == 200
    assert body in reply.body


async def test_half_an_object(buyers: Buyers, url: str) -> None:
    reply = await reply_of(buyers, f"{url}/badjson")
    assert reply.body.startswith(b'{"uuid":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)


async def test_statuses_and_redirects(buyers: Buyers, url: str) -> None:
    assert (await reply_of(buyers, f"{url}/status=503")).status == 503
    assert (await reply_of(buyers, f"{url}/?redirect=http://169.254.169.254/")).status == 302


@pytest.mark.parametrize(
    "path",
    [
        "/slwo=1",
        "/slow",
        "/slow=x",
        "/slow=60001",
        "/status=99",
        "/status=600",
        "/bid=NaN",
        "/bid=-1",
        "/redirect",
    ],
)
async def test_what_it_does_not_know_is_not_found(buyers: Buyers, url: str, path: str) -> None:
    assert (await reply_of(buyers, url + path)).status == 404


async def test_one_of_each_at_once_and_the_good_ones_are_used(buyers: Buyers, url: str) -> None:
    paths = ("", "/hang", "/drip", "/slow=30000", "/reset", "/huge", "/ringba")
    came = await ask(buyers, *[url + path for path in paths], within_s=10 * SOON_S)
    assert came[1:4] == [LATE] * 3
    assert came[4:6] == [Failed(kind=Failure.BROKEN), Failed(kind=Failure.TOO_LARGE)]
    assert all(isinstance(came[place], Reply) for place in (0, 6))


async def test_it_takes_any_method_and_tells_no_number(buyers: Buyers, url: str, said: list[str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        message = Message(method=method, url=f"{url}/ringba?caller_number={NUMBER}", body=NUMBER.encode())
        (heard,) = await heard_of(buyers, [Asked(buyer_id=1, message=message, timeout_ms=NEVER_MS)])
        assert isinstance(heard.came, Reply)
    assert said == [f"{method} ringba accept" for method in ("POST", "PUT", "PATCH", "DELETE")]


async def test_a_taken_port_is_said_in_one_line(url: str) -> None:
    with pytest.raises(OperatorError, match=r"port \d+ is taken"):
        async with fake_buyer(int(url.rpartition(":")[2]), Manners(), say=print):
            pass


def test_every_behaviour_is_documented() -> None:
    rows = [row for row in DOCS.read_text().splitlines() if row.startswith("| `")]
    named = {name.partition("=")[0] for row in rows for name in re.findall(r"`([a-z0-9]+(?:=[A-Z]+)?)`", row)}
    assert named >= {*BEHAVIOURS, "bid"}
    help_text = " ".join(CliRunner().invoke(cli, ["fake-buyer", "--help"]).output.split())
    assert [name for name in BEHAVIOURS if name not in help_text] == []


@pytest.mark.parametrize("arguments", [("--bid", "NaN"), ("--bid", "-1"), ("--number", "12")])
def test_what_nobody_can_bid_is_refused(arguments: tuple[str, str]) -> None:
    result = CliRunner().invoke(cli, ["fake-buyer", "--port", "0", *arguments])
    assert isinstance(result.exception, OperatorError)


def test_the_command_listens_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "ringpost", "fake-buyer", "--port", "0", "--bid", "3.5", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())["event"]
        found = re.fullmatch(r"a buyer bids 3\.5 at (http://127\.0\.0\.1:\d+); Ctrl-C ends it", told)
        assert found
        with urlopen(f"{found[1]}/ringba", timeout=10) as answer:
            assert json.loads(answer.read())["bidAmount"] == 3.5
        assert json.loads(process.stdout.readline()) == {"event": "GET ringba accept"}
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
