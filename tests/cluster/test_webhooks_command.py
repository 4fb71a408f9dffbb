"""`ringpost webhooks`: what an operator sees of the outbox, and what he can set going again."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.local.cluster_file import PEPPER, POSTGRES_DSN
from ringpost.cli import cli
from ringpost.commands.apply import apply_file
from shared.domain.webhook_message import secret_of
from shared.stores import outbox
from shared.stores.outbox import Noted
from shared.stores.postgres import Postgres
from tests.cluster.test_apply_command import Environment, settings_for, warm, write
from tests.support.account_trees import SMALL
from tests.support.engines import run_apart
from tests.support.owed import CALLER, a_webhook, fired, new_id, owe

Work = Callable[[Postgres], Awaitable[None]]


@pytest.fixture
def environment(fresh_database: str, fresh_redis: str, tmp_path: Path) -> Environment:
    run_apart(warm(fresh_redis))
    made = settings_for(fresh_database, fresh_redis)
    apply_file(write(tmp_path, SMALL), made)
    return made


@pytest.fixture
def owed(environment: Environment) -> list[str]:
    """One dead, one delivered, one that waits; the first of the account's own webhook."""
    ids: list[str] = []

    async def work(postgres: Postgres) -> None:
        hooks = [a_webhook(f"https://{name}.test/?key=secret", id=n) for n, name in enumerate("abc", 1)]
        ids.extend(await owe(postgres, fired(*hooks)))
        dead = Noted(id=ids[0], attempts=8, status="dead", error="timeout")
        await postgres.execute("UPDATE outbox SET attempts = 7 WHERE id = $1", ids[0])
        done = Noted(id=ids[1], attempts=1, status="delivered", answered=204)
        await outbox.note(postgres, [dead, done])

    in_postgres(environment, work)
    return ids


def in_postgres(environment: Environment, work: Work) -> None:
    async def whole() -> None:
        postgres = await Postgres.open(environment[POSTGRES_DSN], deadline_s=10)
        await work(postgres)
        await postgres.close()

    run_apart(whole())


def run(environment: Environment, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["webhooks", *arguments], env=dict(environment))


def told(environment: Environment, *arguments: str) -> Any:
    result = run(environment, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def statuses(environment: Environment) -> dict[str, tuple[str, int]]:
    return {each["id"]: (each["status"], each["attempts"]) for each in told(environment, "list")}


def test_the_list_tells_what_became_of_each_and_nothing_of_the_caller(
    environment: Environment, owed: list[str]
) -> None:
    text = run(environment, "list").output
    assert text.count("\n") == 3
    for shown in (
        *owed,
        "dead",
        "delivered",
        "waiting",
        "8 attempts",
        "timeout",
        "204",
        "a.test",
        "hook",
        "Acme",
    ):
        assert shown in text
    everything = text + run(environment, "list", "--json").output
    assert CALLER not in everything
    assert "secret" not in everything


def test_the_list_can_be_narrowed_down(environment: Environment, owed: list[str]) -> None:
    assert [each["id"] for each in told(environment, "list", "--status", "dead")] == [owed[0]]
    assert told(environment, "list", "--company", "Nobody") == []
    assert len(told(environment, "list", "--company", "Acme", "--limit", "2")) == 2
    assert run(environment, "list", "--status", "lost").exit_code == 2


def test_dead_and_delivered_ones_are_delivered_again(environment: Environment, owed: list[str]) -> None:
    result = run(environment, "replay", *owed, new_id())
    assert (result.exit_code, result.output) == (0, "2 to be delivered again\n")
    assert set(statuses(environment).values()) == {("waiting", 0)}
    assert told(environment, "replay", *owed) == {"replayed": 0}


def test_all_dead_ones_at_once(environment: Environment, owed: list[str]) -> None:
    assert told(environment, "replay", "--dead", "--company", "Nobody") == {"replayed": 0}
    assert told(environment, "replay", "--dead", "--company", "Acme") == {"replayed": 1}
    assert statuses(environment)[owed[1]] == ("delivered", 1)
    assert told(environment, "replay", "--dead") == {"replayed": 0}


@pytest.mark.parametrize(
    "words", [(), ("--company", "Acme"), ("--dead", "an-id"), ("an-id", "--company", "Acme")]
)
def test_a_replay_of_what_is_a_mistake(environment: Environment, words: tuple[str, ...]) -> None:
    assert run(environment, "replay", *words).exit_code == 2


def test_what_is_no_id_is_said_so(environment: Environment) -> None:
    assert "17 is no webhook's id" in str(run(environment, "replay", "17").exception)


def test_a_secret_is_shown_and_the_audit_log_knows(environment: Environment) -> None:
    secret = secret_of(environment[PEPPER].encode(), 1)
    assert run(environment, "secret", "--company", "Acme").output == f"{secret}\n"
    assert told(environment, "secret", "--company", "Acme") == {"company": "Acme", "secret": secret}
    seen: list[tuple[Any, ...]] = []

    async def look(postgres: Postgres) -> None:
        asked = "SELECT entity, entity_id FROM audit_log WHERE action = 'reveal'"
        seen.extend(tuple(row) for row in await postgres.fetch(asked))

    in_postgres(environment, look)
    assert seen == [("webhook_secret", 1)] * 2


def test_a_company_that_is_not_there_has_no_secret(environment: Environment) -> None:
    assert "there is no company Nobody" in str(run(environment, "secret", "--company", "Nobody").exception)
