"""Requests that must be refused, and how a refusal is looked at."""

from typing import Any
from urllib.parse import urlencode

from tests.services.rtb.cases import Answer, Sent

CALLER = "2125551212"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def get(query: str | dict[str, str], path: str = "/rtbs.json", **headers: str) -> Sent:
    query = query if isinstance(query, str) else urlencode(query)
    return Sent(method="GET", target=f"{path}?{query}", headers=headers, body=b"")


def post(body: bytes, headers: dict[str, str], method: str = "POST") -> Sent:
    return Sent(method=method, target="/rtbs.json", headers=headers, body=body)


def refused(answer: Answer, status: int, reason: str, *secrets: str) -> dict[str, Any]:
    """The refusal's body, once nothing of the request is found in it."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer.body
    body = answer.json()
    assert list(body) == ["status", "error", "reason", "request_id"]
    assert (body["status"], body["reason"]) == ("error", reason)
    for secret in (*secrets, CALLER):
        assert secret not in answer.body.decode()
    return body
