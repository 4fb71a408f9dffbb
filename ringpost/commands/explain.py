"""`ringpost explain UUID`: why a ping was answered as it was, or what became of a call."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import click

from deploy.local.cluster_file import environment
from ringpost import call_view, ping_view
from ringpost.stores_of import open_postgres, open_redis
from shared.domain.ping_log import PingRow
from shared.domain.uuid7 import is_uuid7
from shared.errors import OperatorError, Unavailable
from shared.stores.call_records import find_record
from shared.stores.events import Streams
from shared.stores.ping_names import load_names
from shared.stores.pings import find_ping
from shared.stores.postgres import Postgres
from shared.stores.stream_tail import as_of_now, find_waiting


@click.command()
@click.argument("uuid")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(uuid: str, as_json: bool) -> None:
    """Show every candidate of the ping UUID with its reason and bid, and what became of it; of a call, its record.

    Works at once, also before the ping is in the log. Exit code 1 when there is neither.
    """
    if not is_uuid7(uuid.lower()):
        raise OperatorError("that is no uuid of a ping or a call")
    told, lines = asyncio.run(_explained(environment(), uuid.lower()))
    click.echo(json.dumps(told) if as_json else "\n".join(lines))


async def _explained(environ: Mapping[str, str], uuid: str) -> tuple[dict[str, Any], Iterable[str]]:
    """The object for machines and the lines for people."""
    async with open_postgres(environ) as postgres:
        record = await find_record(postgres, uuid)
        if record is not None:
            return call_view.as_object(record), call_view.as_text(record)
        ping = await find_ping(postgres, uuid)
        with suppress(*((OperatorError, Unavailable) if ping else ())):  # the log alone answers, too
            ping = await _with_redis(environ, postgres, uuid=uuid, ping=ping)
        if ping is None:
            raise OperatorError("there is no ping or call with that uuid, or it is older than what is kept")
        names = await load_names(postgres, [ping])
        return ping_view.as_object(ping, names), ping_view.as_text(ping, names)


async def _with_redis(
    environ: Mapping[str, str], postgres: Postgres, *, uuid: str, ping: PingRow | None
) -> PingRow | None:
    async with open_redis(environ) as redis:
        if ping is None:  # the drain may store it between our two looks: then it is in the log
            ping = await find_waiting(Streams(redis), uuid) or await find_ping(postgres, uuid)
        return ping and await as_of_now(redis, ping)
