"""The console script: help, exit codes, one line per failure."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.local.cluster_file import HOME, PEPPER, POSTGRES_DSN, REDIS_URL, SWITCH_ENCRYPTION_KEY
from deploy.local.paths import MIGRATIONS
from deploy.local.ports import free_port
from ringpost.cli import COMMANDS, cli
from shared.stores.migrations import read_migrations


def _run(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(
        cli, list(arguments), env={HOME: "/nonexistent", **settings}, catch_exceptions=False
    )


def _run_whole(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from ringpost.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={"PATH": "/bin:/usr/bin", HOME: "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_and_knows_json(command: str) -> None:
    result = _run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_no_command_is_usage_and_an_unknown_one_an_error() -> None:
    assert _run("xyzzy").exit_code == 2
    assert "migrate" in _run("--help").output


def test_migrate_says_what_it_did(empty_database: str) -> None:
    files = [each.file for each in read_migrations(MIGRATIONS)]
    plan = _run("migrate", "--plan", "--json", **{POSTGRES_DSN: empty_database})
    assert json.loads(plan.output) == {"pending": files}
    done = _run("migrate", "--json", **{POSTGRES_DSN: empty_database})
    assert json.loads(done.output) == {"applied": files}
    assert _run("migrate", **{POSTGRES_DSN: empty_database}).output == "the schema is up to date\n"


def test_migrate_reads_its_address_from_a_file(fresh_database: str, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(fresh_database + "\n")
    result = _run("migrate", **{f"{POSTGRES_DSN}_FILE": str(tmp_path / "dsn")})
    assert result.output == "the schema is up to date\n"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "ringpost: RINGPOST_POSTGRES_DSN is not set, and no cluster of `ringpost up` was found here"),
        (
            {f"{POSTGRES_DSN}_FILE": "/nonexistent"},
            "ringpost: RINGPOST_POSTGRES_DSN_FILE: the file cannot be read",
        ),
        (
            {POSTGRES_DSN: f"postgresql://me:secret@127.0.0.1:{free_port()}/x"},
            "ringpost: Postgres cannot be used: ",
        ),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(settings: dict[str, str], line: str) -> None:
    result = _run_whole(settings, "migrate")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_check_config_names_every_mistake_and_no_value() -> None:
    bad = {POSTGRES_DSN: "postgresql://me:hidden@h/x", "RINGPOST_PORT": "many", "RINGPOST_XYZZY": "hidden"}
    result = _run("check-config", "rtb", "--json", **bad)
    found = json.loads(result.output)
    assert result.exit_code == 1
    assert any("RINGPOST_REDIS_URL is required" in problem for problem in found["rtb"])
    assert any("RINGPOST_PORT must be" in problem for problem in found["rtb"])
    assert found["environment"] == ["RINGPOST_XYZZY is not a setting"]
    assert "hidden" not in result.output


def test_check_config_is_content_with_a_whole_environment() -> None:
    good = {POSTGRES_DSN: "postgresql://h/x", REDIS_URL: "redis://h/0", PEPPER: "p" * 32}
    good[SWITCH_ENCRYPTION_KEY] = "s" * 32
    result = _run("check-config", **good)
    assert result.exit_code == 0
    assert "rtb: ok\n" in result.output


def test_serve_refuses_a_setting_that_nobody_reads() -> None:
    result = _run_whole({"RINGPOST_PEPER": "x"}, "serve", "rtb")
    assert result.returncode == 1
    assert result.stderr == "ringpost: RINGPOST_PEPER is not a setting; did you mean RINGPOST_PEPPER?\n"
