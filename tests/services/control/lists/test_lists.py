"""Paging, and the effect of a change on the ping after its answer."""

import json
from itertools import count

import pytest

from services.worker.list_expiry import ListExpiryJob
from tests.services.control.lists.asking import ask
from tests.services.control.lists.bench import SECRET, Bench
from tests.services.control.lists.cases import moments
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Sent

CALLER = "+12125551299"
_numbers = count(420)  # of companies; those below are others' own


class Account:
    """One company, as the holder of its keys sees it."""

    def __init__(self, bench: Bench, loop: Loop) -> None:
        number = next(_numbers)
        self.ids = loop.run(bench.open_company(number))
        self.name = f"case{number:04d}"
        self.bench = bench

    def ask(self, method: str, path: str, **more: object) -> tuple[int, dict[str, object]]:
        """A request of the company key."""
        answer = ask(self.bench, method, path=path, key=f"{self.name}-lists-of-company", **more)
        return answer.status, json.loads(answer.body)

    def ping(self, caller: str = CALLER) -> str:
        """What a ping is told: its status, and why nobody took the caller."""
        target = f"/rtbs.json?key={self.name}-key-that-pings&source_id=pub_a&caller_number=%2B{caller[1:]}"
        answer = send(self.bench.pings.service(), Sent(method="GET", target=target, headers={}, body=b""))
        told = json.loads(answer.body)
        return f"{told['status']} {told.get('reason', '')}".strip()


@pytest.fixture
def account(bench: Bench, loop: Loop) -> Account:
    return Account(bench, loop)


LISTS = {
    "campaigns": "campaigns/auto/caller_lists",
    "targets": "targets/alpha/caller_lists",
}


def test_a_ping_after_the_answer_of_an_add_sees_it(account: Account) -> None:
    path = "campaigns/auto/caller_lists/suppressed_dnc/caller_list_numbers"
    for turn in range(20):
        caller = f"+1212555{4000 + turn}"
        assert account.ask("POST", f"{path}.json", json={"number": caller})[0] == 201
        assert "caller_suppressed" in account.ping(caller)
        assert account.ask("DELETE", f"{path}/{caller}.json")[0] == 200
        assert "caller_suppressed" not in account.ping(caller)


@pytest.mark.parametrize("noun", ["campaigns", "targets", "companies"])
def test_a_ping_after_a_change_of_a_list_sees_it(account: Account, noun: str) -> None:
    base = LISTS.get(noun, f"companies/{account.ids['company']}/caller_lists")
    assert account.ask("POST", f"{base}.json", json={"caller_list": {"name": "notes"}})[0] == 201
    assert account.ask("POST", f"{base}/notes/caller_list_numbers.json", json={"number": CALLER})[0] == 201
    assert "caller_suppressed" not in account.ping()
    renamed = account.ask("PUT", f"{base}/notes.json", json={"caller_list": {"name": "suppressed_x"}})
    assert renamed[0] == 200
    assert "warnings" not in renamed[1]
    other = "+12125551298"
    assert (
        account.ask("POST", f"{base}/suppressed_x/caller_list_numbers.json", json={"number": other})[0] == 201
    )
    assert "caller_suppressed" in account.ping(other)
    assert account.ask("DELETE", f"{base}/suppressed_x.json")[0] == 200
    assert "caller_suppressed" not in account.ping(other)


def test_a_new_accepting_list_admits_only_its_members(account: Account) -> None:
    base = LISTS["campaigns"]
    assert account.ask("POST", f"{base}.json", json={"name": "accepted"})[0] == 201
    assert "caller_not_accepted" in account.ping()
    account.ask("POST", f"{base}/accepted/caller_list_numbers.json", json={"number": CALLER})
    assert "caller_not_accepted" not in account.ping()


RUN_OUT = "UPDATE caller_list_numbers SET expires_at = now() WHERE company_id = $1 AND number = $2"


def test_a_number_counts_at_once_and_until_its_moment(account: Account, bench: Bench, loop: Loop) -> None:
    path = "campaigns/auto/caller_lists/suppressed_dnc/caller_list_numbers"
    until = {"number": CALLER, "expires_at": moments()["tomorrow"]}
    assert account.ask("POST", f"{path}.json", json=until)[0] == 201
    job = ListExpiryJob(bench.pings.postgres, bench.pings.redis)
    loop.run(job.step())
    assert "caller_suppressed" in account.ping()
    loop.run(bench.pings.postgres.execute(RUN_OUT, int(account.ids["company"]), CALLER))
    assert account.ask("GET", f"{path}/{CALLER}.json")[0] == 404, "before the worker has come by"
    assert account.ask("POST", f"{path}.json", json=until)[0] == 201, "it counts as new"
    assert "caller_suppressed" in account.ping()
    loop.run(bench.pings.postgres.execute(RUN_OUT, int(account.ids["company"]), CALLER))
    assert loop.run(job.step())
    assert "caller_suppressed" not in account.ping()


def test_numbers_come_25_a_page(account: Account, bench: Bench) -> None:
    path = "targets/alpha/caller_lists/suppressed/caller_list_numbers.json"
    account.ask("POST", "targets/alpha/caller_lists.json", json={"name": "suppressed"})
    numbers = [f"+1212555{5000 + place}" for place in range(51)]
    for number in numbers:
        assert account.ask("POST", path, json={"number": number})[0] == 201
    seen, link = [], ""
    for page in (1, 2, 3):
        answer = ask(bench, "GET", path=path, key=f"{account.name}-lists-of-company", query={"page": page})
        seen += [row["caller_list_number"]["number"] for row in json.loads(answer.body)]
        link = answer.headers.get("link", "")
        assert (f'?page={page + 1}>; rel="next"' in link) is (page < 3)
        assert account.name not in link
    assert seen == numbers
    base = f"/api/v2/targets/{account.ids['target']}/caller_lists/suppressed/caller_list_numbers.json"
    assert link == f'<{base}?page=1>; rel="first", <{base}?page=2>; rel="prev"'


def test_no_secret_stands_in_the_log(account: Account, bench: Bench) -> None:
    account.ask("GET", "campaigns/auto/caller_lists.json", headers={"Authorization": f"Bearer {SECRET}"})
    assert SECRET not in bench.service.log.read_text()
