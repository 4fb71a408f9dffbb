"""`ringpost apply`: as a person uses it, and as `ringpost up` calls it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest
import yaml
from click.testing import CliRunner, Result

from deploy.local.cluster_file import HOME, KEY_ENCRYPTION_KEY, PEPPER, POSTGRES_DSN, REDIS_URL
from deploy.local.paths import DEMO_ACCOUNT
from deploy.local.ports import free_port
from ringpost.cli import cli
from ringpost.commands.apply import apply_file
from ringpost.commands.keys import reveal_token
from shared.domain.tokens import token_form
from shared.errors import OperatorError
from shared.stores.account.applying import AccountError
from shared.stores.redis import SHARDS, Redis
from shared.stores.redis_keys import head
from tests.support.account_trees import SMALL, Tree, a_tree, changed
from tests.support.engines import run_apart
from tests.support.waiting import give_way

Environment = dict[str, str]


@pytest.fixture
def environment(fresh_database: str, fresh_redis: str) -> Environment:
    run_apart(warm(fresh_redis))
    return settings_for(fresh_database, fresh_redis)


def settings_for(dsn: str, redis_url: str) -> Environment:
    return {
        HOME: "/nonexistent",
        POSTGRES_DSN: dsn,
        REDIS_URL: redis_url,
        PEPPER: "pepper-of-the-tests",
        KEY_ENCRYPTION_KEY: "key-encryption-key-of-the-tests-0123456789",
    }


async def warm(url: str) -> None:
    """Every shard serves, as after a rebuild."""
    redis = await Redis.open(url)
    for shard in range(SHARDS):
        await redis.command(shard, "HSET", head(shard), "epoch", redis.run_id_of(shard))
    await redis.close()


def run(environment: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=dict(environment), catch_exceptions=True)


def write(folder: Path, tree: Tree, name: str = "account.yaml") -> Path:
    path = folder / name
    path.write_text(json.dumps(tree) if name.endswith("json") else yaml.safe_dump(tree, sort_keys=False))
    return path


def count(dsn: str, table: str) -> int:
    found: list[int] = []

    async def ask() -> None:
        connection = await asyncpg.connect(dsn)
        found.append(await connection.fetchval(f"SELECT count(*) FROM {table}"))
        await connection.close()

    run_apart(ask())
    return found[0]


def test_the_demo_is_applied_and_a_second_time_changes_nothing(environment: Environment) -> None:
    report = apply_file(DEMO_ACCOUNT, environment)
    assert report.changed
    assert report.force.now
    assert len(report.created_tokens) == 9
    assert list(report.created_secrets) == ["Campaign_Suppression_Sync"]
    assert all(token_form(token) == "ours" for token in report.created_tokens.values())
    assert token_form(report.api_key) == "ours"
    again = apply_file(DEMO_ACCOUNT, environment)
    assert (again.changed, again.created_tokens, again.api_key) == (False, {}, "")
    token = report.created_tokens["Publisher_A_RTB_Auto"]
    assert reveal_token(environment, "Demo Media", name="Publisher_A_RTB_Auto") == token


def test_tokens_are_printed_once_and_numbers_never(environment: Environment) -> None:
    first = run(environment, "apply", str(DEMO_ACCOUNT))
    assert first.exit_code == 0
    assert first.output.count("pbk_") == 10
    assert "25 created, 0 updated, 0 deleted" in first.output
    assert "555" not in first.output
    second = run(environment, "apply", str(DEMO_ACCOUNT))
    assert (second.exit_code, second.output) == (0, "Demo Media: no change\n")


def test_keys_of_one_name_are_told_apart(environment: Environment, tmp_path: Path) -> None:
    keys = [{"name": "ping", "kind": "rtb", "on": {"campaign": cid}} for cid in ("auto", "home")]
    report = apply_file(write(tmp_path, a_tree(postback_keys=keys)), environment)
    assert sorted(report.created_tokens) == ["ping (campaign auto)", "ping (campaign home)"]


def test_imported_tokens_are_not_told(environment: Environment, tmp_path: Path) -> None:
    tree = changed("postback_keys[0].token", "0191b2c3-d4e5-7f60-8123-456789abcdef")
    result = run(environment, "apply", str(write(tmp_path, tree)))
    assert result.exit_code == 0
    assert "0191b2c3" not in result.output


def test_a_plan_only_prints(environment: Environment, tmp_path: Path) -> None:
    path = str(write(tmp_path, SMALL))
    planned = run(environment, "apply", path, "--plan")
    assert planned.exit_code == 0
    assert "+ buyer alpha\n" in planned.output
    assert "14 to create, 0 to update, 0 to delete" in planned.output
    assert "pbk_" not in planned.output
    assert count(environment[POSTGRES_DSN], "companies") == 0


def test_json_says_the_same(environment: Environment, tmp_path: Path) -> None:
    path = write(tmp_path, SMALL, "account.json")
    told = json.loads(run(environment, "apply", str(path), "--json").stdout)
    assert (told["company"], told["applied"], told["in_force"]) == ("Acme", True, True)
    assert told["changes"][1] == {
        "action": "create",
        "entity": "publisher",
        "name": "pub_a",
        "in": [],
        "details": [],
    }
    assert list(told["created_tokens"]) == ["ping"]
    again = json.loads(run(environment, "apply", str(path), "--json", "--plan").stdout)
    assert (again["changes"], again["applied"]) == ([], False)


def test_prune_deletes_what_the_file_lacks(environment: Environment, tmp_path: Path) -> None:
    apply_file(write(tmp_path, SMALL), environment)
    less = write(tmp_path, a_tree(postback_keys=[], directories=[]))
    assert run(environment, "apply", str(less)).output == "Acme: no change\n"
    result = run(environment, "apply", str(less), "--prune")
    assert result.output.splitlines() == [
        "- postback key ping in campaign auto",
        "- directory Desk",
        "Acme: 0 created, 0 updated, 2 deleted",
    ]


def test_every_mistake_is_told_and_nothing_applied(environment: Environment, tmp_path: Path) -> None:
    tree = changed("buyers[0].weight", 0, changed("campaigns[0].routing.groups[0]", "West"))
    path = write(tmp_path, tree)
    result = run(environment, "apply", str(path))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{path}: buyers[0].weight: is 1 to 1000000",
        f"{path}: campaigns[0].routing.groups[0]: names no buyer group: West",
        "2 problems; nothing was applied",
    ]
    told = json.loads(run(environment, "apply", str(path), "--json").stdout)
    assert told["applied"] is False
    assert [each["path"] for each in told["problems"]] == [
        "buyers[0].weight",
        "campaigns[0].routing.groups[0]",
    ]
    with pytest.raises(AccountError):
        apply_file(path, environment)
    assert count(environment[POSTGRES_DSN], "companies") == 0


def test_the_demo_file_reads_as_yaml_with_on_and_decimals(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "account.yaml"
    path.write_text(
        "company: {name: Acme}\n"
        "buyers:\n"
        "  - {tid: a, number: '[number]', bid: {revenue: 25.10}, business_hours: [{day_of_week: 1, time_open: 0730}]}\n"
        "campaigns: [{cid: auto, routing: {buyers: [{tid: a}]}}]\n"
        "postback_keys: [{name: k, kind: rtb, on: {campaign: auto}}]\n"
    )
    apply_file(path, environment)
    found: list[str] = []

    async def ask() -> None:
        connection = await asyncpg.connect(environment[POSTGRES_DSN])
        found.append(await connection.fetchval("SELECT bid::text || business_hours::text FROM buyers"))
        await connection.close()

    run_apart(ask())
    assert '{"revenue": "25.10"}' in found[0]
    assert '"time_open": 730' in found[0]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({PEPPER: ""}, f"{PEPPER} is not set"),
        ({KEY_ENCRYPTION_KEY: "short"}, "at least 32 characters"),
        ({POSTGRES_DSN: ""}, f"{POSTGRES_DSN} is not set"),
    ],
)
def test_what_is_missing_is_one_line(
    environment: Environment, tmp_path: Path, change: Environment, text: str
) -> None:
    path = write(tmp_path, SMALL)
    with pytest.raises(OperatorError, match=text):
        apply_file(path, {**environment, **change})


def test_a_missing_file_is_one_line(environment: Environment, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="No such file"):
        apply_file(tmp_path / "none.yaml", environment)


def test_hash_only_needs_no_encryption_key(environment: Environment, tmp_path: Path) -> None:
    hash_only = {**environment, KEY_ENCRYPTION_KEY: "", "RINGPOST_KEYS_HASH_ONLY": "true"}
    assert apply_file(write(tmp_path, SMALL), hash_only).created_tokens
    with pytest.raises(OperatorError, match="turned off"):
        reveal_token(hash_only, "Acme", name="ping")
    with pytest.raises(OperatorError, match="no copy of this token"):
        reveal_token(environment, "Acme", name="ping")


def test_without_redis_it_is_saved_and_said_to_be_not_yet_in_force(
    environment: Environment, tmp_path: Path
) -> None:
    away = {**environment, REDIS_URL: f"redis://127.0.0.1:{free_port()}/0"}
    path = str(write(tmp_path, SMALL))
    result = run(away, "apply", path)
    assert result.exit_code == 3
    assert "saved, but NOT YET in force: Redis cannot be reached" in result.stderr
    assert "pbk_rtb_" in result.stdout
    assert count(environment[POSTGRES_DSN], "hot_sync") == 3
    again = run(environment, "apply", path)
    assert (again.exit_code, again.output) == (0, "Acme: no change\n")
    assert count(environment[POSTGRES_DSN], "hot_sync") == 0, "a run with Redis settles what was owed"


def test_a_cold_redis_serves_nothing_before_it_has_read_what_was_saved(
    fresh_database: str, fresh_redis: str, tmp_path: Path
) -> None:
    report = apply_file(write(tmp_path, SMALL), settings_for(fresh_database, fresh_redis))
    assert report.force.exit_code == 0
    assert "rebuild" in report.force.note
    assert count(fresh_database, "hot_sync") == 3, "the notes stay for the worker"


def test_killed_in_the_middle_it_leaves_nothing(environment: Environment, tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)

    async def kill_while_it_waits() -> None:
        blocker = await asyncpg.connect(environment[POSTGRES_DSN])
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE postback_keys IN SHARE MODE")  # the last that an apply writes
            program = "from ringpost.cli import main; main()"
            process = subprocess.Popen(  # noqa: ASYNC220 - a child that is killed at once
                [sys.executable, "-c", program, "apply", str(path)],
                env={"PATH": os.environ["PATH"], **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while not await blocker.fetchval(waiting):
                assert process.poll() is None, process.communicate()
                await give_way()
            process.send_signal(signal.SIGKILL)
            process.communicate()
        await blocker.close()

    run_apart(kill_while_it_waits())
    for table in ("companies", "buyers", "postback_keys", "hot_sync", "audit_log", "config_changes"):
        assert count(environment[POSTGRES_DSN], table) == 0
    assert apply_file(path, environment).changed
