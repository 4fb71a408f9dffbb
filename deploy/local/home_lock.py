"""One cluster at a time in one home.

Owns RINGPOST_HOME/lock. Must never be broken by hand: the kernel frees it when its holder ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import OperatorError


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the home. Errors: OperatorError when a running cluster does."""
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise OperatorError(f"Ringpost already runs in {home} (process {holder})") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
