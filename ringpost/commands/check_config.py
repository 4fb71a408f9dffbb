"""`ringpost check-config`: read the settings of services as they would, and name every mistake."""

import json
import sys
from collections.abc import Mapping

import click

from deploy.local.catalogue import SERVICES
from deploy.local.cluster_file import environment
from deploy.local.handover import hand_over, refuse_unknown, settings_of
from ringpost.configuration_page import configuration_page
from shared.errors import SettingsError
from shared.settings import read_settings


@click.command("check-config")
@click.argument("services", nargs=-1, type=click.Choice(list(SERVICES)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--document", is_flag=True, help="Print docs/configuration.md instead; nothing is checked.")
def check_config(*, services: tuple[str, ...], as_json: bool, document: bool) -> None:
    """Check the settings of SERVICES (default: all) without starting anything.

    Exit code 1 when there is a mistake; each is named, values are never shown.
    """
    if document:
        click.echo(configuration_page(), nl=False)
        return
    environ = environment()
    problems = {name: _problems(name, environ) for name in services or SERVICES}
    problems["environment"] = _unknown_names(environ)
    if as_json:
        click.echo(json.dumps(problems))
    else:
        for name, found in problems.items():
            click.echo("\n".join(f"{name}: {problem}" for problem in found or ["ok"]))
    if any(problems.values()):
        sys.exit(1)


def _problems(name: str, environ: Mapping[str, str]) -> list[str]:
    try:
        read_settings(settings_of(name), hand_over(name, environ))
    except SettingsError as error:
        return list(error.problems)
    return []


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    try:
        refuse_unknown(environ, SERVICES)
    except SettingsError as error:
        return list(error.problems)
    return []
