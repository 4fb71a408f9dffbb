"""Values that are readable and still no use: too large for their column, or in no alphabet at all."""

import pytest

from tests.services.data.bench import Bench
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send, send_bytes
from tests.services.rtb.cases import Sent

NUMBER = 404  # of the company; those below are others' own
KEY = f"case{NUMBER:04d}-posts-as-alpha"
CALLER = "+12125551404"


@pytest.fixture(scope="module", autouse=True)
def call_uuid(bench: Bench, loop: Loop) -> str:
    """A call that was answered by the key's buyer."""
    company = loop.run(bench.open_company(read_account("sales", NUMBER, {})))
    return loop.run(bench.put(company, {"as": "c1", "caller": CALLER, "buyer": "alpha"}))["c1"]


@pytest.mark.parametrize(
    "told",
    [
        *("connected_duration=99999999999", "connected_duration=-1", "connected_duration=999999999999999"),
        *("start_time=99999999999", "start_time=32503680000", "start_time=0", "start_time=1e9"),
    ],
)
def test_what_chooses_among_calls_may_be_anything(bench: Bench, call_uuid: str, told: str) -> None:
    target = f"/postbacks/{KEY}?caller_number={CALLER[2:]}&value=5&{told}"
    answer = send(bench.service, Sent(method="GET", target=target, headers={}, body=b""))
    assert (answer.status, answer.body) == (200, f"SUCCESS {call_uuid} 5.00".encode())


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc3\xa9", b"x" * 300, b"'; DROP TABLE calls", b" "])
def test_an_idempotency_key_may_be_anything(bench: Bench, call_uuid: str, value: bytes) -> None:
    head = f"GET /postbacks/{KEY}?call_uuid={call_uuid}&value=5 HTTP/1.1\r\nHost: x\r\nIdempotency-Key: "
    answer = send_bytes(bench.service, head.encode() + value + b"\r\n\r\n")
    assert answer.status in {200, 400}, answer.body


@pytest.mark.parametrize("place", ["X-Api-Key", "Authorization"])
def test_a_key_in_a_header_may_be_anything(bench: Bench, place: str) -> None:
    prefix = b"Bearer " if place == "Authorization" else b""
    for path in ("/postbacks", "/data_writing", "/data_reading"):
        head = f"GET {path}?caller_number={CALLER[2:]}&value=5 HTTP/1.1\r\nHost: x\r\n{place}: ".encode()
        for token in (b"x" * 20, b"%" * 20, b"pbk_call_", b"pbk_call_" + b"0" * 36):
            answer = send_bytes(bench.service, head + prefix + token + b"\r\n\r\n")
            assert answer.status == 401, (path, token, answer.body)
        assert send_bytes(bench.service, head + prefix + b"\xff" * 20 + b"\r\n\r\n").status == 400
