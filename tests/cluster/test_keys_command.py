"""`ringpost keys`: what a person sees, and that a change is in force when the command returns."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from deploy.local.cluster_file import POSTGRES_DSN, REDIS_URL
from deploy.local.ports import free_port
from ringpost.cli import cli
from ringpost.commands.apply import apply_file
from shared.errors import OperatorError
from shared.stores.redis import Redis
from shared.stores.redis_keys import head
from tests.cluster.test_apply_command import Environment, count, settings_for, warm, write
from tests.support.account_trees import SMALL, changed
from tests.support.engines import run_apart


@pytest.fixture
def environment(fresh_database: str, fresh_redis: str, tmp_path: Path) -> Environment:
    run_apart(warm(fresh_redis))
    made = settings_for(fresh_database, fresh_redis)
    apply_file(write(tmp_path, SMALL), made)
    return made


def run(environment: Mapping[str, str], *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["keys", *arguments], env=dict(environment), input=answer)


def told(environment: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    result = run(environment, *arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def version_in_redis(environment: Mapping[str, str]) -> int:
    found: list[int] = []

    async def ask() -> None:
        redis = await Redis.open(environment[REDIS_URL])
        found.append(int(await redis.command(1, "HGET", head(1), "v:1")))
        await redis.close()

    run_apart(ask())
    return found[0]


def listed(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(run(environment, "list", "--json").stdout)}


def test_keys_are_listed_without_their_tokens(environment: Environment) -> None:
    result = run(environment, "list")
    assert result.exit_code == 0
    assert "active" in result.output
    assert "ping" in result.output
    assert "pbk_" not in result.output
    assert "pbk_" not in run(environment, "list", "--json").output
    assert run(environment, "list", "--company", "Nobody").output == ""


def test_the_list_says_when_a_key_was_last_used_and_how_often(environment: Environment) -> None:
    assert (listed(environment)["ping"]["last_used_at"], listed(environment)["ping"]["uses"]) == (None, 0)
    assert "never used" in run(environment, "list").output

    async def use() -> None:
        connection = await asyncpg.connect(environment[POSTGRES_DSN])
        await connection.execute("INSERT INTO key_uses VALUES (1, '2026-01-02 03:04+00', 1234)")
        await connection.close()

    run_apart(use())
    ping = listed(environment)["ping"]
    assert (ping["last_used_at"], ping["uses"]) == ("2026-01-02T03:04:00Z", 1234)
    assert "2026-01-02 03:04Z       1234" in run(environment, "list").output


@pytest.mark.parametrize("words", [("pause", "ping"), ("pause", "1"), ("pause", "ping", "--company", "Acme")])
def test_a_pause_is_in_force_when_the_command_returns(
    environment: Environment, words: tuple[str, ...]
) -> None:
    before = version_in_redis(environment)
    result = run(environment, *words)
    assert (result.exit_code, result.output) == (0, "key 1 ping: paused\n")
    assert version_in_redis(environment) == before + 1
    assert listed(environment)["ping"]["paused"] is True
    assert run(environment, *words).output == "key 1 ping: paused already\n"
    assert version_in_redis(environment) == before + 1


def test_a_paused_key_is_resumed(environment: Environment) -> None:
    assert told(environment, "resume", "ping")["changed"] is False
    told(environment, "pause", "ping")
    answer = told(environment, "resume", "ping")
    assert (answer["done"], answer["changed"], answer["in_force"]) == ("resumed", True, True)
    assert listed(environment)["ping"]["paused"] is False


def test_a_key_is_made_shown_regenerated_and_deleted(environment: Environment) -> None:
    arguments = (
        "--company",
        "Acme",
        "--kind",
        "rtb",
        "--on",
        "publisher:pub_a",
        "--name",
        "new",
        "--set",
        "campaign=auto",
    )
    made = told(environment, "create", *arguments)
    assert made["token"].startswith("pbk_rtb_")
    assert told(environment, "reveal", "new")["token"] == made["token"]
    again = told(environment, "regenerate", "new")
    assert again["name"] == "new 2"
    assert again["token"] != made["token"]
    before = version_in_redis(environment)
    assert told(environment, "delete", "new", "--yes")["done"] == "deleted"
    assert version_in_redis(environment) == before + 1
    assert sorted(listed(environment)) == ["new 2", "ping"]


def test_a_reveal_leaves_an_audit_row(environment: Environment) -> None:
    rows = count(environment[POSTGRES_DSN], "audit_log")
    result = run(environment, "reveal", "ping")
    assert result.output.count("pbk_rtb_") == 1
    assert count(environment[POSTGRES_DSN], "audit_log") == rows + 1


def test_a_caller_list_keys_secret_is_shown_on_demand(environment: Environment) -> None:
    arguments = (
        "--company",
        "Acme",
        "--kind",
        "caller_list_management",
        "--on",
        "company",
        "--name",
        "lists",
    )
    made = told(environment, "create", *arguments)
    assert len(made["secret"]) == 24
    assert f"secret: {made['secret']}" in run(environment, "reveal", "lists").output


def test_deleting_asks_first(environment: Environment) -> None:
    refused = run(environment, "delete", "ping", answer="n\n")
    assert refused.exit_code == 1
    assert "ping" in listed(environment)
    assert run(environment, "delete", "ping", answer="y\n").exit_code == 0
    assert listed(environment) == {}


@pytest.mark.parametrize("command", ["pause", "resume", "reveal", "regenerate"])
def test_a_key_that_is_not_there_is_one_line(environment: Environment, command: str) -> None:
    result = run(environment, command, "nothing")
    assert isinstance(result.exception, OperatorError)
    assert result.exception.text.startswith("no key is called that")


def test_a_name_of_several_keys_needs_an_id_or_a_company(environment: Environment, tmp_path: Path) -> None:
    other = changed("campaigns[0].numbers", [], changed("company.name", "Other"))
    apply_file(write(tmp_path, other), environment)
    result = run(environment, "pause", "ping")
    assert isinstance(result.exception, OperatorError)
    assert "give one of the ids 1, 2" in result.exception.text
    assert run(environment, "pause", "ping", "--company", "Other").output == "key 2 ping: paused\n"
    assert run(environment, "list", "--company", "Other").output.count("ping") == 1


@pytest.mark.parametrize("command", [("pause", "ping"), ("delete", "ping", "--yes")])
def test_without_redis_it_is_saved_and_said_so(environment: Environment, command: tuple[str, ...]) -> None:
    away = {**environment, REDIS_URL: f"redis://127.0.0.1:{free_port()}/0"}
    result = run(away, *command)
    assert result.exit_code == 3
    assert "NOT YET in force" in result.stderr
    assert count(environment[POSTGRES_DSN], "hot_sync") == 1
    assert run(environment, "resume", "ping").exit_code == (0 if command[0] == "pause" else 1)


def test_a_wrong_setting_is_told_and_nothing_made(environment: Environment) -> None:
    arguments = (
        "--company",
        "Acme",
        "--kind",
        "rtb",
        "--on",
        "campaign:auto",
        "--name",
        "new",
        "--set",
        "timeout=99",
    )
    result = run(environment, "create", *arguments)
    assert isinstance(result.exception, OperatorError)
    assert result.exception.text == "timeout: is 0.1 to 30 s"
    assert sorted(listed(environment)) == ["ping"]
