"""The engines of a local cluster: those that are configured, else ones of its own.

Owns which of the two it is, and keeps its own ones running. Must never start what is configured already.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from deploy.local.cluster_file import POSTGRES_DSN, REDIS_URL, Cluster
from deploy.local.identity import engine_identity
from deploy.local.installs import Install, find_postgres, find_redis
from deploy.local.place import Place, engine_folder, place_engine
from deploy.local.ports import free_port
from deploy.local.postgres_engine import PostgresEngine
from deploy.local.redis_engine import RedisEngine

_FIRST_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 10.0
_POSTGRES_PORT = 15432
_REDIS_PORT = 16379
CHOICE = "RINGPOST_ENGINES"


class Engines:
    """Starts what is missing, in one folder. say: where progress is told; now_s: a steady clock."""

    def __init__(
        self,
        home: Path,
        environ: Mapping[str, str],
        *,
        say: Callable[[str], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._environ = environ
        self._say = say
        self._now_s = now_s
        self._own: list[PostgresEngine | RedisEngine] = []
        self._pauses: dict[str, tuple[float, float]] = {}  # by engine: until when, and how long it was

    def start(self, cluster: Cluster) -> Cluster:
        """Start what is not configured; the cluster with all ports and addresses is returned.

        Errors: OperatorError when an engine is neither configured nor to be had.
        """
        started_s = self._now_s()
        if given := self._environ.get(POSTGRES_DSN):
            cluster = _with_address(cluster, POSTGRES_DSN, address=given)
        elif not self._environ.get(f"{POSTGRES_DSN}_FILE"):
            cluster = self._start_postgres(cluster)
        if given := self._environ.get(REDIS_URL):
            cluster = _with_address(cluster, REDIS_URL, address=given)
        elif not self._environ.get(f"{REDIS_URL}_FILE"):
            cluster = self._start_redis(cluster)
        if self._own:
            self._say(f"engines are ready after {self._now_s() - started_s:.1f} s")
        return cluster

    def stop(self) -> None:
        """Stop our own ones."""
        for engine in reversed(self._own):
            engine.stop()

    def revive(self) -> None:
        """Start again what has died, later each time unless it had lived. Cost: one look at each process."""
        now_s = self._now_s()
        for engine in self._own:
            name = engine.process.name
            until_s, pause_s = self._pauses.get(name, (now_s, 0.0))
            if engine.process.is_running() or now_s < until_s:
                continue
            if now_s - until_s > _LONGEST_PAUSE_S:
                pause_s = 0.0
            pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
            self._pauses[name] = now_s + pause_s, pause_s
            self._say(f"{name} has died; starting it again")
            engine.spawn()

    def _start_postgres(self, cluster: Cluster) -> Cluster:
        install = find_postgres(self._environ.get(CHOICE, ""))
        port = free_port(cluster.postgres_port or _POSTGRES_PORT)
        engine = PostgresEngine(
            self._place(install, "postgres"), port=port, password=cluster.postgres_password
        )
        if not engine.exists():
            self._say("making a new Postgres cluster")
        self._start(engine, install)
        return _with_address(replace(cluster, postgres_port=port), POSTGRES_DSN, address=engine.dsn)

    def _start_redis(self, cluster: Cluster) -> Cluster:
        install = find_redis(self._environ.get(CHOICE, ""))
        port = free_port(cluster.redis_port or _REDIS_PORT)
        engine = RedisEngine(self._place(install, "redis"), port=port, password=cluster.redis_password)
        self._start(engine, install)
        return _with_address(replace(cluster, redis_port=port), REDIS_URL, address=engine.url)

    def _start(self, engine: PostgresEngine | RedisEngine, install: Install) -> None:
        origin = "embedded" if install.embedded else "system"
        self._say(f"starting {install.server.name} {install.version} ({origin}) on port {engine.port}")
        self._own.append(engine)
        engine.start()

    def _place(self, install: Install, name: str) -> Place:
        identity = engine_identity()
        return place_engine(install, engine_folder(self._home, identity) / name, identity=identity)


def _with_address(cluster: Cluster, name: str, *, address: str) -> Cluster:
    return replace(cluster, settings={**cluster.settings, name: address})
