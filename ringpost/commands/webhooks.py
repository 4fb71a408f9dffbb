"""`ringpost webhooks`: what is owed to receivers, dead letters sent again, the secret that receivers check with."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import click
from msgspec import to_builtins

from deploy.local.cluster_file import PEPPER, environment
from ringpost.operator_desk import operator
from ringpost.operator_settings import required
from ringpost.stores_of import open_postgres
from shared.domain.webhook_message import secret_of
from shared.errors import OperatorError
from shared.stores.outbox import Status, replay, replay_dead
from shared.stores.outbox_desk import OutboxRow, load_rows, note_reveal
from shared.stores.postgres import Connection

T = TypeVar("T")

_COMPANY = click.option("--company", help="Only this company's.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def webhooks() -> None:
    """Webhooks that calls caused: waiting for their delivery, delivered, or dead.

    Exit codes: 0 done, 1 refused.
    """


@webhooks.command("list")
@_COMPANY
@click.option("--status", type=click.Choice(["waiting", "delivered", "dead"]), help="Only in this state.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many."
)
@_JSON
def list_webhooks(*, company: str | None, status: Status | None, limit: int, as_json: bool) -> None:
    """The newest first, with what the receiver said last; never what is told to it."""
    rows = _in_transaction(
        lambda connection: load_rows(connection, company=company, status=status, limit=limit)
    )
    if as_json:
        click.echo(json.dumps(to_builtins(rows)))
        return
    for row in rows:
        click.echo(_line(row))


@webhooks.command("replay")
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--dead", is_flag=True, help="All dead ones.")
@_COMPANY
@_JSON
def replay_webhooks(*, ids: tuple[str, ...], dead: bool, company: str | None, as_json: bool) -> None:
    """Deliver dead or delivered webhooks again, under the same id and from the schedule's beginning.

    What waits already is left as it is.
    """
    if bool(ids) == dead or (company is not None and not dead):
        raise click.UsageError("give either IDs, or --dead with or without --company")
    wanted = [_id(each) for each in ids]

    async def work(connection: Connection) -> int:
        return await replay_dead(connection, company=company) if dead else await replay(connection, wanted)

    again = _in_transaction(work)
    click.echo(json.dumps({"replayed": again}) if as_json else f"{again} to be delivered again")


@webhooks.command()
@click.option("--company", required=True, help="The company's name.")
@_JSON
def secret(*, company: str, as_json: bool) -> None:
    """Print what a company's webhooks are signed with; each time leaves an audit row."""
    pepper = required(environment(), PEPPER).encode()
    company_id = _in_transaction(lambda connection: note_reveal(connection, company, actor=operator()))
    told = secret_of(pepper, company_id)
    click.echo(json.dumps({"company": company, "secret": told}) if as_json else told)


def _in_transaction(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with open_postgres(environment()) as postgres, postgres.transaction() as connection:
            return await work(connection)

    return asyncio.run(whole())


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise OperatorError(f"{text[:64]} is no webhook's id: `ringpost webhooks list` shows them") from None


def _line(row: OutboxRow) -> str:
    said = str(row.answered or row.error or "-")
    when = f"next {_time(row.next_at)}" if row.next_at else f"of {_time(row.created_at)}"
    name = row.webhook or "(deleted)"
    return (
        f"{row.id}  {row.status:<9}  {row.attempts} attempts  {said:<15}  {when}  "
        f"{row.trigger:<13}  {row.host}  {row.company}  {name}"
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
