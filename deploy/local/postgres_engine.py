"""A local Postgres: one cluster in one folder, made once, started and stopped with us.

Owns its settings and its folder. Must never touch a Postgres that it did not start.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

from deploy.local.engine_process import EngineProcess, engine_environment
from deploy.local.place import Place
from shared.errors import OperatorError

USER = DATABASE = "ringpost"
_READY_WITHIN_S = 30
_PREDECESSOR_GONE_WITHIN_S = 10
_RETRY_AFTER_S = 0.1
_STATUS_LINE = 7  # of postmaster.pid
_INITDB_OPTIONS = (
    *("--auth", "scram-sha-256"),
    *("--encoding", "UTF8", "--locale", "C.UTF-8"),
    *("--no-instructions", "--no-sync"),
)
_THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that a crash leaves nothing elsewhere
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}


class PostgresEngine:
    """One cluster on a port of the loopback interface. durable: whether commits survive a power cut."""

    def __init__(self, place: Place, *, port: int, password: str, durable: bool = True) -> None:
        self._install = place.install
        self._process = EngineProcess(
            "Postgres", place.folder, identity=place.identity, stop_with=signal.SIGINT
        )
        self._password = password
        self._durable = durable
        self._data = place.folder / "data"
        self.port = port

    @property
    def dsn(self) -> str:
        """The address of the ringpost database."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def process(self) -> EngineProcess:
        """The server's process."""
        return self._process

    def exists(self) -> bool:
        """Whether the cluster has been made."""
        return (self._data / "PG_VERSION").exists()

    def start(self) -> None:
        """Start and wait until it takes connections. A crashed predecessor's backends are waited out.

        Errors: OperatorError with the server's last words.
        """
        self.prepare()
        deadline = time.monotonic() + _PREDECESSOR_GONE_WITHIN_S
        while time.monotonic() < deadline:
            self.spawn()
            if self._process.wait_until(self.is_ready, within_s=_READY_WITHIN_S):
                return
            time.sleep(_RETRY_AFTER_S)
        raise OperatorError(f"Postgres does not start: {self._process.last_words()}")

    def prepare(self) -> None:
        """Make the cluster if there is none yet."""
        self._process.identity.own(self._process.folder)
        if not self.exists():
            self._make_cluster()
        made_by = (self._data / "PG_VERSION").read_text().strip()
        if made_by != str(self._install.version):
            raise OperatorError(f"{self._data} is of Postgres {made_by}; found is {self._install.version}")

    def spawn(self) -> None:
        """Start without waiting."""
        settings = _SETTINGS | {"port": str(self.port)} | ({} if self._durable else _THROW_AWAY)
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        self._process.spawn([self._install.server, "-D", self._data, *options], self._install.libraries)

    def is_ready(self) -> bool:
        """Whether the server says in its own status file that it takes connections."""
        status = self._data / "postmaster.pid"
        lines = status.read_text().splitlines() if status.exists() else []
        if len(lines) <= _STATUS_LINE or lines[0] != str(self._process.pid):
            return False
        return lines[_STATUS_LINE].strip() == "ready"

    def stop(self) -> None:
        """End it cleanly, open sessions or not."""
        self._process.stop()

    def _make_cluster(self) -> None:
        folder = self._data.with_name(
            "data.new"
        )  # renamed when whole: a start that was cut off leaves nothing
        shutil.rmtree(folder, ignore_errors=True)
        secret = self._process.folder / "password"
        self._process.identity.own_file(secret, self._password)
        initdb = str(self._install.beside("initdb"))
        self._run_once(
            [initdb, f"--pgdata={folder}", f"--pwfile={secret}", f"--username={USER}", *_INITDB_OPTIONS]
        )
        secret.unlink()
        single = [str(self._install.server), "--single", "-D", str(folder), "postgres"]
        self._run_once(single, statement=f"CREATE DATABASE {DATABASE}\n")
        folder.rename(self._data)

    def _run_once(self, arguments: Sequence[str], statement: str = "") -> None:
        answer = subprocess.run(
            arguments,
            cwd=self._process.folder,
            env=engine_environment(self._install.libraries),
            input=statement.encode(),
            capture_output=True,
            check=False,
            user=self._process.identity.user,
            group=self._process.identity.group,
            extra_groups=self._process.identity.groups,
        )
        if answer.returncode != 0:
            reason = answer.stderr.decode(errors="replace").strip()
            raise OperatorError(f"Postgres cannot be set up: {reason}")
