"""`ringpost keys`: postback keys made, paused, resumed, deleted and shown again."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from typing import Any, TypeVar

import click
from msgspec import Struct, to_builtins

from deploy.local.cluster_file import environment
from ringpost.operator_desk import Force, open_vault, operator, put_in_force
from ringpost.stores_of import open_postgres
from shared.domain.key_settings import Kind
from shared.domain.keys import Level
from shared.stores.keys import (
    KeyRow,
    MadeKey,
    delete_key,
    find_one,
    load_keys,
    regenerate,
    reveal,
    set_paused,
)
from shared.stores.new_keys import WantedKey, make_wanted
from shared.stores.postgres import Connection, Postgres

T = TypeVar("T")

_COMPANY = click.option("--company", help="Only this company's keys.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Done(Struct, frozen=True, kw_only=True):
    """What became of a key. Shape: made is set when a token is told."""

    key: KeyRow
    changed: bool = True
    made: MadeKey | None = None
    force: Force = Force()


@click.group()
def keys() -> None:
    """Postback keys. ID is a key's id, or a name that only one key has.

    A change is in force for every request that starts after the command. Exit codes: 0 done, 1 refused, 3
    saved, but in force only when Redis is back.
    """


@keys.command("list")
@_COMPANY
@_JSON
def list_keys(company: str | None, as_json: bool) -> None:
    """Every key that is not deleted, when it was last used (UTC) and how often; never its token."""
    found = _with_postgres(lambda postgres: _all(postgres, company))
    if as_json:
        click.echo(json.dumps([_as_json(key) for key in found]))
        return
    for key in found:
        state = "paused" if key.paused else "active"
        where = key.level if key.level is Level.COMPANY else f"{key.level} {key.entity_id}"
        used = f"{key.last_used_at.astimezone(UTC):%Y-%m-%d %H:%MZ}" if key.last_used_at else "never used"
        fields = f"{key.kind:<22}  {where:<18}  {used:<17}  {key.uses:>9}  {key.company}  {key.name}"
        click.echo(f"{key.id:>6}  {state:<6}  {fields}")


@keys.command()
@click.option("--company", required=True, help="The company's name.")
@click.option("--kind", required=True, type=click.Choice([each.value for each in Kind]))
@click.option(
    "--on", "entity", required=True, help="company, or LEVEL:ID as in campaign:auto, publisher:pub_a."
)
@click.option("--name", required=True, help="What the key is called.")
@click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="A setting as in an account file."
)
@_JSON
def create(
    *, company: str, kind: str, entity: str, name: str, settings: tuple[str, ...], as_json: bool
) -> None:
    """Make a key; its token is printed once."""
    wanted = WantedKey(company=company, kind=kind, entity=entity, name=name, settings=settings)

    async def work(connection: Connection) -> Done:
        key, made = await make_wanted(connection, open_vault(environment()), wanted=wanted, actor=operator())
        return Done(key=key, made=made)

    _tell(_change(work), "created", as_json=as_json)


@keys.command()
@click.argument("id_or_name", metavar="ID")
@_COMPANY
@_JSON
def pause(id_or_name: str, company: str | None, *, as_json: bool) -> None:
    """Refuse every request of a key until it is resumed."""
    _set_paused(id_or_name, company, paused=True, as_json=as_json)


@keys.command()
@click.argument("id_or_name", metavar="ID")
@_COMPANY
@_JSON
def resume(id_or_name: str, company: str | None, *, as_json: bool) -> None:
    """Let a paused key work again."""
    _set_paused(id_or_name, company, paused=False, as_json=as_json)


@keys.command()
@click.argument("id_or_name", metavar="ID")
@_COMPANY
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
def delete(id_or_name: str, company: str | None, *, yes: bool, as_json: bool) -> None:
    """Delete a key for good; its token is never valid again."""
    if not yes:
        click.confirm(f"Delete the key {id_or_name} for good?", abort=True, err=True)

    async def work(connection: Connection) -> Done:
        key = await find_one(connection, id_or_name, company=company)
        return Done(key=key, changed=await delete_key(connection, key, actor=operator()))

    _tell(_change(work), "deleted", as_json=as_json)


@keys.command("reveal")
@click.argument("id_or_name", metavar="ID")
@_COMPANY
@_JSON
def reveal_key(id_or_name: str, company: str | None, *, as_json: bool) -> None:
    """Print a key's token, and its secret if it has one; each time leaves an audit row."""
    key, made = asyncio.run(_reveal(environment(), id_or_name, company=company))
    _tell(Done(key=key, made=made), "revealed", as_json=as_json)


