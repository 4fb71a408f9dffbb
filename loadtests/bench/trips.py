"""What one ping asks of the stores.

Owns the two counts of the promise: one Redis call, no Postgres query. Must never count while anything else is measured.
"""

import asyncio
import urllib.request

from msgspec import Struct

from loadtests.bench.cases import Case
from loadtests.bench.load import Load
from loadtests.bench.stage import Stage

_SETTLED_S = 1.3  # counters reach /metrics once a second


class Trips(Struct, frozen=True, kw_only=True):
    """Per ping: calls by the service's own count, scripts by Redis's, queries by the service's."""

    redis_calls: float
    redis_scripts: float
    postgres_queries: float


class _Counts(Struct, frozen=True, kw_only=True):
    calls: float
    scripts: float
    queries: float


async def count_trips(stage: Stage, case: Case, *, seconds: float) -> Trips:
    """Counts before and after a stretch of load. The clock's look at Redis, once a second, is counted too."""
    load = Load(case.port, case.make_request, expected=case.status)
    await load.connect(32)
    try:
        await load.closed(0.2)  # what is cold becomes hot
        await asyncio.sleep(_SETTLED_S)
        before = _counts(stage)
        sample = await load.closed(seconds)
        await asyncio.sleep(_SETTLED_S)
        after = _counts(stage)
    finally:
        load.close()
    return Trips(
        redis_calls=(after.calls - before.calls) / sample.requests,
        redis_scripts=(after.scripts - before.scripts) / sample.requests,
        postgres_queries=(after.queries - before.queries) / sample.requests,
    )


def _counts(stage: Stage) -> _Counts:
    told = _metrics(stage)
    return _Counts(
        calls=told.get("ringpost_redis_calls_total", 0.0),
        scripts=float(stage.redis.info("commandstats")["cmdstat_evalsha"]["calls"]),
        queries=told.get("ringpost_postgres_queries_total", 0.0),
    )


def _metrics(stage: Stage) -> dict[str, float]:
    with urllib.request.urlopen(f"{stage.rtb.ops_url}/metrics", timeout=5) as answer:  # noqa: S310 - our own
        lines = answer.read().decode().splitlines()
    plain = [line.split() for line in lines if line and not line.startswith("#") and "{" not in line]
    return {name: float(value) for name, value, *_ in plain}
