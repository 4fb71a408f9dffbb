"""A local Redis or Valkey: one append-only store in one folder.

Owns its settings and its folder. Must never touch a Redis that it did not start.
"""

import signal
import socket

from deploy.local.engine_process import EngineProcess
from deploy.local.place import Place
from shared.errors import OperatorError

_READY_WITHIN_S = 30
_ANSWER_WITHIN_S = 0.5
_SETTINGS = """\
bind 127.0.0.1
port {port}
dir {folder}
requirepass {password}
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
daemonize no
"""


class RedisEngine:
    """One server on a port of the loopback interface."""

    def __init__(self, place: Place, *, port: int, password: str) -> None:
        self._install = place.install
        self._process = EngineProcess(
            "Redis", place.folder, identity=place.identity, stop_with=signal.SIGTERM
        )
        self._password = password
        self.port = port

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def process(self) -> EngineProcess:
        """The server's process."""
        return self._process

    def start(self) -> None:
        """Start and wait until it has loaded its data. Errors: OperatorError with the server's last words."""
        self.prepare()
        self.spawn()
        if not self._process.wait_until(self.is_ready, within_s=_READY_WITHIN_S):
            raise OperatorError(f"Redis does not start: {self._process.last_words()}")

    def prepare(self) -> None:
        """Write its settings."""
        folder = self._process.folder
        self._process.identity.own(folder)
        settings = _SETTINGS.format(port=self.port, folder=folder, password=self._password)
        self._process.identity.own_file(folder / "redis.conf", settings)

    def spawn(self) -> None:
        """Start without waiting."""
        self._process.spawn([self._install.server, self._process.folder / "redis.conf"])

    def is_ready(self) -> bool:
        """Whether it answers, and not only that it is still loading."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=_ANSWER_WITHIN_S) as line:
                line.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := line.recv(256)):
                    answer += part
        except OSError:
            return False
        return b"+PONG" in answer

    def stop(self) -> None:
        """End it cleanly; what it holds is on disk."""
        self._process.stop()
