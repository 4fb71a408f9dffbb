"""The demo's receiver of webhooks: takes everything, says so, and is gone at the end."""

import http.client

import pytest

from deploy.local.demo_receiver import receiving
from deploy.local.ports import free_port, is_free


def ask(port: int, method: str, path: str, body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_whatever_comes_is_taken_and_told(method: str) -> None:
    told: list[str] = []
    port = free_port()
    with receiving(port, told.append):
        assert ask(port, method, "/conv?click=1", b"{}" if method == "POST" else None) == 204
    assert told == [f"a webhook came: {method} /conv?click=1"]
    assert is_free(port)


def test_one_that_never_ends_its_body_holds_up_nobody() -> None:
    told: list[str] = []
    port = free_port()
    with receiving(port, told.append):
        slow = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        slow.putrequest("POST", "/slow")
        slow.putheader("Content-Length", "100")
        slow.endheaders()
        assert ask(port, "GET", "/quick") == 204
        slow.close()
    assert "a webhook came: GET /quick" in told
