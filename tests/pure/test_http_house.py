"""The parts of the server that need no socket."""

import pytest

from shared import metrics, tallies
from shared.domain.http import HttpAnswer, HttpRequest
from shared.errors import BadRequest
from shared.http_answers import CLOSE, KEEP, KEEP_10, AnswerWriter
from shared.http_routes import PathTable, Route


async def _endpoint(_request: HttpRequest) -> HttpAnswer:
    raise AssertionError


def _route(template: str, *methods: str) -> Route:
    return Route(methods=methods or ("GET",), template=template, endpoint=_endpoint)


TABLE = PathTable(
    (
        _route("/rtbs.json", "GET", "POST"),
        _route("/rtbs/{uuid}.json", "GET"),
        _route("/rtbs/{uuid}.json", "PUT", "PATCH"),
        _route("/rtbs/shown.json", "GET"),
        _route("/lists/{name}.json"),
        _route("/lists/{name}/numbers.json"),
        _route("/lists/{name}/numbers/{number}.json", "DELETE"),
    )
)


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/rtbs.json", "/rtbs.json", {}),
        ("/rtbs/abc.json", "/rtbs/{uuid}.json", {"uuid": "abc"}),
        ("/rtbs/shown.json", "/rtbs/shown.json", {}),
        ("/lists/numbers.json", "/lists/{name}.json", {"name": "numbers"}),
        ("/lists/a.json/numbers.json", "/lists/{name}/numbers.json", {"name": "a.json"}),
        (
            "/lists/x%2Fy/numbers/%2B1555.json",
            "/lists/{name}/numbers/{number}.json",
            {"name": "x/y", "number": "+1555"},
        ),
    ],
)
def test_paths_find_their_entries(path: str, template: str, params: dict[str, str]) -> None:
    found = TABLE.find(path)
    assert found is not None
    entries, found_params = found
    assert {entry.template for entry in entries.values()} == {template}
    assert dict(found_params) == params


def test_methods_of_one_template_may_stand_in_several_routes() -> None:
    found = TABLE.find("/rtbs/abc.json")
    assert found is not None
    assert sorted(found[0]) == ["GET", "HEAD", "PATCH", "PUT"]


@pytest.mark.parametrize(
    "path", ["", "/", "/rtbs", "/rtbs.json/", "/rtbs/.json", "/rtbs/a/b.json", "/RTBS.json", "rtbs.json"]
)
def test_other_paths_find_nothing(path: str) -> None:
    assert TABLE.find(path) is None


@pytest.mark.parametrize("path", ["/rtbs/%ff.json", "/rtbs/%00.json"])
def test_params_that_are_no_text_are_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        TABLE.find(path)


def test_a_route_that_stands_twice_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="stands twice"):
        PathTable((_route("/a"), _route("/a")))


def _writer() -> AnswerWriter:
    writer = AnswerWriter(extra=(("X-Extra", "1"),))
    writer.tick(0)
    return writer


ANSWER = HttpAnswer(status=200, body=b"{}", headers=(("X-One", "1"),))


@pytest.mark.parametrize(
    ("kind", "said"),
    [(KEEP, b""), (CLOSE, b"Connection: close\r\n"), (KEEP_10, b"Connection: keep-alive\r\n")],
)
def test_an_answer_as_bytes(kind: int, said: bytes) -> None:
    assert _writer().render(ANSWER, "r-1", connection=kind, head_only=False) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-One: 1\r\nX-Extra: 1\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        + said
        + b"X-Request-Id: r-1\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_the_date_follows_the_tick() -> None:
    writer = _writer()
    writer.render(ANSWER, "r", connection=KEEP, head_only=False)
    writer.tick(86400)
    assert b"02 Jan 1970" in writer.render(ANSWER, "r", connection=KEEP, head_only=False)


def test_many_different_heads_do_not_pile_up() -> None:
    writer = _writer()
    for number in range(2000):
        answer = HttpAnswer(status=200, body=b"", headers=(("Link", str(number)),))
        assert b"Link: %d\r\n" % number in writer.render(answer, "r", connection=KEEP, head_only=False)
    assert len(writer._heads) <= 512


def test_counts_reach_the_page_and_unknown_labels_are_closed() -> None:
    metrics.PINGS.add("reserved", "")
    metrics.PINGS.add("pbk_r_secret", "no_buyers", n=2)
    metrics.REQUEST_SECONDS.observe(0.003, "/counted", "GET")
    metrics.REQUEST_SECONDS.observe(99.0, "/counted", "GET")
    metrics.POSTGRES_POOL.set(3, "idle")
    tallies.fold_all()
    tallies.fold_all()
    page = tallies.render().decode()
    assert 'ringpost_pings_total{outcome="reserved",reason=""} 1.0' in page
    assert 'ringpost_pings_total{outcome="other",reason="no_buyers"} 2.0' in page
    assert "secret" not in page
    series = 'method="GET",route="/counted"'
    assert f'ringpost_request_seconds_bucket{{le="0.0025",{series}}} 0.0' in page
    assert f'ringpost_request_seconds_bucket{{le="0.005",{series}}} 1.0' in page
    assert f'ringpost_request_seconds_bucket{{le="+Inf",{series}}} 2.0' in page
    assert f"ringpost_request_seconds_sum{{{series}}} 99.003" in page
    assert 'ringpost_postgres_pool_connections{state="idle"} 3.0' in page
    assert 'ringpost_cache_lookups_total{cache="key",result="hit"} 0.0' in page
