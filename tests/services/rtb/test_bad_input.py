"""Whatever a client sends, the answer is a plain 4xx that repeats nothing of it."""

import json

import pytest
from defusedxml import ElementTree

from tests.services.rtb.bench import Bench, send, send_bytes
from tests.services.rtb.cases import Sent
from tests.services.rtb.conftest import Applied
from tests.services.rtb.refused import CALLER, JSON, get, post, refused


@pytest.fixture(scope="module")
def other_keys(apply: Applied) -> dict[str, str]:
    """Tokens of keys that must not ping, by what is wrong with them."""
    account = apply(
        "one_buyer",
        {
            "postback_keys.0.paused": True,
            "postback_keys.2": {
                "name": "Sales",
                "kind": "conversion",
                "on": {"buyer": "alpha"},
                "token": "a-key-for-conversions",
            },
            "postback_keys.3": {
                "name": "Writing",
                "kind": "call_data_writing",
                "on": {"publisher": "pub_a"},
                "token": "a-key-for-data-writing",
            },
        },
    )
    tokens = [each["token"] for each in account["postback_keys"]]
    return {"paused": tokens[0], "conversion": tokens[2], "data writing": tokens[3]}


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "key_missing"),
        ("KEY", "key_missing"),
        ("[key]", "key_missing"),
        ("nobody-has-this-key-0000", "key_unknown"),
        ("short", "key_unknown"),
        ("x" * 129, "key_unknown"),
        ("with spaces in it, sixteen", "key_unknown"),
        ("' OR 1=1 -- and so on", "key_unknown"),
        ("pbk_r_0123456789abcdefghijABCDEFGHIJ000000", "key_unknown"),
        ("schlüssel-schlüssel", "key_unknown"),
    ],
)
def test_keys_that_are_none(bench: Bench, token: str, reason: str) -> None:
    answer = send(bench.service(), get({"key": token, "caller_number": CALLER}))
    refused(answer, 401, reason, *([token] if len(token) > 5 else []))


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [("paused", 403, "key_paused"), ("conversion", 403, "scope"), ("data writing", 403, "scope")],
)
def test_keys_that_must_not_ping(
    bench: Bench, other_keys: dict[str, str], what: str, status: int, reason: str
) -> None:
    token = other_keys[what]
    refused(send(bench.service(), get({"key": token, "caller_number": CALLER})), status, reason, token)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("what", ["paused", "conversion"])
def test_nor_look_at_reservations(bench: Bench, other_keys: dict[str, str], what: str, method: str) -> None:
    target = f"/rtbs/01890a5d-ac96-7000-8000-123456789abc.json?key={other_keys[what]}&status=confirmed"
    assert send(bench.service(), Sent(method=method, target=target, headers={}, body=b"")).status == 403


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        (None, "caller_number_missing"),
        ("", "caller_number_missing"),
        ("[caller_number]", "caller_number_missing"),
        ("1", "caller_number_invalid"),
        ("911", "caller_number_invalid"),
        ("1" * 30, "caller_number_invalid"),
        ("9" * 500, "caller_number_invalid"),
        ("anonymous", "caller_number_invalid"),
        ("+", "caller_number_invalid"),
        ("+1212555121", "caller_number_invalid"),
        ("212555121x", "caller_number_invalid"),
        ("2125551212;drop", "caller_number_invalid"),
        ("٢١٢٥٥٥١٢١٢", "caller_number_invalid"),
    ],
)
def test_callers_that_are_none(bench: Bench, key: str, caller: str | None, reason: str) -> None:
    query = {"key": key} if caller is None else {"key": key, "caller_number": caller}
    body = refused(send(bench.service(), get(query)), 422, reason, key)
    if reason == "caller_number_missing":
        assert body["error"] == "FAILED must include caller_number (string)"


@pytest.mark.parametrize(
    ("tail", "status", "reason"),
    [
        ("zip=%zz", 400, "bad_request"),
        ("zip=%4", 400, "bad_request"),
        ("zip=%", 400, "bad_request"),
        ("zip=%ff", 400, "bad_request"),
        ("zip=%c3%28", 400, "bad_request"),
        ("zip=%ed%a0%80", 400, "bad_request"),
        ("zip=%00", 422, "tag_invalid"),
        ("%00=1", 422, "tag_invalid"),
        ("a%0ab=1", 422, "tag_invalid"),
        ("&".join(f"t{number}=1" for number in range(200)), 422, "tag_invalid"),
        (f"{'n' * 65}=1", 422, "tag_invalid"),
        (f"n={'v' * 513}", 422, "tag_invalid"),
        ("key=another-key-another-key", 401, "key_ambiguous"),
        ("caller_number=x", 422, "caller_number_invalid"),
        ("inbound_number=x", 422, "inbound_number_unknown"),
    ],
)
def test_bad_queries(bench: Bench, key: str, tail: str, status: int, reason: str) -> None:
    answer = send(bench.service(), get(f"key={key}&caller_number={CALLER}&{tail}"))
    refused(answer, status, reason, key)


