"""`ringpost migrate`: bring the database's schema up to date."""

import asyncio
import json

import click

from deploy.local.cluster_file import POSTGRES_DSN, environment
from deploy.local.paths import MIGRATIONS
from ringpost.operator_settings import required
from shared.stores import migrations, schema


@click.command()
@click.option("--plan", is_flag=True, help="Only say what would be applied; exit code 0 either way.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate(plan: bool, as_json: bool) -> None:
    """Apply pending migrations, each in a transaction of its own; then make partitions that are missing."""
    dsn = required(environment(), POSTGRES_DSN)
    work = migrations.pending(dsn, MIGRATIONS) if plan else schema.prepare(dsn, MIGRATIONS)
    files = [each.file for each in asyncio.run(work)]
    if as_json:
        click.echo(json.dumps({"pending" if plan else "applied": files}))
        return
    for file in files:
        click.echo(f"{'pending' if plan else 'applied'} {file}")
    if not files:
        click.echo("the schema is up to date")
