"""Floods of unknown keys are slowed down by address; a key that is right is never locked out by them."""

import http.client
from collections import Counter
from itertools import count
from urllib.parse import urlencode

from tests.services.rtb.bench import Bench
from tests.services.rtb.cases import Answer
from tests.services.rtb.conftest import Applied

FLOODER, NEIGHBOUR = "127.0.0.2", "127.0.0.3"
_numbers = count()


def ping(bench: Bench, token: str, address: str) -> Answer:
    """One ping that comes from a loopback address of its own."""
    query = urlencode({"key": token, "caller_number": "2125551212"})
    line = http.client.HTTPConnection(
        "127.0.0.1", bench.service().port, timeout=10, source_address=(address, 0)
    )
    try:
        line.request("GET", f"/rtbs.json?{query}")
        reply = line.getresponse()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(status=reply.status, headers=headers, body=reply.read())
    finally:
        line.close()


def unknown() -> str:
    """A token that only a store can tell from a real one."""
    return f"nobody-has-this-key-{next(_numbers):06d}"


def test_a_flood_of_unknown_keys(bench: Bench, apply: Applied) -> None:
    token = apply("one_buyer")["postback_keys"][0]["token"]
    answers = [ping(bench, unknown(), FLOODER) for _ in range(250)]  # whatever 10 s window they fall into
    assert set(Counter(answer.status for answer in answers)) == {401, 429}
    assert [answer.status for answer in answers[:100]] == [401] * 100
    slowed = answers[-1]
    assert (slowed.status, slowed.json()["reason"]) == (429, "too_many_unknown_keys")
    assert int(slowed.headers["retry-after"]) >= 1
    assert ping(bench, unknown(), NEIGHBOUR).status == 401
    assert ping(bench, token, FLOODER).status == 200


def test_mistyped_keys_of_ours_never_reach_a_store(bench: Bench) -> None:
    mistyped = [f"pbk_r_{number:036d}" for number in range(150)]
    assert {ping(bench, token, "127.0.0.4").status for token in mistyped} == {401}
