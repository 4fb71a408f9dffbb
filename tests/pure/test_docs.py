"""The documentation says what the code does: settings, metrics, log lines, commands, links."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import decode, encode
from msgspec.structs import fields

from deploy.local.handover import LAUNCHER_SETTINGS, OPERATOR_SETTINGS
from ringpost.cli import COMMANDS
from ringpost.configuration_page import CommandSettings, configuration_page
from shared import metrics
from shared.log_lines import RequestLine
from shared.settings import describe
from shared.tallies import Level, Tally, Timing
from tests.support.measures import ROOT, modules

PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("loadtests/**/*.md"))
    if path.is_file()
)
METRICS_PAGE = ROOT / "docs" / "metrics-and-logs.md"
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
UNCOUNTED = "*Nothing counts it yet.*"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|`|bin/)ringpost ([a-z-]+)", re.MULTILINE)
_TARGET = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)
_SETTING = re.compile(r"\bRINGPOST_[A-Z_]+\b")

Metric = Tally | Timing | Level
Row = tuple[str, ...]


def test_the_configuration_page_is_what_the_structs_say() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == configuration_page(), (
        "run: ringpost check-config --document > docs/configuration.md"
    )


def test_what_commands_read_is_documented() -> None:
    documented = {row.name for row in describe(CommandSettings)}
    assert documented == LAUNCHER_SETTINGS | OPERATOR_SETTINGS


def test_settings_that_pages_name_exist() -> None:
    known = set(_SETTING.findall(configuration_page()))
    named = {(page.name, name) for page in PAGES for name in _SETTING.findall(page.read_text())}
    assert {(page, name) for page, name in named if name.removesuffix("_FILE") not in known} == set()


def test_every_metric_has_its_row() -> None:
    rows = {row[0].strip("`"): row for row in _table("metric")}
    wanted = {_exposed(metric): metric for metric in _metrics().values()}
    assert rows.keys() == wanted.keys()
    for name, metric in wanted.items():
        inner = _inner(metric)
        _, kind, labels, meaning = rows[name]
        assert (kind, labels) == (inner._type, ", ".join(f"`{label}`" for label in inner._labelnames)), name
        assert meaning.startswith(inner._documentation), name


def test_metrics_that_nothing_counts_are_marked() -> None:
    texts = [module.text for module in modules(("shared", "services")) if module.path != "shared/metrics.py"]
    uncounted = {
        _exposed(metric)
        for constant, metric in _metrics().items()
        if constant not in {"REQUESTS", "REQUEST_SECONDS"}  # through request_meter()
        and not any(re.search(rf"\b{constant}\b", text) for text in texts)
    }
    assert {row[0].strip("`") for row in _table("metric") if UNCOUNTED in row[3]} == uncounted


def test_request_lines_have_the_documented_fields() -> None:
    named = {field.encode_name for field in fields(RequestLine)}
    example = re.search(r'^\{"event":"request".*$', METRICS_PAGE.read_text(), re.MULTILINE)
    assert example is not None
    line = decode(example[0], type=RequestLine)
    assert encode(line).decode() == example[0]
    assert {row[0].strip("`") for row in _table("field")} == named | {"event"}


def test_every_other_log_event_is_documented() -> None:
    rows = {row[0].strip("`"): row[1] for row in _table("event")}
    assert rows == dict(_log_events())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    for link in _LINK.findall(_FENCED.sub("", page.read_text())):
        assert "://" not in link, "the documentation stands by itself"
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert ROOT in (target, *target.parents), link
        if anchor:
            assert anchor in set(map(_slug, _HEADING.findall(target.read_text()))), link


def test_commands_and_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page in PAGES:
        text = page.read_text()
        assert set(_COMMAND.findall(text)) <= COMMANDS.keys(), page.name
        assert set(_TARGET.findall(text)) <= targets, page.name


def test_every_command_is_documented() -> None:
    named = {command for page in PAGES for command in _COMMAND.findall(page.read_text())}
    assert named == COMMANDS.keys()


def test_decisions_are_numbered_and_of_one_form() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04d}" for n in range(1, len(DECISIONS) + 1)]
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for path in DECISIONS:
        text = path.read_text()
        title = text.partition("\n")[0].removeprefix(f"# {path.name[:4]} ")
        assert f"| {path.name[:4]} | [{title}]({path.name}) |" in index
        sections = [heading.partition(",")[0] for heading in _HEADING.findall(text)[1:]]
        assert sections == ["Context", "Decision", "Consequences", "Alternatives"], path.name
        assert text.count("\n") <= 60, "a page"


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text().count("\n") <= 150


def _metrics() -> dict[str, Metric]:
    return {name: each for name, each in vars(metrics).items() if isinstance(each, Metric)}


def _inner(metric: Metric) -> Any:
    return getattr(metric, {Tally: "_counter", Timing: "_histogram", Level: "_gauge"}[type(metric)])


def _exposed(metric: Metric) -> str:
    return str(_inner(metric)._name) + ("_total" if isinstance(metric, Tally) else "")


def _table(first_column: str) -> list[Row]:
    """The rows of all tables of the page whose first column is called so."""
    rows: list[Row] = []
    inside = False
    for line in METRICS_PAGE.read_text().splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_column:
            inside = True
        elif inside and set(cells[0]) != {"-"}:
            rows.append(cells)
    return rows


def _log_events() -> Iterator[tuple[str, str]]:
    """Every event of ordinary lines, with its level: calls of the module's own logger."""
    for module in modules(("shared", "services")):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                logger, name = node.func.value, node.args[0]
                if isinstance(logger, ast.Name) and logger.id == "_LOG":
                    assert isinstance(name, ast.Constant), f"{module.path}: an event's name is a constant"
                    yield str(name.value), node.func.attr


def _slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
