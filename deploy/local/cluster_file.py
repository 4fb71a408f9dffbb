"""The file that makes a local cluster known to every command: addresses, ports and the secrets made for it.

Owns RINGPOST_HOME/cluster.json. Must never be readable by others, nor replace a secret that it has made.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.errors import OperatorError

HOME = "RINGPOST_HOME"
POSTGRES_DSN = "RINGPOST_POSTGRES_DSN"
REDIS_URL = "RINGPOST_REDIS_URL"
PEPPER = "RINGPOST_PEPPER"
KEY_ENCRYPTION_KEY = "RINGPOST_KEY_ENCRYPTION_KEY"
SWITCH_ENCRYPTION_KEY = "RINGPOST_SWITCH_ENCRYPTION_KEY"
_DEFAULT_HOME = ".ringpost"
_FILE_SUFFIX = "_FILE"


class Cluster(Struct, frozen=True, kw_only=True):
    """What a local cluster keeps over restarts.

    Shape: settings are RINGPOST_* names and values; an engine's port is 0 until it is first started.
    """

    settings: dict[str, str]
    postgres_password: str
    redis_password: str
    postgres_port: int = 0
    redis_port: int = 0
    port_offset: int = 0


_ENCODE = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder(Cluster)


def home_of(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the local data."""
    return Path(environ.get(HOME) or _DEFAULT_HOME).absolute()


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What every command reads its settings from: the environment, then what the local cluster adds."""
    cluster = read_cluster(home_of(environ))
    return {**environ} if cluster is None else with_settings(environ, cluster.settings)


def with_settings(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The environment, and those settings that it gives neither by value nor as a file."""
    added = {
        name: value
        for name, value in settings.items()
        if not environ.get(name) and not environ.get(name + _FILE_SUFFIX)
    }
    return {**environ, **added}


def read_cluster(home: Path) -> Cluster | None:
    """The cluster of that home; None before its first start. Errors: OperatorError on a damaged file."""
    try:
        return _DECODER.decode((home / "cluster.json").read_bytes())
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, PermissionError):
        raise OperatorError(f"{home / 'cluster.json'} cannot be read") from None


def new_cluster() -> Cluster:
    """A cluster with secrets of its own."""
    return with_secrets(
        Cluster(settings={}, postgres_password=secrets.token_hex(16), redis_password=secrets.token_hex(16))
    )


def with_secrets(cluster: Cluster) -> Cluster:
    """The cluster with a secret for each setting that needs one; those that it has stay, as they have sealed things."""
    made = {
        PEPPER: secrets.token_urlsafe(32),
        KEY_ENCRYPTION_KEY: base64.b64encode(secrets.token_bytes(32)).decode(),
        SWITCH_ENCRYPTION_KEY: base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    return replace(cluster, settings={**made, **cluster.settings})


def write_cluster(home: Path, cluster: Cluster) -> None:
    """Keep it, for its owner alone; a reader sees the old file or the new one."""
    draft = home / "cluster.json.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(_ENCODE(cluster), indent=2))
    draft.replace(home / "cluster.json")
