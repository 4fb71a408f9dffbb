"""`ringpost switches`: who may bring calls, and the secret that each of them signs with."""

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TextIO, TypeVar

import click
from msgspec import Struct, to_builtins

from deploy.local.cluster_file import SWITCH_ENCRYPTION_KEY, environment
from ringpost.operator_desk import operator
from ringpost.operator_settings import required
from ringpost.stores_of import open_postgres
from shared.domain.switching.credentials import SwitchKind
from shared.domain.tokens import Hidden
from shared.domain.web_address import is_web_address
from shared.errors import OperatorError
from shared.stores.config import lock_company_named
from shared.stores.postgres import Connection
from shared.stores.sealing import read_sealer
from shared.stores.switches import (
    CredentialRow,
    NewCredential,
    create_credential,
    delete_credential,
    load_rows,
)

T = TypeVar("T")

_COMPANY = click.option("--company", help="Only this company's.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_GENERIC = "generic"
_SHORTEST: Mapping[SwitchKind, int] = {"generic": 32, "twilio": 16}
_account = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_secret = re.compile(r"[!-~]{1,256}").fullmatch


class WantedSwitch(Struct, frozen=True, kw_only=True):
    """A switch in an operator's words. Shape: account "" = a generic switch's usual name; secret None = drawn."""

    company: str
    kind: SwitchKind = "generic"
    account: str = ""
    secret: Hidden | None = None
    command_url: str = ""


class MadeSwitch(Struct, frozen=True, kw_only=True):
    """A credential that was just made, with what is told once. Shape: secret None = it was given."""

    id: int
    account: str
    secret: Hidden | None = None


@click.group()
def switches() -> None:
    """Switches' credentials. ID is a credential's id, or an account that only one has.

    A new one can bring calls at once, a deleted one for five more seconds. Exit codes: 0 done, 1 refused.
    """


@switches.command("list")
@_COMPANY
@_JSON
def list_switches(company: str | None, as_json: bool) -> None:
    """Every credential; never its secret."""
    rows = _in_transaction(environment(), lambda connection: load_rows(connection, company=company))
    if as_json:
        click.echo(json.dumps(to_builtins(rows)))
        return
    for row in rows:
        line = f"{row.id:>6}  {row.kind:<7}  {row.account_id:<34}  {row.company}  {row.command_url}"
        click.echo(line.rstrip())


@switches.command()
@click.option("--company", required=True, help="The company's name.")
@click.option("--kind", required=True, type=click.Choice(list(_SHORTEST)))
@click.option("--account", default="", help="Twilio's AccountSid; what a generic switch is called.")
@click.option(
    "--secret-file",
    type=click.File("r"),
    help="Holds the secret (Twilio's auth token); - is standard input. Not given: Twilio's is asked for, another one drawn.",
)
@click.option(
    "--command-url",
    default="",
    help="Where a generic switch takes commands to live calls; the API of a Twilio look-alike.",
)
@_JSON
def create(
    *,
    company: str,
    kind: SwitchKind,
    account: str,
    secret_file: TextIO | None,
    command_url: str,
    as_json: bool,
) -> None:
    """Let a switch bring calls of a company; a secret that is drawn is printed once."""
    wanted = WantedSwitch(
        company=company,
        kind=kind,
        account=account,
        secret=_read_secret(kind, secret_file),
        command_url=command_url,
    )
    made = make_switch(environment(), wanted)
    secret = made.secret.reveal() if made.secret else None
    if as_json:
        told = {"id": made.id, "kind": kind, "account": made.account, "done": "created"}
        click.echo(json.dumps(told | ({"secret": secret} if secret else {})))
        return
    click.echo(f"switch {made.id} {made.account}: created")
    if secret:
        click.echo(f"secret: {secret}")


@switches.command()
@click.argument("id_or_account", metavar="ID")
@_COMPANY
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
def delete(id_or_account: str, company: str | None, *, yes: bool, as_json: bool) -> None:
    """Delete a credential for good; that switch's live calls are ended when they have been idle for long."""
    if not yes:
        click.confirm(f"Delete the switch {id_or_account} for good?", abort=True, err=True)

    async def work(connection: Connection) -> CredentialRow:
        row = _meant(await load_rows(connection, company=company), id_or_account)
        await delete_credential(connection, row, actor=operator())
        return row

    row = _in_transaction(environment(), work)
    if as_json:
        click.echo(json.dumps({"id": row.id, "kind": row.kind, "account": row.account_id, "done": "deleted"}))
    else:
        click.echo(f"switch {row.id} {row.account_id}: deleted")


def make_switch(environ: Mapping[str, str], wanted: WantedSwitch, *, actor: str = "") -> MadeSwitch:
    """Make a credential. Shape: actor "" = the operator.

    Errors: OperatorError when it cannot be one, there is such a one already, or the company is not known.
    """
    drawn = None if wanted.secret else Hidden(secrets.token_urlsafe(32))
    secret, account = wanted.secret or drawn, _checked_account(wanted)
    assert secret is not None
    sealer = read_sealer(required(environ, SWITCH_ENCRYPTION_KEY), name=SWITCH_ENCRYPTION_KEY)

    async def work(connection: Connection) -> int:
        company_id = await lock_company_named(connection, wanted.company)
        if company_id is None:
            raise OperatorError("no company is called that")
        new = NewCredential(
            company_id=company_id,
            kind=wanted.kind,
            account_id=account,
            secret=secret,
            command_url=wanted.command_url,
        )
        return await create_credential(connection, sealer, new=new, actor=actor or operator())

    return MadeSwitch(id=_in_transaction(environ, work), account=account, secret=drawn)


def _checked_account(wanted: WantedSwitch) -> str:
    account = wanted.account or (_GENERIC if wanted.kind == "generic" else "")
    if not _account(account):
        raise OperatorError("--account has 1 to 64 letters, digits, _ or -; Twilio's is the AccountSid")
    if wanted.command_url and not is_web_address(wanted.command_url):
        raise OperatorError("--command-url is an http(s) address without credentials in it")
    return account


def _read_secret(kind: SwitchKind, file: TextIO | None) -> Hidden | None:
    """The secret that was given; Twilio's is asked for, so that it stands in no history. None = one is to be drawn."""
    if file is None and kind == "generic":
        return None
    text = click.prompt("auth token", hide_input=True, err=True) if file is None else file.read()
    secret = text.strip()
    if not _secret(secret) or len(secret) < _SHORTEST[kind]:
        raise OperatorError(f"a {kind} secret has {_SHORTEST[kind]} to 256 visible ASCII characters")
    return Hidden(secret)


def _meant(rows: Sequence[CredentialRow], id_or_account: str) -> CredentialRow:
    found = [row for row in rows if str(row.id) == id_or_account]
    found = found or [row for row in rows if row.account_id == id_or_account]
    if len(found) == 1:
        return found[0]
    if not found:
        raise OperatorError("no switch is called that: `ringpost switches list` shows them")
    raise OperatorError(
        f"several switches are called that: give one of the ids {', '.join(str(row.id) for row in found)}"
    )


def _in_transaction(environ: Mapping[str, str], work: Callable[[Connection], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with open_postgres(environ) as postgres, postgres.transaction() as connection:
            return await work(connection)

    return asyncio.run(whole())