def test_raw_bytes_in_a_query_that_are_no_utf8(bench: Bench, key: str) -> None:
    request = f"GET /rtbs.json?key={key}&zip=".encode() + b"\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = send_bytes(bench.service(), request)
    assert answer.status == 400
    assert key.encode() not in answer.body


def test_raw_nul_in_a_query(bench: Bench, key: str) -> None:
    request = f"GET /rtbs.json?key={key}&zip=\0 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    answer = send_bytes(bench.service(), request)
    assert 400 <= answer.status < 500
    assert key.encode() not in answer.body


def test_a_query_that_is_too_long(bench: Bench, key: str) -> None:
    answer = send(bench.service(), get(f"key={key}&zip={'1' * 9000}"))
    assert answer.status in {414, 431}
    assert key.encode() not in answer.body


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/rtbs.json", "GET, HEAD, POST"),
        ("DELETE", "/rtbs.json", "GET, HEAD, POST"),
        ("POST", "/rtbs/01890a5d-ac96-7000-8000-123456789abc.json", "GET, HEAD, PATCH, PUT"),
        ("DELETE", "/rtbs/01890a5d-ac96-7000-8000-123456789abc.json", "GET, HEAD, PATCH, PUT"),
    ],
)
def test_wrong_methods(bench: Bench, key: str, method: str, path: str, allowed: str) -> None:
    answer = send(bench.service(), Sent(method=method, target=f"{path}?key={key}", headers={}, body=b""))
    refused(answer, 405, "method_not_allowed", key)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/", "/rtb.json", "/rtbs.csv", "/rtbs/", "/rtbs/a/b.json", "/rtbs.json/", "/metrics"]
)
def test_wrong_paths(bench: Bench, key: str, path: str) -> None:
    assert send(bench.service(), get({"key": key}, path)).status == 404


@pytest.mark.parametrize(
    "uuid", ["1", "x" * 36, "01890a5d-ac96-4000-8000-123456789abc", "01890a5d%00", "%ff", "..%2f", "*"]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_wrong_uuids(bench: Bench, key: str, uuid: str, method: str) -> None:
    target = f"/rtbs/{uuid}.json?key={key}&status=confirmed"
    answer = send(bench.service(), Sent(method=method, target=target, headers={}, body=b""))
    assert answer.status in {400, 404}
    assert key.encode() not in answer.body


@pytest.mark.parametrize(
    ("tail", "status", "reason"),
    [
        ("", 401, "key_missing"),
        ("&key=nobody-has-this-key-0000", 401, "key_unknown"),
        ("&key=KEY_OF_THE_TEST", 422, "caller_number_missing"),
        ("&key=KEY_OF_THE_TEST&caller_number=5", 422, "caller_number_invalid"),
        ("&key=KEY_OF_THE_TEST&zip=%zz", 400, "bad_request"),
    ],
)
def test_refusals_as_xml(bench: Bench, key: str, tail: str, status: int, reason: str) -> None:
    answer = send(bench.service(), get(f"a=1{tail.replace('KEY_OF_THE_TEST', key)}", "/rtbs.xml"))
    assert (answer.status, answer.headers["content-type"]) == (status, "application/xml")
    root = ElementTree.fromstring(answer.body)
    assert [child.tag for child in root] == ["status", "error", "reason", "request_id"]
    assert root.findtext("reason") == reason
    assert key.encode() not in answer.body


@pytest.mark.parametrize("line", ["POST /rtbs.xml", "PUT /rtbs/01890a5d-ac96-7000-8000-123456789abc.xml"])
def test_the_servers_own_refusals_as_xml(bench: Bench, line: str) -> None:
    head = f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"
    answer = send_bytes(bench.service(), head.encode())
    assert (answer.status, answer.headers["content-type"]) == (413, "application/xml")
    assert answer.said()["reason"] == "too_large"


def test_the_request_id_is_in_header_and_body(bench: Bench) -> None:
    answer = send(bench.service(), get("a=1", "/rtbs.json", **{"X-Request-Id": "from-the-client-1"}))
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "from-the-client-1"


def test_the_log_holds_no_key_and_no_whole_number(bench: Bench, key: str) -> None:
    service = bench.service()
    for sent in (
        get({"key": key, "caller_number": CALLER, "source_id": "pub_a"}),
        get(f"key={key}&caller_number={CALLER}&zip=%zz"),
        get({"key": "nobody-has-this-key-0000", "caller_number": CALLER}),
        post(json.dumps({"key": key, "caller_number": CALLER}).encode(), JSON, method="DELETE"),
    ):
        send(service, sent)
    written = service.log.read_text()
    assert key not in written
    assert "nobody-has-this-key" not in written
    assert CALLER not in written
