"""How big the code is, and how its rooms hang together, for the test of the budgets.

Owns the measuring, by syntax tree and import graph. Must never import the code that it measures.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import quantiles

import grimp
from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
CODE = ("shared", "services", "deploy", "ringpost", "loadtests")
_PURE_ROOMS = {"rules", "wire", "buyer_wire"}
_ROOM_DEPTH = {"services": 3, "shared": 2, "deploy": 2, "ringpost": 1, "loadtests": 1}
_LOGS_ROOM = {"logs", "log_lines", "redaction"}
_SERVER_ROOM = ("http_", "ops", "pulse", "server", "service_run", "sockets")


class Function(Struct, frozen=True, kw_only=True):
    """One function: where it stands, how long it is, and how it is called."""

    place: str
    lines: int
    parameters: int
    positional: int


class Module(Struct, frozen=True, kw_only=True):
    """One file of code. Shape: path is relative to the repository."""

    path: str
    text: str

    @property
    def lines(self) -> int:
        """All lines, empty ones and comments too."""
        return self.text.count("\n")

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def is_pure(self) -> bool:
        """Whether it belongs to a room that may touch nothing outside."""
        parts = Path(self.path).with_suffix("").parts
        has_rooms = parts[0] == "services" or parts[:2] == ("shared", "pinging")
        in_room = has_rooms and len(parts) > 2 and parts[2] in _PURE_ROOMS
        return in_room or parts[:2] == ("shared", "domain")


@cache
def modules(folders: tuple[str, ...] = CODE) -> tuple[Module, ...]:
    """Every Python file below those folders."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(Module(path=str(path.relative_to(ROOT)), text=path.read_text()) for path in paths)


@cache
def functions() -> tuple[Function, ...]:
    """Every function and method of the code, inner ones too."""
    return tuple(function for module in modules() for function in _functions_of(module))


def _functions_of(module: Module) -> Iterator[Function]:
    tree = module.tree
    methods = {id(each) for owner in ast.walk(tree) if isinstance(owner, ast.ClassDef) for each in owner.body}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            positional = len(arguments.posonlyargs) + len(arguments.args)
            is_bound = id(node) in methods and not _is_static(node)
            called_by_python = node.name.startswith("__") and node.name not in {"__init__", "__call__"}
            yield Function(
                place=f"{module.path}:{node.lineno} {node.name}",
                lines=(node.end_lineno or node.lineno) - node.lineno + 1,
                parameters=positional + len(arguments.kwonlyargs) - is_bound,
                positional=0 if called_by_python else positional - is_bound,
            )


def _is_static(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list)


def ninth_tenth(numbers: list[int]) -> float:
    """What nine of ten stay below or reach."""
    return quantiles(numbers, n=10, method="inclusive")[8]


def imported_names(module: Module) -> set[str]:
    """The top-level packages that a file imports, for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@cache
def import_graph() -> dict[str, frozenset[str]]:
    """Module -> the modules of ours that it imports."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(*CODE)
    return {name: frozenset(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


@cache
def room_graph() -> dict[str, frozenset[str]]:
    """Room -> the rooms that it imports; a folder is one room, and so are the HTTP server's files, and those of logs."""
    rooms: dict[str, set[str]] = {}
    for module, imported in import_graph().items():
        rooms.setdefault(_room(module), set()).update(map(_room, imported))
    return {room: frozenset(others - {room}) for room, others in rooms.items()}


def _room(module: str) -> str:
    parts = module.split(".")
    if parts[:2] == ["shared", "pinging"]:  # a house of its own
        return ".".join(parts[:3])
    parts = parts[: _ROOM_DEPTH[parts[0]]]
    if parts[0] == "shared" and len(parts) == 2 and parts[1].startswith(_SERVER_ROOM):
        return "shared.server"
    if parts[0] == "shared" and parts[-1] in _LOGS_ROOM:
        return "shared.logs"
    return ".".join(parts)


def longest_chain(graph: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """The longest way down through the imports. Errors: AssertionError naming a cycle."""
    chains: dict[str, tuple[str, ...]] = {}

    def chain_from(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
        assert name not in above, f"import cycle: {' -> '.join((*above[above.index(name) :], name))}"
        if name not in chains:
            below = (chain_from(each, (*above, name)) for each in sorted(graph[name]))
            chains[name] = (name, *max(below, key=len, default=()))
        return chains[name]

    return max((chain_from(name, ()) for name in sorted(graph)), key=len)
