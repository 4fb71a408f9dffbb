"""`ringpost rebuild-hot`: write the hot state in Redis anew from Postgres."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence

import click

from deploy.local.cluster_file import environment
from ringpost.stores_of import open_postgres, open_redis
from shared.clock import Clock
from shared.errors import OperatorError
from shared.logs import configure_logs
from shared.stores.clock_sampler import ClockSampler
from shared.stores.rebuild import Rebuild
from shared.stores.redis import SHARDS

_PAUSE_S = 0.1
_PATIENCE_S = 60.0


@click.command("rebuild-hot")
@click.option("--shard", type=click.IntRange(0, SHARDS - 1), help="Only this shard; else all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rebuild_hot(shard: int | None, as_json: bool) -> None:
    """Distrust what Redis holds and rebuild it: versions, caps, lists, stored tags, reservations and holds.

    Until a shard is rebuilt its pings are answered 503. Needs no stop; running workers help.
    """
    configure_logs("ringpost", level="warning", as_text=True, stream=sys.stderr)
    shards = range(SHARDS) if shard is None else [shard]
    began = time.monotonic()
    asyncio.run(_rebuild(environment(), shards))
    took_s = round(time.monotonic() - began, 1)
    if as_json:
        click.echo(json.dumps({"shards": len(shards), "seconds": took_s}))
    else:
        click.echo(f"{len(shards)} shard{'s' if len(shards) > 1 else ''} rebuilt in {took_s} s")


async def _rebuild(environ: Mapping[str, str], shards: Sequence[int]) -> None:
    async with open_postgres(environ) as postgres, open_redis(environ) as redis:
        clock = Clock()
        await ClockSampler(clock, redis).resync()
        rebuild = Rebuild(postgres, redis, clock=clock)
        await rebuild.chill(shards)
        deadline = time.monotonic() + _PATIENCE_S
        while left := sorted(set(shards) & set(await rebuild.cold())):
            if not await rebuild.rebuild(left):  # a worker has the rest in hand
                await asyncio.sleep(_PAUSE_S)
            if time.monotonic() > deadline:
                raise OperatorError(f"{len(left)} shards are still cold; see the worker's log")
