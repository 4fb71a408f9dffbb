"""What keys were used for: how often each, and what became of it."""

import re
from http.client import HTTPConnection

import pytest

from tests.services.data.bench import Bench
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Sent
from tests.support.processes import ServiceProcess, wait_until

NUMBER = 405  # of the company; those below are others' own
CALLER = "+12125551405"
SELECT_USES = """
SELECT k.name, u.uses, u.last_used_at = date_trunc('minute', u.last_used_at) FROM key_uses u
JOIN postback_keys k ON k.id = u.key_id WHERE k.company_id = $1
"""


def ask(bench: Bench, path: str, key: str, rest: str) -> int:
    target = f"{path}?key=case{NUMBER:04d}-{key}&{rest}"
    return send(bench.service, Sent(method="GET", target=target, headers={}, body=b"")).status


def counted(service: ServiceProcess, metric: str, **labels: str) -> float:
    """What /metrics says of one series."""
    connection = HTTPConnection("127.0.0.1", service.ops_port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    found = re.search(rf"^{metric}_total\{{{named}\}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def company_id(bench: Bench, loop: Loop) -> int:
    """A company with one call."""
    company = loop.run(bench.open_company(read_account("sales", NUMBER, {})))
    loop.run(bench.put(company, {"as": "c1", "caller": CALLER, "buyer": "alpha"}))
    return company.id


def test_each_request_is_one_use_and_is_counted_by_its_result(
    bench: Bench, loop: Loop, company_id: int
) -> None:
    whose = f"caller_number={CALLER[2:]}"
    series = {
        "converted": ("ringpost_conversions", {"outcome": "converted", "reason": ""}),
        "repeat": ("ringpost_conversions", {"outcome": "repeat", "reason": ""}),
        "refused": ("ringpost_conversions", {"outcome": "refused", "reason": "value_invalid"}),
        "live": ("ringpost_data_writes", {"outcome": "live"}),
        "found": ("ringpost_data_reads", {"outcome": "found"}),
    }

    def all_counted() -> dict[str, float]:
        return {name: counted(bench.service, metric, **labels) for name, (metric, labels) in series.items()}

    before = all_counted()
    assert [
        ask(bench, "/postbacks", "posts-as-alpha", f"{whose}&value={value}") for value in (5, 5, 6, "x")
    ] == [*(200, 200, 200, 422)]
    assert ask(bench, "/data_writing", "writes-as-company", f"{whose}&zip=1") == 200
    assert [ask(bench, "/data_reading", "reads-as-east", whose) for _ in range(2)] == [200, 200]
    used = {"Post": 4, "Write": 1, "Read": 2}

    def is_saved() -> bool:
        rows = loop.run(bench.store.rows(SELECT_USES, company_id))
        return {name: uses for name, uses, _ in rows} == used and all(whole for *_, whole in rows)

    wait_until(is_saved, within_s=10, what="the uses are saved")
    wanted = {"converted": 2, "repeat": 1, "refused": 1, "live": 1, "found": 2}

    def is_counted() -> bool:
        return {name: now - before[name] for name, now in all_counted().items()} == wanted

    wait_until(is_counted, within_s=10, what="results are counted")
