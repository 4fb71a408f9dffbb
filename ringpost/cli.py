"""The console script: one group, one file per command, loaded only when it is called.

Owns the list of commands and how an error ends a command. Must never do a command's work.

Exit codes: 0 done, 1 refused or failed (one line on standard error), 2 wrong usage.
"""

import importlib
import sys
from collections.abc import Mapping

import click

from shared.errors import OperatorError, SettingsError, Unavailable

# name -> (module of ringpost.commands, the command object in it)
COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("up", "up"),
    "serve": ("serve", "serve"),
    "migrate": ("migrate", "migrate"),
    "check-config": ("check_config", "check_config"),
    "apply": ("apply", "apply"),
    "keys": ("keys", "keys"),
    "webhooks": ("webhooks", "webhooks"),
    "switches": ("switches", "switches"),
    "simulate": ("simulate", "simulate"),
    "fake-buyer": ("fake_buyer", "fake_buyer"),
    "explain": ("explain", "explain"),
    "tail": ("tail", "tail"),
    "rebuild-hot": ("rebuild_hot", "rebuild_hot"),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"ringpost.commands.{module}"), name)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ringpost")
def cli() -> None:
    """Run and operate Ringpost.

    Settings are read from RINGPOST_* and from the cluster that `ringpost up` made.
    """


def main() -> None:
    """Run a command; whatever an operator can mend ends in one line and exit code 1."""
    try:
        cli()
    except OperatorError as error:
        _fail(error.text)
    except SettingsError as error:
        _fail("\n".join(error.problems))
    except Unavailable as error:
        _fail(f"{error.what} is away; try again")


def _fail(text: str) -> None:
    click.echo(f"ringpost: {text}", err=True)
    sys.exit(1)
