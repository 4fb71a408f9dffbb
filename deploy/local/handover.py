"""What each service is given of one environment that is meant for all of them.

Owns the filter: a service sees its own settings only, so no secret reaches a process that has no use for it.
Must never drop a name silently that no service knows: that is a mistyped setting.
"""

import importlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from msgspec import Struct

from shared.errors import SettingsError
from shared.settings import FILE_SUFFIX, PREFIX, describe

LAUNCHER_SETTINGS = frozenset({"RINGPOST_HOME", "RINGPOST_ENGINES"})
OPERATOR_SETTINGS = frozenset(
    {
        *("RINGPOST_KEY_ENCRYPTION_KEY", "RINGPOST_KEYS_HASH_ONLY"),
        *("RINGPOST_PEPPER", "RINGPOST_SWITCH_ENCRYPTION_KEY"),
    }
)


def settings_of(service: str) -> type[Struct]:
    """A service's Struct of settings, which its composition root names."""
    settings: type[Struct] = importlib.import_module(f"services.{service}.app").SERVICE.settings
    return settings


def hand_over(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as that service gets it."""
    known = _names(service)
    return {
        name: value for name, value in environment.items() if not name.startswith(PREFIX) or name in known
    }


def refuse_unknown(environment: Mapping[str, str], services: Iterable[str]) -> None:
    """Errors: SettingsError naming every RINGPOST_* name that nobody reads."""
    known = LAUNCHER_SETTINGS.union(
        _with_files(OPERATOR_SETTINGS), *(_names(service) for service in services)
    )
    problems = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.8)
            problems.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    if problems:
        raise SettingsError(tuple(problems))


def _names(service: str) -> frozenset[str]:
    rows = describe(settings_of(service))
    return frozenset(row.name for row in rows) | _with_files(row.name for row in rows if row.secret)


def _with_files(names: Iterable[str]) -> frozenset[str]:
    return frozenset(each for name in names for each in (name, name + FILE_SUFFIX))
