"""One round of one case, and what a number of rounds add up to.

Owns the ratios: server CPU seconds per request, beside the hello-world's of the same round. Must never compare figures of
different runs.
"""

from statistics import median

from msgspec import Struct

from loadtests.bench.cases import Case
from loadtests.bench.cpu import cpu_seconds
from loadtests.bench.load import Load, Sample
from loadtests.bench.stage import Stage

CONNECTIONS = 128
_WARM_S = 0.3


class Round(Struct, frozen=True, kw_only=True):
    """One stretch of closed-loop load. Units: cpu_us microseconds of server CPU a request; busy 0 to 1; ms."""

    rate: float
    cpu_us: float
    busy: float
    redis_busy: float
    p50_ms: float
    p99_ms: float
    bad: int


class OpenRound(Struct, frozen=True, kw_only=True):
    """One stretch of open-loop load at a set rate; latency from the intended moment of sending."""

    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    bad: int


async def closed_round(stage: Stage, case: Case, *, seconds: float) -> Round:
    """128 connections, each always waiting for its answer."""
    load = Load(case.port, case.make_request, expected=case.status)
    await load.connect(CONNECTIONS)
    try:
        await load.closed(_WARM_S)
        before, redis_before = cpu_seconds(case.pid), _redis_cpu(stage)
        sample = await load.closed(seconds)
        spent, redis_spent = cpu_seconds(case.pid) - before, _redis_cpu(stage) - redis_before
    finally:
        load.close()
    stage.forget_pings()
    return Round(
        rate=sample.requests / sample.seconds,
        cpu_us=spent / sample.requests * 1e6,
        busy=spent / sample.seconds,
        redis_busy=redis_spent / sample.seconds,
        p50_ms=sample.percentile(0.5),
        p99_ms=sample.percentile(0.99),
        bad=sample.bad,
    )


async def open_round(stage: Stage, case: Case, *, seconds: float, rate: float) -> OpenRound:
    """Requests by the clock."""
    load = Load(case.port, case.make_request, expected=case.status)
    await load.connect(CONNECTIONS)
    try:
        sample: Sample = await load.open(seconds, rate)
    finally:
        load.close()
    stage.forget_pings()
    return OpenRound(
        rate=rate,
        p50_ms=sample.percentile(0.5),
        p99_ms=sample.percentile(0.99),
        p999_ms=sample.percentile(0.999),
        bad=sample.bad,
    )


def middle(rounds: list[Round]) -> Round:
    """The median of each figure."""
    return Round(
        rate=median(r.rate for r in rounds),
        cpu_us=median(r.cpu_us for r in rounds),
        busy=median(r.busy for r in rounds),
        redis_busy=median(r.redis_busy for r in rounds),
        p50_ms=median(r.p50_ms for r in rounds),
        p99_ms=median(r.p99_ms for r in rounds),
        bad=sum(r.bad for r in rounds),
    )


def ratio_to_hello(hello: list[Round], other: list[Round]) -> float:
    """Hello's CPU a request over the other's, each round against its own neighbour; the median."""
    return median(a.cpu_us / b.cpu_us for a, b in zip(hello, other, strict=True))


def _redis_cpu(stage: Stage) -> float:
    info = stage.redis.info("cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])
