"""Throw-away Postgres and Redis for tests, on free ports, and databases cloned from a migrated template.

Owns what it starts and ends nothing else. Engines are plain processes: no event loop is involved.
"""

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from deploy.local.engine_process import engine_environment
from deploy.local.identity import engine_identity
from deploy.local.installs import find_postgres, find_redis
from deploy.local.paths import MIGRATIONS
from deploy.local.place import place_engine
from deploy.local.ports import free_port
from deploy.local.postgres_engine import PostgresEngine
from deploy.local.redis_engine import RedisEngine
from shared.stores.schema import prepare

_CHOICE = os.environ.get("RINGPOST_ENGINES", "")
_PREFIX = "ringpost-test-"
_PASSWORD = "throw-away"
_TEMPLATE = "template_migrated"
_MEMORY_DISK = Path("/dev/shm")
_PLENTY_BYTES = 4 << 30
_numbers = count(1)
_session_folder = ExitStack()
atexit.register(_session_folder.close)


class Engine:
    """One running engine that a test may hurt. `url` (DSN or Redis URL) stays the same over restarts."""

    def __init__(self, server: PostgresEngine | RedisEngine) -> None:
        self._server = server
        self.port = server.port
        self.url = server.dsn if isinstance(server, PostgresEngine) else server.url

    def start(self) -> None:
        """Start it again where it was; returns when it is ready."""
        self._server.start()

    def stop(self) -> None:
        """End it cleanly."""
        self.resume()
        self._server.stop()

    def kill9(self) -> None:
        """Crash it, backends and all."""
        self.resume()
        family = self._family()
        self._server.process.kill()
        psutil.wait_procs(family, timeout=10)

    def restart(self) -> None:
        """Stop cleanly and start again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """It hangs: connections stay, nothing answers."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """It goes on where it hung."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):  # a backend may end between the look and the signal
                process.resume()

    def _family(self) -> list[psutil.Process]:
        if not self._server.process.is_running():
            return []
        parent = psutil.Process(self._server.process.pid)
        return [parent, *parent.children(recursive=True)]


def _quick_disk() -> str | None:
    """Memory when there is plenty of it, else the usual place."""
    usable = _MEMORY_DISK.is_dir() and os.access(_MEMORY_DISK, os.W_OK)
    plenty = usable and shutil.disk_usage(_MEMORY_DISK).free > _PLENTY_BYTES
    return str(_MEMORY_DISK) if plenty else None


@cache
def _sweep() -> None:
    """Remove what killed sessions left, once a session."""
    for place in {_quick_disk() or tempfile.gettempdir(), tempfile.gettempdir()}:
        for folder in Path(place).glob(f"{_PREFIX}*-*"):
            owner = folder.name.removeprefix(_PREFIX).split("-")[0]
            if owner.isdigit() and not psutil.pid_exists(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def throw_away_folder(*, on_disk: bool = False) -> Iterator[Path]:
    """A folder that engines' users can reach, unlike pytest's own; removed at the end.

    Shape: on_disk: where temporary files are, even when there is plenty of memory.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=None if on_disk else _quick_disk()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _cluster() -> Path:
    """A cluster that was made but never started: copying it is much quicker than making one."""
    folder = Path(_session_folder.enter_context(throw_away_folder()))
    place = place_engine(find_postgres(_CHOICE), folder / "postgres", identity=engine_identity())
    PostgresEngine(place, port=0, password=_PASSWORD, durable=False).prepare()
    return place.folder


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Engine]:
    """A fresh cluster with the empty database `ringpost`. durable: as one that is kept, each commit on its disk."""
    with throw_away_folder(on_disk=durable) as folder:
        place = place_engine(find_postgres(_CHOICE), folder / "postgres", identity=engine_identity())
        subprocess.run(["cp", "-a", _cluster(), place.folder], check=True)
        engine = Engine(PostgresEngine(place, port=free_port(), password=_PASSWORD, durable=durable))
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()


@contextmanager
def running_redis() -> Iterator[Engine]:
    """A fresh, empty Redis."""
    with throw_away_folder() as folder:
        place = place_engine(find_redis(_CHOICE), folder / "redis", identity=engine_identity())
        engine = Engine(RedisEngine(place, port=free_port(), password=_PASSWORD))
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()


def beside_postgres(name: str) -> tuple[Path, Mapping[str, str]]:
    """Another program of the installation that Postgres runs from, and the environment in which it finds its libraries."""
    install = find_postgres(_CHOICE)
    return install.beside(name), engine_environment(install.libraries)


def empty_redis(url: str) -> None:
    """Forget everything in that Redis."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as line:
        line.sendall(f"AUTH {address.password}\r\nFLUSHALL SYNC\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += line.recv(256)
    assert answer == b"+OK\r\n+OK\r\n", answer


def make_template(dsn: str) -> None:
    """Make the migrated database that fresh ones are cloned from, with the partitions of these days."""
    run_apart(_execute(dsn, f"CREATE DATABASE {_TEMPLATE}"))
    run_apart(prepare(with_database(dsn, _TEMPLATE), MIGRATIONS))


@contextmanager
def fresh_database_of(dsn: str, template: str = _TEMPLATE) -> Iterator[str]:
    """The DSN of a new database, dropped at the end. template: `template0` for an empty one."""
    name = f"fresh_{os.getpid()}_{next(_numbers)}"
    run_apart(_execute(dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield with_database(dsn, name)
    finally:
        run_apart(_execute(dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


def run_apart(work: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine to its end on a loop of its own, whatever loop the test has."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
