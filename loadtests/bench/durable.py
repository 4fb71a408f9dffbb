"""The durable cases: rounds of each beside pgbench, and what they add up to.

Owns their ratios: answers a second over pgbench's transactions a second, each round against its own neighbour. Must never
compare figures of different runs.
"""

import asyncio
import urllib.request
from statistics import median

from msgspec import Struct

from loadtests.bench.cases import Case
from loadtests.bench.cpu import cpu_seconds
from loadtests.bench.durable_cases import durable_cases_of
from loadtests.bench.durable_stage import DurableStage
from loadtests.bench.load import Load
from loadtests.bench.measure import OpenRound
from loadtests.bench.pgbench import Tally

LINES = 16  # more than connections to Postgres: a line is also on its way here and back
DURABLE_FLOOR, DURABLE_GOAL = 0.3, 0.5
_WARM_S = 0.3
_SETTLED_S = 1.3  # counters reach /metrics once a second


class DurableRound(Struct, frozen=True, kw_only=True):
    """One stretch of closed-loop load, with pgbench's just before it. Units: a second; us of the service's CPU; ms."""

    rate: float
    pgbench: Tally
    ratio: float
    cpu_us: float
    busy: float
    p50_ms: float
    p99_ms: float
    bad: int


class DurableCase(Struct, frozen=True, kw_only=True):
    """One case: the medians of its rounds, the open loop at half of its rate, and every round."""

    says: str
    middle: DurableRound
    half_load: OpenRound
    postgres_queries: float
    rounds: list[DurableRound]


class DurableResults(Struct, frozen=True, kw_only=True):
    """All durable cases. keeps: how Postgres keeps commits."""

    floor: float
    goal: float
    connections: int
    keeps: str
    cases: dict[str, DurableCase]


async def run_durable(stage: DurableStage, *, rounds: int, seconds: float) -> DurableResults:
    """Rounds of all cases in turn, then each at half of its own rate."""
    cases = durable_cases_of(stage)
    queries = {case.name: await _queries(stage, case, seconds=seconds) for case in cases}
    found: dict[str, list[DurableRound]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            tally = await asyncio.to_thread(stage.pgbench.run, max(1, round(seconds)))
            found[case.name].append(await _closed_round(case, tally, seconds=seconds))
    return DurableResults(
        floor=DURABLE_FLOOR,
        goal=DURABLE_GOAL,
        connections=stage.pgbench.connections,
        keeps=stage.keeps,
        cases={
            case.name: DurableCase(
                says=case.says,
                middle=middle_of(found[case.name]),
                half_load=await _open_round(case, seconds=seconds, rate=middle_of(found[case.name]).rate / 2),
                postgres_queries=queries[case.name],
                rounds=found[case.name],
            )
            for case in cases
        },
    )


def middle_of(rounds: list[DurableRound]) -> DurableRound:
    """The median of each figure, bad answers summed."""
    return DurableRound(
        rate=median(r.rate for r in rounds),
        pgbench=Tally(
            rate=median(r.pgbench.rate for r in rounds),
            latency_ms=median(r.pgbench.latency_ms for r in rounds),
        ),
        ratio=median(r.ratio for r in rounds),
        cpu_us=median(r.cpu_us for r in rounds),
        busy=median(r.busy for r in rounds),
        p50_ms=median(r.p50_ms for r in rounds),
        p99_ms=median(r.p99_ms for r in rounds),
        bad=sum(r.bad for r in rounds),
    )


def holds(results: DurableResults) -> bool:
    """Whether every case keeps the floor, is at most two round trips, and answered each request as it should."""
    return all(
        case.middle.ratio >= results.floor
        and round(case.postgres_queries, 1) <= 2
        and not case.middle.bad
        and not case.half_load.bad
        for case in results.cases.values()
    )


async def _closed_round(case: Case, tally: Tally, *, seconds: float) -> DurableRound:
    load = Load(case.port, case.make_request, expected=case.status)
    await load.connect(LINES)
    try:
        await load.closed(_WARM_S)
        before = cpu_seconds(case.pid)
        sample = await load.closed(seconds)
        spent = cpu_seconds(case.pid) - before
    finally:
        load.close()
    rate = sample.requests / sample.seconds
    return DurableRound(
        rate=rate,
        pgbench=tally,
        ratio=rate / tally.rate,
        cpu_us=spent / sample.requests * 1e6,
        busy=spent / sample.seconds,
        p50_ms=sample.percentile(0.5),
        p99_ms=sample.percentile(0.99),
        bad=sample.bad,
    )


async def _open_round(case: Case, *, seconds: float, rate: float) -> OpenRound:
    load = Load(case.port, case.make_request, expected=case.status)
    await load.connect(LINES)
    try:
        sample = await load.open(seconds * 2, rate)
    finally:
        load.close()
    return OpenRound(
        rate=rate,
        p50_ms=sample.percentile(0.5),
        p99_ms=sample.percentile(0.99),
        p999_ms=sample.percentile(0.999),
        bad=sample.bad,
    )


async def _queries(stage: DurableStage, case: Case, *, seconds: float) -> float:
    """Postgres round trips a request, by the service's own count; chores of the same time are counted too."""
    load = Load(case.port, case.make_request, expected=case.status)
    await load.connect(LINES)
    try:
        await load.closed(0.2)  # what is cold becomes hot
        await asyncio.sleep(_SETTLED_S)
        before = _count(stage)
        sample = await load.closed(seconds)
        await asyncio.sleep(_SETTLED_S)
        return (_count(stage) - before) / sample.requests
    finally:
        load.close()


def _count(stage: DurableStage) -> float:
    with urllib.request.urlopen(f"{stage.data.ops_url}/metrics", timeout=5) as answer:  # noqa: S310 - our own
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("ringpost_postgres_queries_total")
    )
