"""Where an engine lives: what is run, in which folder, by whom.

Owns the ways around folders that root alone may enter. Must never open such a folder up.
"""

import hashlib
import shutil
from pathlib import Path

from msgspec import Struct

from deploy.local.identity import Identity
from deploy.local.installs import Install

FOR_ALL = Path("/var/lib/ringpost")


class Place(Struct, frozen=True, kw_only=True):
    """An installation, the folder of its data, and the user that runs it."""

    install: Install
    folder: Path
    identity: Identity


def engine_folder(home: Path, identity: Identity, *, otherwise: Path = FOR_ALL) -> Path:
    """The folder for a home's engines; elsewhere, with a link, when their user cannot reach the home."""
    folder = home / "engines"
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    if identity.may_enter(folder):
        return folder
    elsewhere = otherwise / hashlib.sha256(str(home).encode()).hexdigest()[:12]
    elsewhere.mkdir(mode=0o711, parents=True, exist_ok=True)
    link = folder / "elsewhere"
    link.unlink(missing_ok=True)
    link.symlink_to(elsewhere)
    return elsewhere


def place_engine(install: Install, folder: Path, *, identity: Identity) -> Place:
    """Put an engine into a folder, with a copy of its installation when its user cannot reach it."""
    if not identity.may_enter(install.server.parent):
        install = _copied(install, folder.with_name(f"{install.tree.name}-{install.version}"))
    return Place(install=install, folder=folder, identity=identity)


def _copied(install: Install, to: Path) -> Install:
    tree = to / install.tree.name
    if not tree.exists():
        whole = to.with_name(to.name + ".new")
        shutil.rmtree(whole, ignore_errors=True)
        for part in (install.tree, install.tree.with_name(install.tree.name + ".libs")):
            if part.exists():
                shutil.copytree(part, whole / part.name, symlinks=True)
        shutil.rmtree(to, ignore_errors=True)
        whole.rename(to)
    return Install(
        server=tree / install.server.relative_to(install.tree),
        version=install.version,
        tree=tree,
        embedded=install.embedded,
    )
