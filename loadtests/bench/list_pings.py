"""Pings with a long list and without it: short slices in turn, each beside its neighbour.

Owns that ratio. A machine's pace drifts by more than what is looked for, so slices are short and there are many. Must never
compare slices that are not neighbours.
"""

from collections.abc import Callable
from statistics import median

from msgspec import Struct

from loadtests.bench.callers import fresh_callers
from loadtests.bench.cases import FIRST_CALLER, ping_request
from loadtests.bench.cpu import cpu_clock_s
from loadtests.bench.lists_stage import ListsStage, PingStage
from loadtests.bench.load import Load
from loadtests.bench.measure import CONNECTIONS

SLICE_S = 0.25
_BETWEEN_S = 2.0  # of pings that are kept; more would reach the length at which traces are left out


class Slice(Struct, frozen=True, kw_only=True):
    """A stretch of closed-loop pings. Units: answers a second; microseconds of CPU a ping, of the server and of Redis."""

    rate: float
    cpu_us: float
    redis_us: float
    bad: int


class Pair(Struct, frozen=True, kw_only=True):
    """Two neighbours."""

    without: Slice
    with_list: Slice


async def ping_in_turns(stage: ListsStage, pings: PingStage, *, rounds: int, seconds: float) -> list[Pair]:
    """As many slices of each as fit into the rounds; which of a pair is first changes from pair to pair."""
    callers = fresh_callers(FIRST_CALLER)

    def load(token: str) -> Load:
        return Load(pings.rtb.port, lambda: ping_request(token, next(callers)))

    loads = {"without": load(stage.tokens["bench"]), "with": load(stage.long_tokens["bench"])}
    found: list[Pair] = []
    try:
        for each in loads.values():
            await each.connect(CONNECTIONS)
            await each.closed(1.0)  # what is cold becomes hot
        for number in range(max(1, round(rounds * seconds / SLICE_S))):
            if number * SLICE_S * 2 % _BETWEEN_S == 0:
                pings.forget_pings()
            turn = [*loads] if number % 2 else [*loads][::-1]
            both = {name: await _slice(pings, loads[name]) for name in turn}
            found.append(Pair(without=both["without"], with_list=both["with"]))
    finally:
        for each in loads.values():
            each.close()
    return found


async def _slice(pings: PingStage, load: Load) -> Slice:
    before, redis_before = cpu_clock_s(pings.rtb.pid), _redis_cpu_s(pings)
    sample = await load.closed(SLICE_S)
    spent, redis_spent = cpu_clock_s(pings.rtb.pid) - before, _redis_cpu_s(pings) - redis_before
    return Slice(
        rate=sample.requests / sample.seconds,
        cpu_us=spent / sample.requests * 1e6,
        redis_us=redis_spent / sample.requests * 1e6,
        bad=sample.bad,
    )


def middle_of_slices(slices: list[Slice]) -> Slice:
    """The median of each figure."""
    return Slice(
        rate=median(each.rate for each in slices),
        cpu_us=median(each.cpu_us for each in slices),
        redis_us=median(each.redis_us for each in slices),
        bad=sum(each.bad for each in slices),
    )


def dearer(pairs: list[Pair], of: Callable[[Slice], float]) -> float:
    """A figure with the list over the same without, each slice against its neighbour; the median."""
    return median(of(pair.with_list) / of(pair.without) for pair in pairs)


def _redis_cpu_s(pings: PingStage) -> float:
    info = pings.redis.info("cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])
