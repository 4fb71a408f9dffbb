"""The matrix of keys.md: kind of key x endpoint x own or foreign entity x tenant; only the diagonal passes."""

import json
from collections.abc import Iterator

import pytest
from defusedxml import ElementTree

from tests.services.matrix.endpoints import ROWS, Row
from tests.services.matrix.keys import NAMES, token_of
from tests.services.matrix.stage import Stage, running_stage
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, Sent
from tests.support.engines import Engine, fresh_database_of, running_redis

PREFLIGHT = "OPTIONS"  # what a browser asks before, without a key


@pytest.fixture(scope="module")
def stage(postgres_engine: Engine, loop: Loop) -> Iterator[Stage]:
    with (
        fresh_database_of(postgres_engine.url) as dsn,
        running_redis() as redis,
        running_stage(loop, dsn, redis.url) as stage,
    ):
        yield stage


def ask(stage: Stage, row: Row, token: str, *, more: str = "") -> Answer:
    """The row's request with this token."""
    path = row.path.format(key=token, **stage.ids) + more
    if "{key}" not in row.path and token:
        path += f"{'&' if '?' in path else '?'}{row.takes}={token}"
    headers = {"Content-Type": "application/json"} if row.body else {}
    sent = Sent(method=row.method, target=path, headers=headers, body=row.body)
    return send(stage.services[row.service], sent)


def reason_of(answer: Answer) -> str:
    """Why it was refused, wherever the endpoint says so."""
    said = answer.headers.get("x-ringpost-reason", "")
    if said or not answer.body:
        return said
    if answer.body.startswith(b"<?xml"):
        return ElementTree.fromstring(answer.body).findtext("reason") or ""
    if answer.headers["content-type"].startswith("application/json"):
        told = json.loads(answer.body)
        return str(told.get("reason", "")) if isinstance(told, dict) else ""
    return ""


def refusal(answer: Answer) -> tuple[int, str] | None:
    """Status and reason of a key that may not; None when it may, whatever came of the request then."""
    return (answer.status, reason_of(answer)) if answer.status in {401, 403} else None


def refused(row: Row, status: int, reason: str) -> tuple[int, str]:
    """What that refusal looks like there."""
    return status, "" if row.quiet else reason


def test_no_endpoint_is_left_out(stage: Stage) -> None:
    served = {route for route in stage.routes if route[1] != PREFLIGHT}
    assert {(row.service, row.method, row.template) for row in ROWS} == served


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_only_the_diagonal_passes(stage: Stage, row: Row) -> None:
    answers = {name: refusal(ask(stage, row, token_of(name))) for name in NAMES}
    assert answers == {name: None if name in row.own else refused(row, 403, "scope") for name in NAMES}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_another_company_s_keys_pass_only_where_the_request_names_no_entity(stage: Stage, row: Row) -> None:
    answers = {name: refusal(ask(stage, row, token_of(name, "abroad"))) for name in NAMES}
    passing = frozenset[str]() if row.names_an_entity else row.own
    assert answers == {name: None if name in passing else refused(row, 403, "scope") for name in NAMES}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_key_and_an_unknown_one_are_told_apart(stage: Stage, row: Row) -> None:
    if "{key}" not in row.path:
        assert refusal(ask(stage, row, "")) == refused(row, 401, "key_missing")
    unknown = ask(stage, row, "a-key-that-nobody-was-given")
    assert refusal(unknown) == refused(row, 401, "key_unknown")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_call_s_own_key_writes_on_its_call_and_does_nothing_else(stage: Stage, row: Row) -> None:
    more = f"&call_uuid={stage.ids['call']}" if row.by_call_key else ""
    answer = ask(stage, row, stage.ids["call_key"], more=more)
    assert refusal(answer) == (None if row.by_call_key else refused(row, 401, "key_unknown"))
