"""Who runs an engine: ourselves, or an unprivileged user when we are root (Postgres refuses root).

Owns the choice of that user and what it may reach. Must never add users or open up existing folders.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from msgspec import Struct

from shared.errors import OperatorError

_CANDIDATES = ("postgres", "nobody")


class Identity(Struct, frozen=True, kw_only=True):
    """A user and its group, by number; None: our own."""

    user: int | None = None
    group: int | None = None

    @property
    def groups(self) -> tuple[int, ...] | None:
        """Its further groups: none, unless it is us."""
        return None if self.user is None else ()

    def may_enter(self, folder: Path) -> bool:
        """Whether every folder on the way down to this one lets the user through."""
        return self.user is None or all(self._may_pass(step) for step in (folder, *folder.parents))

    def own(self, folder: Path) -> None:
        """Make the folder, for this user alone."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._chown(folder)

    def own_file(self, path: Path, text: str) -> None:
        """Write a file that only this user reads."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        self._chown(path)

    def _chown(self, path: Path) -> None:
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)

    def _may_pass(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.user:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.group:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def engine_identity() -> Identity:
    """The user that runs the engines. Errors: OperatorError when we are root and there is nobody else."""
    if os.geteuid() != 0:
        return Identity()
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
            grp.getgrgid(entry.pw_gid)
        except KeyError:
            continue
        return Identity(user=entry.pw_uid, group=entry.pw_gid)
    raise OperatorError(f"Postgres does not run as root, and there is no user {' or '.join(_CANDIDATES)}")
