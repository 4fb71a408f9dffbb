"""Requests as values, for tests of wire rooms."""

from multidict import CIMultiDict

from shared.domain.http import HttpRequest


def make_request(
    query: str = "", body: bytes = b"", *, path: str = "/rtbs.json", method: str = "GET", **headers: str
) -> HttpRequest:
    """One request; headers by keyword: Content_Type="application/json"."""
    return HttpRequest(
        method=method,
        path=path,
        query=query,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=body,
        client="192.0.2.1",
        params={},
        request_id="req-1",
    )
