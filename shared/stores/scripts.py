"""Lua scripts as values.

Owns how a script file becomes something that can be run. Must never talk to Redis.
"""

import hashlib
from pathlib import Path

from msgspec import Struct
from msgspec.structs import force_setattr


class Script(Struct, frozen=True):
    """One atomic operation on one shard.

    Shape: sha is the SHA-1 of the source in hex, by which Redis knows the script.
    """

    name: str
    source: str
    sha: str = ""

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        force_setattr(self, "sha", digest)


def load_script(package_file: str, name: str) -> Script:
    """The script `<name>.lua` that lies beside a module; pass the module's `__file__`."""
    return Script(name, Path(package_file).with_name(f"{name}.lua").read_text(encoding="utf-8"))
