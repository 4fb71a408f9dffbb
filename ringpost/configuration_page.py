"""The page docs/configuration.md, written from the Structs that the settings are read into.

Owns its layout, and the documentation of what commands read beside the services. Must never hold a setting's value.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Struct

from deploy.local.catalogue import SERVICES
from deploy.local.handover import settings_of
from shared.service_settings import ServiceSettings
from shared.settings import Secret, Setting, SettingRow, describe

_HEAD = """\
# Configuration

<!-- Written by `ringpost check-config --document > docs/configuration.md`; tests/pure/test_docs.py compares. Do not edit. -->

Settings come from the environment alone, with the prefix `RINGPOST_`. Each service reads them once, at its start, into one
frozen Struct. An unknown `RINGPOST_` name, a bad value or a missing one stops the start, with all problems listed at once.
An empty value counts as not given. Ranges include both ends. Booleans are `true` or `false` (`1`, `0`, `yes`, `no`, `on`, `off`
do as well); lists have commas between.

A secret may be given as a file too: `RINGPOST_PEPPER_FILE` names the file that holds it. Giving both is refused. No setting's
value is ever printed, logged or put into an error.

`ringpost up` and `ringpost serve` give each service the settings that it reads, and no other, so that no secret reaches a
process that has no use for it. `ringpost check-config [SERVICE...]` reads everything as the services would and names every
mistake.
"""
_COLUMNS = "| setting | what | default | unit, range | why |\n|---|---|---|---|---|\n"


class CommandSettings(Struct, frozen=True, kw_only=True):
    """What `ringpost` itself reads; the local cluster makes the secrets for itself at its first start."""

    home: Annotated[
        str,
        Setting(
            what="folder of the local cluster: data, logs and secrets made for it",
            why="every command finds the running cluster there, so none needs a setting",
        ),
    ] = ".ringpost"
    engines: Annotated[
        Literal["system", "embedded"] | None,
        Setting(
            what="`system` or `embedded`: which Postgres and Redis the local cluster starts when none are configured",
            why="not given: the system's, else those of the extra `local`",
        ),
    ] = None
    pepper: Annotated[
        Secret,
        Setting(
            what="the secret under which tokens are hashed for their look-up",
            why="the same for every service and for the commands that make keys",
        ),
    ] = Secret("")
    key_encryption_key: Annotated[
        Secret,
        Setting(
            what="the secret under which the shown-again copies of tokens are sealed; at least 32 characters. Several, with "
            "commas between: the first seals, the others only open",
            why="the hot services are never given it; several, so that it can be changed",
        ),
    ] = Secret("")
    switch_encryption_key: Annotated[
        Secret,
        Setting(
            what="the secret under which the secrets of switches are sealed; at least 32 characters. Several, with commas "
            "between: the first seals, the others only open",
            why="not the key-encryption key, as the calls service is given it, too",
        ),
    ] = Secret("")
    keys_hash_only: Annotated[
        bool,
        Setting(
            what="keep no sealed copies: a token is told once, when it is made, and never again",
            why="for who would rather regenerate a lost token than be able to reveal it",
        ),
    ] = False


def configuration_page() -> str:
    """The whole page. Shape: settings that all services share first, then each service's own."""
    common = _common()
    parts = [_HEAD, _section("Every service", common), _section("Commands", _rows(CommandSettings))]
    for name, service in SERVICES.items():
        rows = [
            row
            for row in _rows(settings_of(name))
            if row not in common and (service.port or row.name != "RINGPOST_PORT")
        ]
        parts.append(_section(f"The {name} service", rows))
    return "\n".join(parts)


def _common() -> list[SettingRow]:
    """What no service has its own default or meaning for."""
    each = [_rows(settings_of(name)) for name in SERVICES]
    return [row for row in _rows(ServiceSettings) if all(row in rows for rows in each)]


def _rows(settings: type[Struct]) -> tuple[SettingRow, ...]:
    return describe(settings)


def _section(title: str, rows: Iterable[SettingRow]) -> str:
    return f"## {title}\n\n{_COLUMNS}{''.join(map(_line, rows))}"


def _line(row: SettingRow) -> str:
    what = row.what + (" (secret)" if row.secret else "")
    default = "" if row.default in {"(none)", "(secret)"} else row.default
    bounds = " ".join(part for part in (row.bounds, row.unit) if part)
    cells = (f"`{row.name}`", what, default, bounds, row.why)
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
