"""`ringpost switches`: what a person sees, and what must never be seen."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.local.cluster_file import POSTGRES_DSN, SWITCH_ENCRYPTION_KEY
from ringpost.cli import cli
from ringpost.commands.apply import apply_file
from ringpost.demo import load_demo
from shared.errors import OperatorError
from shared.stores.postgres import Postgres
from shared.stores.sealing import Sealer
from shared.stores.switches import find_generic_of
from tests.cluster.test_apply_command import Environment, count, settings_for, warm, write
from tests.support.account_trees import SMALL, changed
from tests.support.engines import run_apart

KEY = "switch-encryption-key-of-the-tests"
SID = "AC00000000000000000000000000000001"
GENERIC = ("--company", "Acme", "--kind", "generic")
TWILIO = ("--company", "Acme", "--kind", "twilio", "--account", SID)


@pytest.fixture
def environment(fresh_database: str, fresh_redis: str, tmp_path: Path) -> Environment:
    run_apart(warm(fresh_redis))
    made = {**settings_for(fresh_database, fresh_redis), SWITCH_ENCRYPTION_KEY: KEY}
    apply_file(write(tmp_path, SMALL), made)
    return made


def run(environment: Mapping[str, str], *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["switches", *arguments], env=dict(environment), input=answer)


def told(environment: Mapping[str, str], *arguments: str, answer: str = "") -> dict[str, Any]:
    result = run(environment, *arguments, "--json", answer=answer)
    assert result.exit_code == 0, (result.output, result.exception)
    body: dict[str, Any] = json.loads(result.stdout)
    return body


def refused(result: Result) -> str:
    assert isinstance(result.exception, OperatorError), result.output
    return result.exception.text


def secret_of(dsn: str, number: str) -> str:
    found: list[str] = []

    async def ask() -> None:
        postgres = await Postgres.open(dsn)
        credential = await find_generic_of(postgres, Sealer([KEY]), number=number)
        found.append(credential.secret.reveal() if credential else "")
        await postgres.close()

    run_apart(ask())
    return found[0]


def test_a_generic_switch_is_made_and_its_secret_told_once(environment: Environment) -> None:
    made = told(environment, "create", *GENERIC, "--command-url", "https://pbx.example.com/c")
    assert (made["id"], made["kind"], made["account"]) == (1, "generic", "generic")
    assert len(made["secret"]) >= 32
    assert secret_of(environment[POSTGRES_DSN], "+18445550100") == made["secret"]
    for listed in (run(environment, "list"), run(environment, "list", "--json")):
        assert "https://pbx.example.com/c" in listed.output
        assert made["secret"] not in listed.output


def test_people_are_told_the_same(environment: Environment) -> None:
    first, second = run(environment, "create", *GENERIC, "--account", "pbx").output.splitlines()
    assert first == "switch 1 pbx: created"
    assert second.startswith("secret: ")
    assert "generic  pbx" in run(environment, "list", "--company", "Acme").output
    assert run(environment, "list", "--company", "Nobody").output == ""


def test_a_secret_of_a_generic_switch_may_be_given(environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a-secret-of-at-least-32-characters\n")
    assert "secret" not in told(environment, "create", *GENERIC, "--secret-file", str(file))
    assert secret_of(environment[POSTGRES_DSN], "+18445550100") == "a-secret-of-at-least-32-characters"


@pytest.mark.parametrize("arguments", [(), ("--secret-file", "-")])
def test_twilio_s_token_is_asked_for_or_read_and_never_told(
    environment: Environment, arguments: tuple[str, ...]
) -> None:
    result = run(environment, "create", *TWILIO, *arguments, answer="auth-token-of-twilio\n")
    assert result.exit_code == 0, result.exception
    assert f"switch 1 {SID}: created" in result.output
    assert "auth-token-of-twilio" not in result.output


@pytest.mark.parametrize("secret", ["", "short", "with a space in the middle of it", "é" * 40, "x" * 257])
def test_secrets_that_are_none(environment: Environment, secret: str) -> None:
    text = refused(run(environment, "create", *TWILIO, "--secret-file", "-", answer=secret))
    assert text == "a twilio secret has 16 to 256 visible ASCII characters"
    text = refused(run(environment, "create", *GENERIC, "--secret-file", "-", answer=secret))
    assert text == "a generic secret has 32 to 256 visible ASCII characters"
    assert count(environment[POSTGRES_DSN], "switch_credentials") == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--company", "Nobody", "--kind", "generic"), "no company is called that"),
        ((*GENERIC, "--account", "a b"), "--account has"),
        ((*GENERIC, "--command-url", "pbx.example.com"), "--command-url is"),
        ((*GENERIC, "--command-url", "https://user:secret@pbx.example.com"), "--command-url is"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    environment: Environment, arguments: tuple[str, ...], text: str
) -> None:
    assert refused(run(environment, "create", *arguments)).startswith(text)


def test_twilio_needs_its_account(environment: Environment) -> None:
    arguments = ("create", "--company", "Acme", "--kind", "twilio", "--secret-file", "-")
    assert "AccountSid" in refused(run(environment, *arguments, answer="auth-token-of-twilio"))


def test_without_the_encryption_key_nothing_is_made(environment: Environment) -> None:
    bare = {name: value for name, value in environment.items() if name != SWITCH_ENCRYPTION_KEY}
    assert refused(run(bare, "create", *GENERIC)).startswith(SWITCH_ENCRYPTION_KEY)
    short = {**environment, SWITCH_ENCRYPTION_KEY: "short"}
    assert refused(run(short, "create", *GENERIC)).startswith(SWITCH_ENCRYPTION_KEY)


def test_deleting_asks_first(environment: Environment) -> None:
    told(environment, "create", *GENERIC)
    assert run(environment, "delete", "generic", answer="n\n").exit_code == 1
    assert count(environment[POSTGRES_DSN], "switch_credentials") == 1
    assert run(environment, "delete", "generic", answer="y\n").exit_code == 0
    assert count(environment[POSTGRES_DSN], "switch_credentials") == 0
    assert refused(run(environment, "delete", "generic", "--yes")).startswith("no switch is called that")


def test_an_account_of_several_needs_an_id_or_a_company(environment: Environment, tmp_path: Path) -> None:
    apply_file(
        write(tmp_path, changed("campaigns[0].numbers", [], changed("company.name", "Other"))), environment
    )
    told(environment, "create", *GENERIC)
    told(environment, "create", "--company", "Other", "--kind", "generic")
    assert refused(run(environment, "delete", "generic", "--yes")).endswith("give one of the ids 1, 2")
    assert told(environment, "delete", "generic", "--yes", "--company", "Other") == {
        "id": 2,
        "kind": "generic",
        "account": "generic",
        "done": "deleted",
    }
    assert told(environment, "delete", "1", "--yes")["id"] == 1


def test_the_demo_has_a_switch(fresh_database: str, fresh_redis: str) -> None:
    run_apart(warm(fresh_redis))
    environment = {**settings_for(fresh_database, fresh_redis), SWITCH_ENCRYPTION_KEY: KEY}
    said: list[str] = []
    for _ in range(2):
        load_demo(environment, said.append, receiver_port=8090)
    assert said == ["loading the demo account"]
    (row,) = json.loads(run(environment, "list", "--json").stdout)
    assert (row["company"], row["kind"]) == ("Demo Media", "generic")