@keys.command("regenerate")
@click.argument("id_or_name", metavar="ID")
@_COMPANY
@_JSON
def regenerate_key(id_or_name: str, company: str | None, *, as_json: bool) -> None:
    """Make a new key with the same settings; the old one stays until it is deleted."""

    async def work(connection: Connection) -> Done:
        old = await find_one(connection, id_or_name, company=company)
        made = await regenerate(connection, open_vault(environment()), key=old, actor=operator())
        (key,) = await load_keys(connection, key_id=made.id)
        return Done(key=key, made=made)

    _tell(_change(work), "created", as_json=as_json)


def reveal_token(environ: Mapping[str, str], company: str, *, name: str) -> str:
    """The token of a company's key, as an operator sees it; leaves an audit row.

    Errors: OperatorError when there is no such key, or no copy of its token.
    """
    _, made = asyncio.run(_reveal(environ, name, company=company))
    return made.token.reveal()


async def _reveal(
    environ: Mapping[str, str], id_or_name: str, *, company: str | None
) -> tuple[KeyRow, MadeKey]:
    vault = open_vault(environ)
    async with open_postgres(environ) as postgres, postgres.transaction() as connection:
        key = await find_one(connection, id_or_name, company=company)
        return key, await reveal(connection, vault, key=key, actor=operator())


def _set_paused(id_or_name: str, company: str | None, *, paused: bool, as_json: bool) -> None:
    async def work(connection: Connection) -> Done:
        key = await find_one(connection, id_or_name, company=company)
        return Done(key=key, changed=await set_paused(connection, key, actor=operator(), paused=paused))

    _tell(_change(work), "paused" if paused else "resumed", as_json=as_json)


def _with_postgres(work: Callable[[Postgres], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with open_postgres(environment()) as postgres:
            return await work(postgres)

    return asyncio.run(whole())


def _change(work: Callable[[Connection], Awaitable[Done]]) -> Done:
    """Do it in one transaction, then put it in force."""

    async def whole(postgres: Postgres) -> Done:
        async with postgres.transaction() as connection:
            done = await work(connection)
        force = await put_in_force(environment(), postgres, company_id=done.key.company_id)
        return Done(key=done.key, changed=done.changed, made=done.made, force=force)

    return _with_postgres(whole)


async def _all(postgres: Postgres, company: str | None) -> list[KeyRow]:
    async with postgres.transaction(readonly=True) as connection:
        return await load_keys(connection, company=company)


def _tell(done: Done, verb: str, *, as_json: bool) -> None:
    key, made = done.key, done.made
    if as_json:
        told: dict[str, Any] = {"id": key.id, "name": key.name, "done": verb, "changed": done.changed}
        if made is not None:
            told |= {"token": made.token.reveal()} | ({"secret": made.secret.reveal()} if made.secret else {})
        click.echo(json.dumps({**told, "in_force": done.force.now, "note": done.force.note}))
    else:
        click.echo(f"key {key.id} {key.name}: {verb}{'' if done.changed else ' already'}")
        if made is not None:
            click.echo(f"token: {made.token.reveal()}")
        if made is not None and made.secret is not None:
            click.echo(f"secret: {made.secret.reveal()}")
    if done.force.note:
        click.echo(done.force.note, err=True)
    sys.exit(done.force.exit_code)


def _as_json(key: KeyRow) -> dict[str, Any]:
    plain: dict[str, Any] = to_builtins(key)
    del plain["deleted"]
    return plain
