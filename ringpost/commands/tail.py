"""`ringpost tail`: pings as they are answered."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress

import click

from deploy.local.cluster_file import environment
from ringpost.ping_view import as_line, as_object
from ringpost.stores_of import open_postgres, open_redis
from shared.stores.events import Streams
from shared.stores.ping_names import find_key_id, load_names
from shared.stores.stream_tail import Follower

_PAUSE_S = 0.4


@click.command()
@click.option("--key", metavar="NAME_OR_ID", help="Only pings of this key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def tail(key: str | None, as_json: bool) -> None:
    """Follow pings from now on, one line each, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_follow(environment(), key, as_json=as_json))


async def _follow(environ: Mapping[str, str], key: str | None, *, as_json: bool) -> None:
    async with open_postgres(environ) as postgres, open_redis(environ) as redis:
        key_id = await find_key_id(postgres, key) if key else None
        seconds, micros = await redis.command(0, "TIME")
        now_ms = int(seconds) * 1_000 + int(micros) // 1_000
        follower = Follower(postgres, Streams(redis), now_ms=now_ms, key_id=key_id)
        click.echo("following; Ctrl-C ends it", err=True)
        while True:
            if pings := await follower.new():
                names = await load_names(postgres, pings)
                for ping in pings:
                    click.echo(json.dumps(as_object(ping, names)) if as_json else as_line(ping, names))
                sys.stdout.flush()
            await asyncio.sleep(_PAUSE_S)
