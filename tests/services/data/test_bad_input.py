"""Whatever partners send, the answer is never our fault, and a refusal repeats nothing of it."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.data.bench import Bench
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send, send_bytes
from tests.services.rtb.cases import Answer, Sent
from tests.services.rtb.refused import FORM, JSON

MARK = "mark-of-the-tests"
NUMBER = 400  # of the company; those below are the exemplary cases' own
CALLER = "+12125551299"
_KEYS = {
    "/data_writing": "writes-as-company",
    "/data_reading": "reads-as-east",
    "/postbacks": "posts-as-alpha",
}
PATHS = {path: f"case{NUMBER:04d}-{key}" for path, key in _KEYS.items()}


@pytest.fixture(scope="module", autouse=True)
def a_call(bench: Bench, loop: Loop) -> str:
    """The uuid of a call that all keys may do something with."""
    company = loop.run(bench.open_company(read_account("sales", NUMBER, {})))
    names = loop.run(bench.put(company, {"as": "c1", "caller": CALLER, "buyer": "alpha"}))
    return names["c1"]


def refused(answer: Answer, path: str) -> None:
    """Nothing of the request stands in its refusal, which has the form of its endpoint."""
    assert 400 <= answer.status < 500, answer.body
    text = answer.body.decode()
    for sent in (MARK, CALLER, CALLER[2:], *PATHS.values()):
        assert sent not in text
    if path == "/postbacks":
        assert text.startswith("FAILED ")
    else:
        assert list(json.loads(text)) == ["status", "error", "reason", "request_id"]
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"caller_number": MARK},
        {"caller_number": "9" * 500},
        {"caller_number": "٢١٢٥٥٥١٢١٢"},
        {"caller_number": CALLER, "key": MARK * 2},
        {"caller_number": CALLER, "value": MARK, "map_keys": MARK, MARK * 8: "1"},
        {"caller_number": CALLER, "value": "NaN", "map_keys": ":,:", MARK: "v" * 513},
        {"caller_number": CALLER, "value": "1e400", "map_keys": f"{MARK}:", f"{MARK}\n": "1"},
        {"caller_number": CALLER, "value": "9" * 4000, "map_keys": "a:b," * 201, "n" * 65: "1"},
        {"call_uuid": "\N{SNOWMAN}", "value": "-0", "map_keys": "a:b:c", "%": "v" * 600},
    ],
    ids=range(10),
)
def test_bad_queries(bench: Bench, path: str, query: dict[str, str]) -> None:
    target = f"{path}?{urlencode({'key': PATHS[path], **query})}"
    refused(send(bench.service, Sent(method="GET", target=target, headers={}, body=b"")), path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("uuid", ["1", "x" * 36, "01890a5d-ac96-4000-8000-123456789abc", MARK, "%"])
def test_what_is_no_uuid_is_no_call(bench: Bench, path: str, uuid: str) -> None:
    target = f"{path}?{urlencode({'key': PATHS[path], 'call_uuid': uuid, 'value': '1'})}"
    answer = send(bench.service, Sent(method="GET", target=target, headers={}, body=b""))
    if path == "/data_reading":
        assert (answer.status, answer.body, answer.headers["x-ringpost-match"]) == (200, b"{}", "none")
    else:
        refused(answer, path)
        assert answer.status == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "tail", ["a=%zz", "a=%", "a=%ff", "a=%ed%a0%80", "a=%00", "%00=1", f"key={MARK}-{MARK}"]
)
def test_bad_escapes_and_keys(bench: Bench, path: str, tail: str) -> None:
    target = f"{path}?key={PATHS[path]}&caller_number={CALLER.replace('+', '%2B')}&value=1&{tail}"
    refused(send(bench.service, Sent(method="GET", target=target, headers={}, body=b"")), path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", JSON),
        (b'["mark-of-the-tests"]', JSON),
        (b'{"zip":"\xff"}', JSON),
        (b'{"zip":' * 9_000, JSON),
        (b'{"zip":{"mark-of-the-tests":1}}', JSON),
        (b'{"zip":"\\u0000"}', JSON),
        (b"zip=\xff", FORM),
        (b"zip=\0", FORM),
        (b"<mark-of-the-tests/>", {"Content-Type": "application/xml"}),
        (b"\x1f\x8b\x08", {**FORM, "Content-Encoding": "gzip"}),
        (b"zip=1", {"Content-Type": "multipart/form-data; boundary=mark-of-the-tests"}),
    ],
    ids=range(11),
)
def test_bad_bodies(bench: Bench, path: str, body: bytes, headers: dict[str, str]) -> None:
    sent = Sent(method="POST", target=f"{path}?key={PATHS[path]}&value=1", headers=headers, body=body)
    refused(send(bench.service, sent), path)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_too_large(bench: Bench, path: str) -> None:
    head = f"POST {path}?key={PATHS[path]} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"
    answer = send_bytes(bench.service, head.encode())
    refused(answer, path)
    assert answer.status == 413


@pytest.mark.parametrize("path", ["/", "/data_writing/", "/data_reading.xml", "/postbacks/a/b", "/metrics"])
def test_wrong_paths(bench: Bench, path: str) -> None:
    assert send(bench.service, Sent(method="GET", target=path, headers={}, body=b"")).status == 404


_tails = st.lists(
    st.sampled_from(
        [
            *"&=%+;[]{}<>?/\\ab0$.,:-",
            "%00",
            "%c3",
            "%E9",
            "value=",
            "call_uuid=",
            "caller_number=",
            "1",
            "map_keys=",
        ]
    ),
    max_size=14,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(PATHS)), _tails, st.binary(max_size=60), st.sampled_from([{}, JSON, FORM]))
def test_nothing_is_our_fault(
    bench: Bench, path: str, tail: list[str], body: bytes, headers: dict[str, str]
) -> None:
    target = f"{path}?key={PATHS[path]}&caller_number={CALLER[2:]}&{''.join(tail)}"
    answer = send(bench.service, Sent(method="POST", target=target, headers=headers, body=body))
    assert answer.status in {200, 400, 401, 404, 422}, answer.body
    if answer.status != 200:
        refused(answer, path)


def test_the_log_holds_no_key_and_no_whole_number(bench: Bench, a_call: str) -> None:
    for path, key in PATHS.items():
        for target in (
            f"{path}?key={key}&call_uuid={a_call}&value=1",
            f"{path}/{key}?caller_number={CALLER[2:]}",
        ):
            send(bench.service, Sent(method="GET", target=target, headers={}, body=b""))
    written = bench.service.log.read_text()
    assert CALLER[2:] not in written
    assert not [key for key in PATHS.values() if key in written]
