"""Requests of the tests of caller lists that are no exemplary cases.

Owns their shape. Must never compare an answer.
"""

from typing import Any

from tests.services.control.lists.bench import Bench
from tests.services.rtb.bench import send
from tests.services.rtb.cases import Answer, make_sent


def ask(bench: Bench, method: str, *, path: str, key: str, **more: Any) -> Answer:
    """One request below /api/v2/. Shape: more are a case's request fields."""
    query = {"key": key, **more.pop("query", {})}
    request = {"method": method, "path": f"/api/v2/{path}", "query": query, **more}
    return send(bench.service, make_sent(request, {}))
