"""A message to a buyer as bytes: whatever it holds, one request in the form that was meant, or none."""

import asyncio
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.outgoing import Message
from shared.pinging.buyers.request import write_request

NOT_OURS = st.text(max_size=20)
HEADERS = st.dictionaries(
    NOT_OURS | st.sampled_from(["X-A", "Host", "Transfer-Encoding"]), NOT_OURS, max_size=4
)


def parsed(data: bytes) -> list[Any]:
    """The requests in it, as a server of another make would read them."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16, max_headers=100)
        messages, _, rest = parser.feed_data(data)
        assert rest == b""
        return [(message, b"".join(getattr(payload, "_buffer", ()))) for message, payload in messages]
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("http://a.test", "a.test", 80, "a.test", "/"),
        ("HTTPS://A.Test/X", "a.test", 443, "a.test", "/X"),
        ("https://a.test:443/", "a.test", 443, "a.test", "/"),
        ("http://a.test:8080?q=1", "a.test", 8080, "a.test:8080", "/?q=1"),
        ("http://[::1]:81/a/../b//c?x=%00&y='\"#frag", "::1", 81, "[::1]:81", "/a/../b//c?x=%00&y='\""),
        ("http://a.test/?next=http://b.test/@c:1", "a.test", 80, "a.test", "/?next=http://b.test/@c:1"),
        ("http://a.test#@b.test/", "a.test", 80, "a.test", "/"),
    ],
)
def test_where_it_goes(url: str, host: str, port: int, authority: str, target: str) -> None:
    request = write_request(Message(method="GET", url=url), "")
    assert request is not None
    origin = request.origin
    assert (origin.host, origin.port, origin.authority) == (host, port, authority)
    assert origin.secure is url.lower().startswith("https")
    head = f"GET {target} HTTP/1.1\r\nHost: {authority}\r\n".encode()
    assert request.data.startswith(head)


@pytest.mark.parametrize(
    "url",
    [
        *("", "http:", "http:///x", "//a.test/", "ftp://a.test/", "http://a.test:0/", "http://a.test:65536/"),
        *(
            "http://a.test:/",
            "http://u@a.test/",
            "http://u:p@a.test/",
            "http://a.test\\@b.test/",
            "http://a b/",
        ),
        *(
            "http://a.test/ HTTP/1.1\r\nX: y",
            "http://a.test/\r\n",
            "http://a.test/\u00e9",
            "http://\u00e9.test/",
        ),
        *("http://[::1/", "http://::1/", "http://[a.test]/", "http://a.test/\x00", "http://a.test/#\n"),
    ],
)
def test_what_goes_nowhere(url: str) -> None:
    assert write_request(Message(method="GET", url=url), "") is None


def test_how_it_is_framed_is_not_the_messages_to_say() -> None:
    theirs = {
        *(
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "Connection",
            "Expect",
            "Accept-Encoding",
            "Upgrade",
            "TE",
        ),
        *("Traceparent", "Keep-Alive", "Trailer", "Proxy-Connection", "Proxy-Authorization"),
    }
    message = Message(method="POST", url="http://a.test/", headers=dict.fromkeys(theirs, "1"), body=b"xy")
    request = write_request(message, "")
    assert request is not None
    assert request.data == (
        b"POST / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nUser-Agent: Ringpost\r\n"
        b"Content-Length: 2\r\n\r\nxy"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_an_empty_body_is_said_so_where_one_is_expected(method: str) -> None:
    request = write_request(Message(method=method, url="http://a.test/"), "")
    assert request is not None
    assert b"\r\nContent-Length: 0\r\n" in request.data


def test_a_buyer_may_be_told_another_name() -> None:
    message = Message(method="GET", url="http://a.test/", headers={"user-agent": "Mozilla/5.0"})
    request = write_request(message, "")
    assert request is not None
    assert request.data.lower().count(b"user-agent") == 1


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]) | NOT_OURS,
    path=NOT_OURS | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    headers=HEADERS,
    body=st.binary(max_size=50),
)
@example(method="GET", path="", headers={"X-A": "b\r\nX-B: c"}, body=b"")
@example(method="GET", path=" HTTP/1.1\r\nX: y\r\n\r\n", headers={}, body=b"GET / HTTP/1.1\r\n\r\n")
def test_whatever_it_holds_it_is_one_request_to_one_host(
    method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    message = Message(method=method, url=f"http://a.test:81/{path}", headers=headers, body=body)
    request = write_request(message, "")
    if request is None:
        return
    ((read, read_body),) = parsed(request.data)
    assert (read.method, read_body) == (method, body)
    assert read.path == f"/{path.partition('#')[0]}"
    assert request.origin.authority == "a.test:81" == read.headers["Host"]
    assert not read.chunked
    assert len(read.headers) <= len(headers) + 4
    kept = {name.lower(): value.strip() for name, value in headers.items() if name.lower() == "x-a"}
    assert {name: read.headers[name] for name in kept} == kept
