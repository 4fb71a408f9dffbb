"""One engine as a process: started under its user, tied to us, stopped the way it likes.

Owns the process and its log file. Must never know what the engine is.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.local.identity import Identity
from deploy.local.tied import tied_to_parent
from shared.errors import OperatorError

_POLL_S = 0.01
_STOP_WITHIN_S = 10


class EngineProcess:
    """A process that can be started again. stop_with: the signal for a clean end."""

    def __init__(self, name: str, folder: Path, *, identity: Identity, stop_with: signal.Signals) -> None:
        self.name = name
        self.folder = folder
        self.identity = identity
        self._stop_with = stop_with
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running process; 0 when there is none."""
        return self._process.pid if self.is_running() and self._process else 0

    def is_running(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def spawn(self, arguments: Sequence[str | Path], libraries: str = "") -> None:
        """Start it; its log begins anew."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                arguments,
                cwd=self.folder,
                env=engine_environment(libraries),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops engines last
                preexec_fn=tied_to_parent(self._stop_with),  # noqa: PLW1509 - one ctypes call, no locks
                user=self.identity.user,
                group=self.identity.group,
                extra_groups=self.identity.groups,
            )

    def wait_until(self, ready: Callable[[], bool], *, within_s: float) -> bool:
        """Wait for readiness; False when the process ended first.

        Errors: OperatorError when it is neither ready nor ended in time.
        """
        deadline = time.monotonic() + within_s
        while self.is_running():
            if ready():
                return True
            if time.monotonic() > deadline:
                raise OperatorError(f"{self.name} is not ready after {within_s:.0f} s: {self.last_words()}")
            time.sleep(_POLL_S)
        return False

    def stop(self) -> None:
        """End it cleanly; kill it when that takes too long."""
        self._end(self._stop_with)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def last_words(self) -> str:
        """The end of its log, in one line."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return " | ".join(lines[-3:]) or "none"

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            try:
                self._process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._process = None


def engine_environment(libraries: str) -> dict[str, str]:
    """What an engine sees of our environment: nothing but the way to its libraries."""
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return environment | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
