"""The budgets of the house: sizes, parameters, arrows, purity, and what must stand in no file."""

import ast
import re
from statistics import median

import pytest

from tests.support.measures import (
    CODE,
    ROOT,
    functions,
    import_graph,
    imported_names,
    longest_chain,
    modules,
    ninth_tenth,
    room_graph,
)

_IMPURE = {
    *("aiohttp", "asyncio", "asyncpg", "logging", "os", "prometheus_client", "random", "redis", "secrets"),
    *("socket", "structlog", "time", "uuid", "uvloop"),
}
_BANNED_NAMES = {"utils", "helpers", "common", "base", "manager", "misc"}
_REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted",
    "npm" + "js.",
    "golang" + ".org",
    "crates" + ".io",
    "debian" + ".org",
)
_TEXT = {".cfg", ".json", ".md", ".py", ".sh", ".sql", ".toml", ".txt", ".yaml", ".yml", ".lua", ""}
_NOT_OURS = {".git", ".venv", ".ringpost", "node_modules", "build", "dist"}
_SERVICE_LINES = 1500  # ADR 0021


def test_modules_are_short() -> None:
    sizes = [module.lines for module in modules() if module.lines]
    assert median(sizes) <= 120
    assert ninth_tenth(sizes) <= 220
    assert [f"{module.path}: {module.lines}" for module in modules() if module.lines > 300] == []


def test_functions_are_short() -> None:
    sizes = [function.lines for function in functions()]
    assert median(sizes) <= 8
    assert ninth_tenth(sizes) <= 25
    assert [f"{function.place}: {function.lines}" for function in functions() if function.lines > 50] == []


def test_parameters_are_few_and_named_after_the_second() -> None:
    assert [function.place for function in functions() if function.parameters > 6] == []
    assert [function.place for function in functions() if function.positional > 2] == []


def test_imports_have_no_cycle_and_rooms_are_at_most_eight_deep() -> None:
    longest_chain(import_graph())
    chain = longest_chain(room_graph())
    assert len(chain) <= 8, " -> ".join(chain)


@pytest.mark.parametrize(
    "service", [path.name for path in sorted((ROOT / "services").iterdir()) if path.is_dir()]
)
def test_a_service_is_small(service: str) -> None:
    own = [module for module in modules() if module.path.startswith(f"services/{service}/")]
    if service == "console":
        assert [module.path for module in own if module.lines > 250] == []
    else:
        assert sum(module.lines for module in own) <= _SERVICE_LINES


def test_tests_are_neither_few_nor_a_burden() -> None:
    cases = sum(path.read_text().count("\n") for path in (ROOT / "tests").rglob("exemplary/**/*.json"))
    tests = sum(module.lines for module in modules(("tests",))) + cases  # an exemplary case is a test
    ratio = tests / sum(module.lines for module in modules())
    assert 1.3 <= ratio <= 1.9, ratio


def test_pure_rooms_neither_wait_nor_reach_outside() -> None:
    pure = [module for module in modules() if module.is_pure]
    assert pure
    assert {module.path: found for module in pure if (found := imported_names(module) & _IMPURE)} == {}
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert [
        module.path for module in pure if any(isinstance(node, waits) for node in ast.walk(module.tree))
    ] == []


def test_only_the_server_catches_everything() -> None:
    catching = {module.path for module in modules() if any(map(_catches_everything, ast.walk(module.tree)))}
    assert catching <= {"shared/server.py"}


def _catches_everything(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(each is None or (isinstance(each, ast.Name) and each.id == "Exception") for each in caught)


def test_names_say_something() -> None:
    parts = {part for module in modules() for part in module.path.removesuffix(".py").split("/")}
    assert parts & _BANNED_NAMES == set()


def test_no_file_names_a_registry() -> None:
    files = [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not _NOT_OURS & set(path.relative_to(ROOT).parts)
    ]
    texts = {path: path.read_text(errors="replace") for path in files if path.suffix in _TEXT}
    assert [str(path) for path, text in texts.items() if any(name in text for name in _REGISTRIES)] == []


def test_the_lock_is_pinned_by_hash_and_nothing_else() -> None:
    text = (ROOT / "requirements" / "lock.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pinned = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; .+)? \\")
    hashed = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not pinned.fullmatch(line) and not hashed.fullmatch(line)] == []


def test_make_targets_are_few_and_one_line_each() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [line for line in lines if re.match(r"[a-z][a-z-]*:", line)]
    assert 0 < len(targets) <= 14
    assert [line for line in lines if line.startswith("\t") or line.endswith("\\")] == []
    assert all(" ## " in line for line in targets)


def test_a_changelog_is_kept() -> None:
    assert "# Changelog" in (ROOT / "CHANGELOG.md").read_text()


def test_every_folder_of_code_is_measured() -> None:
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert folders == {*CODE, "tests"}
