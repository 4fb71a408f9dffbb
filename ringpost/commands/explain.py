"""`ringpost explain UUID`: why a ping was answered as it was."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

import click

from deploy.local.cluster_file import environment
from ringpost.ping_view import as_object, as_text
from ringpost.stores_of import open_postgres, open_redis
from shared.domain.ping_log import PingRow
from shared.domain.uuid7 import is_uuid7
from shared.errors import OperatorError, Unavailable
from shared.stores.events import Streams
from shared.stores.ping_names import Names, load_names
from shared.stores.pings import find_ping
from shared.stores.postgres import Postgres
from shared.stores.stream_tail import as_of_now, find_waiting


@click.command()
@click.argument("uuid")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(uuid: str, as_json: bool) -> None:
    """Show every candidate of the ping UUID with its reason and bid, and what became of it.

    Works at once, also before the ping is in the log. Exit code 1 when there is no such ping.
    """
    if not is_uuid7(uuid.lower()):
        raise OperatorError("that is no uuid of a ping")
    ping, names = asyncio.run(_explained(environment(), uuid.lower()))
    click.echo(json.dumps(as_object(ping, names)) if as_json else "\n".join(as_text(ping, names)))


async def _explained(environ: Mapping[str, str], uuid: str) -> tuple[PingRow, Names]:
    async with open_postgres(environ) as postgres:
        ping = await find_ping(postgres, uuid)
        with suppress(*((OperatorError, Unavailable) if ping else ())):  # the log alone answers, too
            ping = await _with_redis(environ, postgres, uuid=uuid, ping=ping)
        if ping is None:
            raise OperatorError("there is no ping with that uuid, or it is older than the log is kept")
        return ping, await load_names(postgres, [ping])


async def _with_redis(
    environ: Mapping[str, str], postgres: Postgres, *, uuid: str, ping: PingRow | None
) -> PingRow | None:
    async with open_redis(environ) as redis:
        if ping is None:  # the drain may store it between our two looks: then it is in the log
            ping = await find_waiting(Streams(redis), uuid) or await find_ping(postgres, uuid)
        return ping and await as_of_now(redis, ping)
