"""Whatever stands in a body, the answer is a plain 4xx that repeats nothing of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.rtb.bench import Bench, send, send_bytes
from tests.services.rtb.cases import Sent
from tests.services.rtb.refused import CALLER, FORM, JSON, refused


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", JSON, 400, "bad_request"),
        (b"nope", JSON, 400, "bad_request"),
        (b"[]", JSON, 400, "bad_request"),
        (b'["a"]', JSON, 400, "bad_request"),
        (b'"text"', JSON, 400, "bad_request"),
        (b"null", JSON, 400, "bad_request"),
        (b'{"a":NaN}', JSON, 400, "bad_request"),
        (b'{"a":"\xff"}', JSON, 400, "bad_request"),
        (b'{"a":"\\ud800"}', JSON, 400, "bad_request"),
        (b'{"a":' * 10_000, JSON, 400, "bad_request"),
        (b"[" * 60_000, JSON, 400, "bad_request"),
        (b'{"a":{}}', JSON, 422, "tag_invalid"),
        (b'{"a":[1]}', JSON, 422, "tag_invalid"),
        (b'{"a":"\\u0000"}', JSON, 422, "tag_invalid"),
        (b"zip=\xff", FORM, 400, "bad_request"),
        (b"zip=%zz", FORM, 400, "bad_request"),
        (b"zip=\0", FORM, 422, "tag_invalid"),
        (b"<ping/>", {"Content-Type": "application/xml"}, 400, "bad_request"),
        (b"\x1f\x8b\x08", {**FORM, "Content-Encoding": "gzip"}, 415, "bad_request"),
        (b"zip=1", {"Content-Type": f"{FORM['Content-Type']}; charset=utf-16"}, 400, "bad_request"),
        (b"zip=1", {"Content-Type": "multipart/form-data; boundary=b"}, 400, "bad_request"),
        (b"zip=1", {"Content-Type": "multipart/form-data"}, 400, "bad_request"),
    ],
)
def test_bad_bodies(
    bench: Bench, key: str, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    sent = Sent(
        method="POST", target=f"/rtbs.json?key={key}&caller_number={CALLER}", headers=headers, body=body
    )
    refused(send(bench.service(), sent), status, reason, key)


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_bodies_that_are_too_large(bench: Bench, key: str, size: int) -> None:
    head = f"POST /rtbs.json?key={key} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    refused(send_bytes(bench.service(), head.encode()), 413, "too_large", key)


_tails = st.lists(
    st.sampled_from([*"&=%+;[]{}\"'<>?/\\ab0", "%00", "%c3", "%E9", "key", "caller_number"]), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(
    _tails, st.binary(max_size=60), st.sampled_from([{}, JSON, FORM, {"Content-Type": "multipart/form-data"}])
)
def test_nothing_is_our_fault(
    bench: Bench, key: str, tail: list[str], body: bytes, headers: dict[str, str]
) -> None:
    query = f"key={key}&caller_number={CALLER}&{''.join(tail)}".replace('"', "%22")
    sent = Sent(method="POST", target=f"/rtbs.json?{query}", headers=headers, body=body)
    answer = send(bench.service(), sent)
    assert answer.status in {200, 400, 401, 422}
    assert key.encode() not in answer.body
