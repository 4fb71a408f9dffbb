"""What was written before a call is seen by the caller's next ping, and never by another publisher's."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.services.data.bench import Bench
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, Sent
from tests.support.account_store import PEPPER
from tests.support.processes import ServiceProcess, running_service

NUMBER = 403  # of the company; those below are others' own
KEY = f"case{NUMBER:04d}"


def account() -> dict[str, Any]:
    """`sales`, whose buyers want gold, with a key to ping for each publisher."""
    told = read_account("sales", NUMBER, {"buyers.0.tags": ["plan == gold"]})
    campaign = told["campaigns"][0]
    campaign["routing"] = {"buyers": [{"tid": "alpha"}]}
    campaign["numbers"] = [{"number": "+18445550403", "rtb_pool": True}]
    told["postback_keys"] += [
        {
            "name": f"Ping {afid}",
            "kind": "rtb",
            "on": {"campaign": "auto"},
            "publisher": afid,
            "token": f"{KEY}-pings-as-{afid}",
        }
        for afid in ("pub_a", "pub_b")
    ]
    return told


@pytest.fixture(scope="module")
def rtb(bench: Bench, loop: Loop) -> Iterator[ServiceProcess]:
    """The rtb service on the same stores, the account in both of them."""
    company = loop.run(bench.open_company(account()))
    loop.run(bench.store.sync(company.id))
    environment = {
        "RINGPOST_POSTGRES_DSN": bench.store.dsn,
        "RINGPOST_REDIS_URL": bench.redis_url,
        "RINGPOST_PEPPER": PEPPER,
        "RINGPOST_SIP_DOMAIN": "sip.example.com",
    }
    with running_service("rtb", environment) as service:
        yield service


@pytest.fixture
def caller(numbers: Iterator[str]) -> str:
    """A caller of whom nothing is known."""
    return next(numbers)


@pytest.fixture(scope="module")
def numbers() -> Iterator[str]:
    return (f"+1212555{place:04d}" for place in range(4030, 4040))


def get(service: ServiceProcess, path: str, **query: str) -> Answer:
    return send(service, Sent(method="GET", target=f"{path}?{urlencode(query)}", headers={}, body=b""))


def write(bench: Bench, writer: str, caller: str, plan: str) -> None:
    answer = get(
        bench.service, "/data_writing", key=f"{KEY}-writes-as-{writer}", caller_number=caller, plan=plan
    )
    assert b"call not found, tags stored" in answer.body


def reserves(rtb: ServiceProcess, publisher: str, caller: str) -> bool:
    """Whether the caller is sold: the buyer wants gold."""
    answer = get(rtb, "/rtbs.json", key=f"{KEY}-pings-as-{publisher}", caller_number=caller)
    return b'"status":"reserved"' in answer.body


def test_the_company_s_tags_are_seen_by_every_publisher_s_next_ping(
    bench: Bench, rtb: ServiceProcess, caller: str
) -> None:
    assert not reserves(rtb, "pub_a", caller)
    write(bench, "company", caller, "gold")
    assert reserves(rtb, "pub_a", caller)
    assert reserves(rtb, "pub_b", caller)


def test_a_publisher_s_tags_are_seen_by_its_own_pings_alone(
    bench: Bench, rtb: ServiceProcess, caller: str
) -> None:
    write(bench, "pub-a", caller, "gold")
    assert not reserves(rtb, "pub_b", caller)
    assert reserves(rtb, "pub_a", caller)


def test_the_last_value_is_seen(bench: Bench, rtb: ServiceProcess, caller: str) -> None:
    for plan in ("gold", "tin"):
        write(bench, "company", caller, plan)
    assert not reserves(rtb, "pub_a", caller)
    write(bench, "pub-a", caller, "gold")
    assert reserves(rtb, "pub_a", caller), "the publisher's own win over the company's"
