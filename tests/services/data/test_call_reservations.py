"""`/call_reservations` on the data service: the same answers as a ping's, and the same places."""

from typing import Any

import pytest

from tests.services.data.bench import Bench
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, Sent

NUMBER = 411
TOKEN = f"case{NUMBER:04d}-old-key"
ENDING = ("@1793491200", "Sat, 01 Jan 2028 00:00:00 GMT")


@pytest.fixture(scope="module")
def account(bench: Bench, loop: Loop) -> dict[str, Any]:
    """`sales`, with numbers to hand out and a key that was imported."""
    account = read_account("sales", NUMBER, {})
    account["campaigns"][0]["numbers"] = [{"number": "+18445550411", "rtb_pool": True}]
    key = {"name": "old", "kind": "call_reservation", "on": {"campaign": "auto"}, "publisher": "pub_a"}
    account["postback_keys"].append({**key, "token": TOKEN})
    company = loop.run(bench.open_company(account))
    loop.run(bench.store.sync(company.id))
    return account


def ask(bench: Bench, target: str, **sent: Any) -> Answer:
    """One request; whatever comes of it, it says that the endpoint will end."""
    answer = send(bench.service, Sent(target=target, **{"method": "GET", "headers": {}, "body": b"", **sent}))
    assert (answer.headers["deprecation"], answer.headers["sunset"]) == ENDING
    return answer


@pytest.mark.usefixtures("account")
def test_it_reserves_and_tells_the_repeat(bench: Bench) -> None:
    first = ask(bench, f"/call_reservations.json?key={TOKEN}&caller_number=+12125550411")
    assert (first.status, first.said()["status"], first.said()["inbound_number"]) == (
        200,
        "reserved",
        "+18445550411",
    )
    body = b'{"caller_number": "2125550411"}'
    kind = {"Content-Type": "application/json", "X-Api-Key": TOKEN}
    again = ask(bench, "/call_reservations", method="POST", headers=kind, body=body)
    assert again.said() == {**first.said(), "retreaver_ping_shield": True}


@pytest.mark.usefixtures("account")
def test_it_answers_xml(bench: Bench) -> None:
    answer = ask(bench, f"/call_reservations.xml?key={TOKEN}&caller_number=+12125550412")
    assert answer.body.startswith(b"<?xml")
    assert answer.said()["status"] == "reserved"


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        (f"key={TOKEN}", 422, "caller_number_missing"),
        (f"key={TOKEN}&caller_number=12", 422, "caller_number_invalid"),
        (f"key={TOKEN}&caller_number=2125550411&inbound_number=2125550000", 422, "inbound_number_unknown"),
        ("caller_number=2125550411", 401, "key_missing"),
        (f"key={TOKEN}x&caller_number=2125550411", 401, "key_unknown"),
        (f"key=case{NUMBER:04d}-writes-as-company&caller_number=2125550411", 403, "scope"),
    ],
)
def test_it_refuses_as_a_ping_is_refused(bench: Bench, query: str, status: int, reason: str) -> None:
    answer = ask(bench, f"/call_reservations.json?{query}")
    assert (answer.status, answer.said()["reason"]) == (status, reason)


@pytest.mark.usefixtures("account")
def test_its_key_does_nothing_else(bench: Bench) -> None:
    for path in ("/data_writing", "/data_reading", "/postbacks"):
        sent = Sent(method="GET", target=f"{path}?key={TOKEN}&caller_number=2125550411", headers={}, body=b"")
        assert send(bench.service, sent).status == 403
